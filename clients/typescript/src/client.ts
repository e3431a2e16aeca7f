/** The client: the operations of a service, each under one key until its outcome is known. */

import { charge, type Work } from "./charge.js";
import { Coalescer } from "./coalesce.js";
import { OutcomeUnknown, Refused } from "./errors.js";
import { inAccount, query, Sender, type ClientOptions, type Operation, type Outgoing } from "./send.js";
import type {
  AccountBalance,
  BatchReceipt,
  BatchRequest,
  CaptureReceipt,
  CaptureRequest,
  ChargeRequest,
  DebitReceipt,
  DebitRequest,
  Entry,
  ExtendReceipt,
  ExtendRequest,
  ForAccount,
  HoldReceipt,
  HoldRequest,
  LedgerRequest,
  Listing,
  Quote,
  QuoteRequest,
  RefundReceipt,
  RefundRequest,
  ReleaseReceipt,
  ReleaseRequest,
  Session,
  SessionRequest,
  Unpaid,
  Usage,
  UsageRequest,
} from "./types.js";

/**
 * A client of one Scrip stack. Its methods throw `Refused` if Scrip says no, and `OutcomeUnknown`
 * if no answer says whether the operation happened.
 */
export class Scrip {
  readonly #options: ClientOptions;
  readonly #sender: Sender;
  readonly #coalescer: Coalescer | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#sender = new Sender(options);
    if (options.coalesceMs !== undefined) {
      this.#coalescer = new Coalescer(this.#sender, options.coalesceMs);
    }
  }

  /**
   * Holds the credits, runs the work, and charges what it delivered: all that was asked for, or as
   * much as it reported by `work.delivered`. Work that throws, or that delivered 0, is free. If
   * `signal` aborts, what was delivered until then is charged.
   *
   * @throws `Refused` before the work begins; the work's own error; the reason of `signal`.
   *   `OutcomeUnknown` before the work, or after it: then it has `unpaid` and the work's `value`.
   */
  charge<T>(request: ChargeRequest, run: (work: Work) => T | Promise<T>): Promise<T> {
    return charge(this, request, run, (unpaid) => this.#handOver(unpaid), () => this.#sender.mint());
  }

  /** Spends credits. With `onUnreachable: "allow"` null means that `onUnpaid` has the charge. */
  debit(request: DebitRequest & { onUnreachable?: never }): Promise<DebitReceipt>;
  debit(request: DebitRequest): Promise<DebitReceipt | null>;
  async debit({ account, key, deadlineMs, onUnreachable, ...body }: DebitRequest) {
    try {
      return await (this.#coalescer ?? this.#sender).debit(account, body, { key, deadlineMs });
    } catch (error) {
      if (!(error instanceof OutcomeUnknown && onUnreachable === "allow")) throw error;
      await this.#handOver({ key: error.key, account, ...body });
      return null;
    }
  }

  /** Spends credits for up to 24 debits at once: all of them happen, or none. */
  batch({ account, debits, deadlineMs, mode = "all_or_nothing" }: BatchRequest): Promise<BatchReceipt> {
    return this.#sender.batch(account, debits, { mode, deadlineMs });
  }

  /** Sets credits aside, until they are captured or released, or the hold lapses. */
  hold({ account, key, deadlineMs, ...body }: HoldRequest): Promise<HoldReceipt> {
    return this.#operate(inAccount(account, "holds"), body, { key, deadlineMs });
  }

  /** Spends what is held, or a part of it. */
  capture({ account, hold, key, deadlineMs, ...body }: CaptureRequest): Promise<CaptureReceipt> {
    return this.#operate(inAccount(account, "holds", hold, "capture"), body, { key, deadlineMs });
  }

  /** Gives back what is held. */
  release({ account, hold, key, deadlineMs, ...body }: ReleaseRequest): Promise<ReleaseReceipt> {
    return this.#operate(inAccount(account, "holds", hold, "release"), body, { key, deadlineMs });
  }

  /** Keeps a hold for `expires_in_s` from now; it never ends sooner because of it. */
  extend(
    { account, hold, key, deadlineMs, ...body }: ExtendRequest,
    signal?: AbortSignal,
  ): Promise<ExtendReceipt> {
    const path = inAccount(account, "holds", hold, "extend");
    return this.#operate(path, body, { key, deadlineMs }, signal);
  }

  /** Gives back what a debit or a capture charged, or a part of it. */
  refund({ account, debit, key, deadlineMs, ...body }: RefundRequest): Promise<RefundReceipt> {
    return this.#operate(inAccount(account, "debits", debit, "refund"), body, { key, deadlineMs });
  }

  /**
   * Sends a charge whose outcome was not known: it happens once, however often this is called. What
   * was held is captured; if the hold has lapsed, a debit takes its place.
   */
  async pay(
    { account, key, hold, action, ...charge }: Unpaid,
    { deadlineMs }: { deadlineMs?: number } = {},
  ): Promise<DebitReceipt | CaptureReceipt> {
    if (hold !== undefined) {
      try {
        const path = inAccount(account, "holds", hold, "capture");
        return await this.#operate<CaptureReceipt>(path, charge, { key, deadlineMs });
      } catch (error) {
        // A capture that was refused took no key; where it is reused, the debit has it.
        if (!(error instanceof Refused && (hasLapsed(error) || error.is("operation_reused")))) throw error;
      }
    }
    return this.#sender.debit(account, { action, ...charge }, { key, deadlineMs });
  }

  /** Says what a debit costs and whether it would pass now. It changes nothing. */
  quote({ account, ...body }: QuoteRequest): Promise<Quote> {
    return this.#ask({ path: inAccount(account, "quotes"), body });
  }

  /** What is available and held, what was consumed, the grants, and the next recharge. */
  balance({ account }: ForAccount): Promise<AccountBalance> {
    return this.#ask({ path: inAccount(account, "balance") });
  }

  /** What was consumed on each day (UTC), by action and by user. */
  usage({ account, ...filters }: UsageRequest): Promise<Usage> {
    return this.#ask({ path: inAccount(account, "usage") + query(filters) });
  }

  /** Every change of the balance, the latest first; it asks for more pages as they are read. */
  async *ledger({ account, ...filters }: LedgerRequest): AsyncGenerator<Entry, void, undefined> {
    let cursor: string | undefined;
    do {
      const path = inAccount(account, "ledger") + query({ ...filters, cursor });
      const listing = await this.#ask<Listing>({ path });
      yield* listing.entries;
      cursor = listing.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** Makes a session: a link for the customer's browser, and a token for the widget. */
  createSession({ account, ...body }: SessionRequest): Promise<Session> {
    return this.#ask({ path: inAccount(account, "sessions"), body });
  }

  #operate<T>(path: string, body: object, options: Operation, signal?: AbortSignal): Promise<T> {
    return this.#sender.operate(path, body, options, signal);
  }

  #ask<T>(request: Outgoing): Promise<T> {
    return this.#sender.send<T>(() => request);
  }

  async #handOver(unpaid: Unpaid): Promise<void> {
    if (!this.#options.onUnpaid) throw new TypeError('onUnreachable: "allow" needs the option onUnpaid');
    await this.#options.onUnpaid(unpaid);
  }
}

function hasLapsed(refused: Refused): boolean {
  return refused.is("hold_ended") && refused.problem.ended === "lapsed";
}
