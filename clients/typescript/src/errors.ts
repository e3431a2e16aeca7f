/** How an operation can fail: refused, or without a known outcome. */

import type { Problem, Unpaid } from "./types.js";

/** The class of every error of the client. */
export abstract class ScripError extends Error {
  /** A stable word for what went wrong; a program decides by it. */
  abstract readonly code: string;
  /** Of a charge whose work was done, and that is not confirmed: `pay` it later. */
  unpaid?: Unpaid;
  /** Of a charge whose work was done: the value that the work returned. */
  value?: unknown;
  /** Why the client's `onUnpaid` did not take `unpaid`, if it was asked to. */
  onUnpaidError?: unknown;
}

/** Scrip said no. Nothing was charged, and the same request may succeed later. */
export class Refused<P extends Problem = Problem> extends ScripError {
  override readonly name = "Refused";

  constructor(
    readonly status: number,
    /**
     * The whole answer. One that is not of the contract, such as the gateway's, has the code
     * `http_` and its status.
     */
    readonly problem: P,
  ) {
    super(`${problem.code}: ${problem.detail}`);
  }

  get code(): P["code"] {
    return this.problem.code;
  }

  /** Whether this is the code, and so whether `problem` has the fields that belong to it. */
  is<C extends Problem["code"]>(code: C): this is Refused<Extract<Problem, { code: C }>> {
    return this.problem.code === code;
  }
}

/**
 * The operation may have happened or not: until the deadline no answer said which. Send it again
 * with `key`, and it happens once.
 */
export class OutcomeUnknown extends ScripError {
  override readonly name = "OutcomeUnknown";
  readonly code = "outcome_unknown";
  /** The operation's key; of a batch, that of its first debit, whatever became of it. */
  readonly key: string;

  constructor(
    /** The keys of a batch, in the order of its debits; of others there is one. */
    readonly keys: readonly string[],
    /** The reason why the last try had no outcome. */
    cause: unknown,
  ) {
    super(`whether ${keys.join(", ")} happened is not known: ${text(cause)}`, { cause });
    this.key = keys[0] ?? "";
  }
}

/** A request that changes nothing had no answer until the deadline. */
export class Unavailable extends ScripError {
  override readonly name = "Unavailable";
  readonly code = "unavailable";

  constructor(cause: unknown) {
    super(`no answer: ${text(cause)}`, { cause });
  }
}

function text(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
