/** Keys of operations: ULIDs of the stack's time, also where the local clock is wrong. */

const CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** `Date` has whole seconds and travels: within this, the clocks agree. */
const AGREE_MS = 2_000;

/** The stack's clock, as far as its answers have told. */
export class Clock {
  #aheadMs = 0;

  constructor(readonly local: () => number) {}

  now(): number {
    return Math.floor(this.local() - this.#aheadMs);
  }

  /** Learns the time from an answer that was given just now. */
  learn(date: string | null): void {
    const aheadMs = this.local() - Date.parse(date ?? "");
    if (Number.isNaN(aheadMs)) return;
    this.#aheadMs = Math.abs(aheadMs) <= AGREE_MS ? 0 : aheadMs;
  }
}

/**
 * A ULID of `ms`. Its bits are a UUIDv7: of others one in 64 is no time to Scrip, and costs a write
 * more.
 */
export function ulid(ms: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  for (let index = 0; index < 6; index++) {
    bytes[index] = Math.floor(ms / 2 ** (8 * (5 - index))) % 256;
  }
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  let bits = bytes.reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
  let key = "";
  for (let index = 0; index < 26; index++) {
    key = CROCKFORD[Number(bits & 31n)] + key;
    bits >>= 5n;
  }
  return key;
}

/** The time in a key that {@link ulid} made. */
export function ulidMs(key: string): number {
  return [...key.slice(0, 10)].reduce((ms, letter) => ms * 32 + CROCKFORD.indexOf(letter), 0);
}
