/** Charges work for what it delivered. */

import type { Scrip } from "./client.js";
import { OutcomeUnknown, Refused } from "./errors.js";
import { sleep } from "./send.js";
import type { ChargeRequest, Unpaid } from "./types.js";

/** What work says to the charge that runs it, and hears from it. */
export interface Work {
  /**
   * Reports what was delivered so far, in all: a quantity of the action, or credits where those
   * were asked for. Call it as often as you like; what is more than was asked for is not charged.
   */
  delivered(total: number | string): void;
  /** Aborts when the caller goes away. What is reported after that is not charged. */
  readonly signal: AbortSignal;
}

/** How long a hold lives that no `expires_in_s` was given for; then it is extended. */
const LIFE_S = 300;

/** {@link Scrip.charge}, with the client's way to hand over what is unpaid, and to make a key. */
export async function charge<T>(
  credits: Scrip,
  request: ChargeRequest,
  run: (work: Work) => T | Promise<T>,
  handOver: (unpaid: Unpaid) => Promise<void>,
  mint: () => string,
): Promise<T> {
  const { signal: caller = new AbortController().signal, onUnreachable, deadlineMs, ...asked } = request;
  const { expires_in_s = LIFE_S, ...what } = asked;
  const allows = onUnreachable === "allow";
  const deadline = deadlineMs === undefined ? {} : { deadlineMs };

  caller.throwIfAborted();
  let hold: string | undefined;
  try {
    hold = (await credits.hold({ ...what, expires_in_s, ...deadline })).id;
  } catch (error) {
    // The hold may be there: nobody captures it, and it lapses.
    if (!(error instanceof OutcomeUnknown && allows)) throw error;
  }

  const ended = new AbortController();
  if (hold !== undefined) void keepAlive(credits, what.account, hold, expires_in_s, ended.signal);
  const progress = new Progress(what);
  let value: T | undefined;
  let failure: { error: unknown } | undefined;
  try {
    value = await unlessAborted(caller, () => run({ delivered: progress.report, signal: caller }));
    progress.finish();
  } catch (error) {
    failure = { error: caller.aborted ? caller.reason : error };
  } finally {
    progress.stop();
    ended.abort();
  }

  const amount = failure && !caller.aborted ? undefined : progress.amount();
  if (amount === undefined) {
    // If this fails, the hold lapses.
    if (hold !== undefined) await credits.release({ account: what.account, hold, ...deadline }).catch(() => {});
  } else {
    const unpaid: Unpaid = { ...what, ...amount, key: mint(), ...(hold !== undefined && { hold }) };
    await pay(credits, unpaid, deadline, allows ? handOver : undefined, value);
  }
  if (failure) throw failure.error;
  return value as T;
}

/** Charges what was delivered, or hands it over if that is allowed and the outcome is not known. */
async function pay(
  credits: Scrip,
  unpaid: Unpaid,
  deadline: { deadlineMs?: number },
  handOver: ((unpaid: Unpaid) => Promise<void>) | undefined,
  value: unknown,
): Promise<void> {
  // Scrip could not be reached for the hold: the work does not wait for it again.
  if (unpaid.hold === undefined && handOver) return handOver(unpaid);
  try {
    await credits.pay(unpaid, deadline);
  } catch (error) {
    if (!(error instanceof OutcomeUnknown)) throw error;
    if (handOver) return handOver(unpaid);
    error.unpaid = unpaid;
    error.value = value;
    throw error;
  }
}

/** What was delivered, of what was asked for. */
class Progress {
  #reported: number | string | undefined;
  #isOver = false;

  constructor(readonly asked: { quantity?: number; credits?: string }) {}

  readonly report = (total: number | string): void => {
    const isAmount = typeof total === "number" ? Number.isInteger(total) && total >= 0 : micros(total) >= 0n;
    if (!isAmount || (typeof total === "string") !== (this.asked.credits !== undefined)) {
      throw new TypeError(`delivered: ${total} is no amount of what was asked for`);
    }
    if (!this.#isOver) this.#reported = total;
  };

  /** The work returned: without a report, all of it was delivered. */
  finish(): void {
    this.#reported ??= this.asked.credits ?? this.asked.quantity;
  }

  /** Takes no more reports. */
  stop(): void {
    this.#isOver = true;
  }

  /** What to charge, at most what was asked for; nothing if nothing was delivered. */
  amount(): { quantity: number } | { credits: string } | undefined {
    const { quantity = 0, credits } = this.asked;
    const reported = this.#reported ?? 0;
    if (credits === undefined) {
      const delivered = Math.min(Number(reported), quantity);
      return delivered > 0 ? { quantity: delivered } : undefined;
    }
    const delivered = micros(String(reported));
    if (delivered === 0n) return undefined;
    return { credits: delivered < micros(credits) ? String(reported) : credits };
  }
}

/** Decimal credits in whole micro-credits; below zero if the text is none. */
function micros(credits: string): bigint {
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

/** Extends a hold at half of its life, until `ended`, or until Scrip refuses. */
async function keepAlive(
  credits: Scrip,
  account: string,
  hold: string,
  expires_in_s: number,
  ended: AbortSignal,
): Promise<void> {
  const halfMs = (expires_in_s * 1000) / 2;
  try {
    for (;;) {
      await sleep(halfMs, ended);
      if (ended.aborted) return;
      await credits.extend({ account, hold, expires_in_s, deadlineMs: halfMs }, ended);
    }
  } catch (error) {
    // It has ended or lapses; what was delivered is then charged by a debit.
    if (!(error instanceof Refused || error instanceof OutcomeUnknown)) throw error;
  }
}
