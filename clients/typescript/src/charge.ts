/** Charges work for what it delivered. */

import type { Scrip } from "./client.js";
import { OutcomeUnknown, Refused, ScripError } from "./errors.js";
import { areCounts, isNothing, type MeteredFields, type Meters, type Reported } from "./metered.js";
import { sleep } from "./send.js";
import type { CaptureReceipt, ChargeRequest, DebitReceipt, Unpaid } from "./types.js";

/** The work's side of a charge: it reports what it delivers, and learns when to stop. */
export interface Work {
  /**
   * Reports what was delivered so far, in all: a quantity of the action, credits where those were
   * asked for, or by `{ meters }` or `{ usage, usage_format }` what a model used. Call it as often
   * as you like; what is more than was asked for is charged only with `beyond`. If Scrip refuses the
   * meters or the usage, such as a usage object that it cannot read, it charges the report's
   * `otherwise`; without one the meters that were reported before a usage, or else those that were
   * asked for.
   *
   * @throws TypeError if it is no amount of what was asked for: a count is a whole number >= 0.
   */
  delivered(total: number | string | Reported): void;
  /** Aborts when the caller goes away. Later reports are not charged. */
  readonly signal: AbortSignal;
}

/** How long a hold lives that no `expires_in_s` was given for; then it is extended. */
const LIFE_S = 300;
/** No work lives for longer: its hold is not extended any more. */
const LONGEST_WORK_MS = 86_400_000;

/** The client's part in a charge. */
export interface Charging {
  /** Makes the key of the charge. */
  mint: () => string;
  /** Whether the work begins if Scrip cannot be reached. */
  isOpen: boolean;
  /** Whether this error of a charge goes to `handOver`, and is not thrown. */
  isHandedOver: (error: unknown) => boolean;
  /** If nobody takes the charge, it throws the error, which then has all of it. */
  handOver: (unpaid: Unpaid, error: ScripError, value?: unknown) => Promise<void>;
  /** Whether nobody has waited for the work for so long: then its hold is not extended. */
  isIdle?: (forMs: number) => boolean;
}

/** {@link Scrip.charge}. */
export async function charge<T>(
  credits: Scrip,
  charging: Charging,
  {
    signal: caller = new AbortController().signal,
    onUnreachable: _,
    onCharged,
    beyond,
    deadlineMs,
    ...asked
  }: ChargeRequest,
  run: (work: Work) => T | Promise<T>,
): Promise<T> {
  const { expires_in_s = LIFE_S, ...what } = asked;
  const { account } = what;
  caller.throwIfAborted();
  let hold: string | undefined;
  let unreachable: OutcomeUnknown | undefined;
  const heldAt = performance.now();
  try {
    hold = (await credits.hold({ ...what, expires_in_s, deadlineMs })).id;
  } catch (error) {
    // The hold may be there: nobody captures it, and it lapses.
    if (!(error instanceof OutcomeUnknown && charging.isOpen)) throw error;
    unreachable = error;
  }

  const ended = new AbortController();
  if (hold !== undefined) {
    void keepAlive(credits, charging, { account, hold, expires_in_s }, heldAt, ended.signal);
  }
  const progress = new Progress(what, beyond);
  let value: T | undefined;
  let failure: { error: unknown } | undefined;
  try {
    const { report: delivered } = progress;
    value = await unlessAborted(caller, () => run({ delivered, signal: caller }));
    progress.finish();
  } catch (error) {
    failure = { error: caller.aborted ? caller.reason : error };
  }
  ended.abort();

  const delivered = failure && !caller.aborted ? undefined : progress.amount();
  if (delivered !== undefined) {
    const { meters: most, ...rest } = { meters: undefined, ...what };
    const cap = most && !beyond ? { most } : {};
    const unpaid: Unpaid = { ...rest, ...delivered, ...cap, key: charging.mint() };
    // Without a hold Scrip could not be reached, and the caller has waited for it once.
    if (unreachable) {
      await charging.handOver(unpaid, unreachable, value);
    } else {
      const captured = { ...unpaid, hold: hold!, ...(beyond && { beyond }) };
      const receipt = await capture(credits, charging, captured, deadlineMs, value);
      if (receipt && "uncharged" in receipt) {
        console.warn(`${receipt.uncharged} credits of ${unpaid.key} stay uncharged`);
      }
      if (receipt) tell(onCharged, receipt);
    }
  } else if (hold !== undefined) {
    // If this fails, the hold lapses.
    await credits.release({ account, hold, deadlineMs }).catch(() => {});
  }
  if (failure) throw failure.error;
  return value as T;
}

/** Captures what was delivered. A failure is thrown, or handed over: then there is no receipt. */
async function capture(
  credits: Scrip,
  charging: Charging,
  unpaid: Unpaid,
  deadlineMs: number | undefined,
  value: unknown,
): Promise<CaptureReceipt | DebitReceipt | undefined> {
  try {
    return await credits.pay(unpaid, { deadlineMs }).catch((error: unknown) => {
      // The local clock went ahead during the work; by now it is corrected.
      if (!(error instanceof Refused && error.is("key_ahead"))) throw error;
      unpaid.key = charging.mint();
      return credits.pay(unpaid, { deadlineMs });
    });
  } catch (cause) {
    // What failed before it was sent, such as a signer, leaves the charge open, too.
    const error = cause instanceof ScripError ? cause : new OutcomeUnknown([unpaid.key], cause);
    if (!charging.isHandedOver(error)) throw Object.assign(error, { unpaid, value });
    await charging.handOver(unpaid, error, value);
    return undefined;
  }
}

/** The work is charged, so an error of who is told does not take its value. */
function tell(onCharged: ChargeRequest["onCharged"], receipt: CaptureReceipt | DebitReceipt): void {
  try {
    onCharged?.(receipt);
  } catch (error) {
    console.error("onCharged failed:", error);
  }
}

/** What was delivered, as fields of its charge. */
type Delivered = Pick<Unpaid, "quantity" | "credits" | "otherwise" | keyof MeteredFields>;

/** Counts what was delivered, of what was asked for. */
class Progress {
  #reported: number | string | Reported | undefined;
  #meters: Meters | undefined;

  constructor(
    readonly asked: { quantity?: number; credits?: string; meters?: Meters },
    readonly beyond = false,
  ) {}

  readonly report = (total: number | string | Reported): void => {
    if (!this.#isOfWhatWasAsked(total)) {
      const text = typeof total === "object" ? JSON.stringify(total) : total;
      throw new TypeError(`delivered: ${text} is no amount of what was asked for`);
    }
    this.#reported = total;
    if (typeof total === "object" && "meters" in total) this.#meters = total.meters;
  };

  #isOfWhatWasAsked(total: number | string | Reported): boolean {
    const { credits, meters } = this.asked;
    if (typeof total === "object") return meters !== undefined && isUsed(total);
    if (typeof total === "string") return credits !== undefined && micros(total) >= 0n;
    const isByQuantity = credits === undefined && meters === undefined;
    return isByQuantity && Number.isInteger(total) && total >= 0;
  }

  /** The work returned: without a report, all of it was delivered. */
  finish(): void {
    const { quantity, credits, meters } = this.asked;
    this.#reported ??= meters ? { meters } : (credits ?? quantity);
  }

  /** The amount to charge; nothing if nothing was delivered. */
  amount(): Delivered | undefined {
    const { quantity = 0, credits, meters } = this.asked;
    const reported = this.#reported ?? 0;
    if (typeof reported === "object") {
      const { otherwise = ("usage" in reported && this.#meters) || meters!, ...used } = reported;
      const isFree = "meters" in used && isNothing(used.meters);
      return isFree ? undefined : { ...used, otherwise };
    }
    if (credits === undefined) {
      const delivered = this.beyond ? Number(reported) : Math.min(Number(reported), quantity);
      return delivered > 0 ? { quantity: delivered } : undefined;
    }
    const delivered = micros(String(reported));
    if (delivered === 0n) return undefined;
    const isAll = this.beyond || delivered < micros(credits);
    return { credits: isAll ? String(reported) : credits };
  }
}

/** Whether it is the one or the other, and its counts are counts. */
function isUsed(total: Reported | null): boolean {
  if (total === null || (total.otherwise && !areCounts(total.otherwise))) return false;
  const { meters, usage } = { meters: undefined, usage: undefined, ...total };
  return usage ? meters === undefined && typeof usage === "object" : areCounts(meters);
}

/** Decimal credits in whole micro-credits; below zero if the text is none. */
export function micros(credits: string): bigint {
  const [, whole, part = ""] = /^(\d+)(?:\.(\d{1,6}))?$/.exec(credits) ?? [];
  return whole === undefined ? -1n : BigInt(whole + part.padEnd(6, "0"));
}

/** Runs the work, and no longer than until the signal aborts. */
async function unlessAborted<T>(signal: AbortSignal, run: () => T | Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let abort!: () => void;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([(async () => run())(), aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Extends a hold at half of its life, until `ended`, or until it has ended by itself. */
async function keepAlive(
  credits: Scrip,
  charging: Charging,
  request: { account: string; hold: string; expires_in_s: number },
  heldAt: number,
  ended: AbortSignal,
): Promise<void> {
  const halfMs = (request.expires_in_s * 1000) / 2;
  for (let from = heldAt; ;) {
    // The hold is no older than the request for it, however often that was sent.
    await sleep(from + halfMs - performance.now(), ended);
    from = performance.now();
    if (ended.aborted || from - heldAt > LONGEST_WORK_MS) return;
    if (charging.isIdle?.(halfMs * 2)) return;
    try {
      await credits.extend({ ...request, deadlineMs: halfMs, signal: ended });
    } catch {
      // The hold lapses; if the work delivers after all, a debit charges it.
      return;
    }
  }
}
