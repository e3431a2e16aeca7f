/** The client: the operations of a service, each under one key until its outcome is known. */

import { allOrNothing, each, placed } from "./batch.js";
import { charge, micros, type Charging, type Work } from "./charge.js";
import { Coalescer } from "./coalesce.js";
import { OutcomeUnknown, Refused, Unavailable } from "./errors.js";
import type { Meters } from "./metered.js";
import { inAccount, query, Sender, type ClientOptions, type Outgoing } from "./send.js";
import { stream } from "./stream.js";
import type {
  AccountBalance,
  BatchReceipt,
  BatchRequest,
  BatchResult,
  BatchResults,
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
  LimitReceipt,
  Limits,
  Listing,
  OperationOptions,
  Quote,
  QuoteRequest,
  Reach,
  RefundReceipt,
  RefundRequest,
  ReleaseReceipt,
  ReleaseRequest,
  Session,
  SessionRequest,
  SetLimitRequest,
  StreamRequest,
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
   * @throws The work's own error; the reason of `signal`; `Refused` or `OutcomeUnknown`, before the
   *   work or after it: then they have `unpaid` and the work's `value`. After the work a charge is
   *   refused only if its hold has lapsed, and the credits are gone.
   */
  async charge<T>(request: ChargeRequest, run: (work: Work) => T | Promise<T>): Promise<T> {
    return charge(this, this.#charging(request), request, run);
  }

  /**
   * As `charge`, for work that streams. Answers as soon as the credits are held, with a stream of
   * what the work yields. If its reader cancels, what was reported until then is charged. A charge
   * that fails after the work, for whatever reason, goes to `onUnpaid`.
   */
  async stream<T>(
    request: StreamRequest,
    run: (work: Work) => AsyncIterable<T>,
  ): Promise<ReadableStream<T>> {
    this.#needsOnUnpaid();
    return stream(this, this.#charging(request), request, run);
  }

  /** Spends credits. With `onUnreachable: "allow"` null means that `onUnpaid` has the charge. */
  debit(request: DebitRequest & { onUnreachable?: never }): Promise<DebitReceipt>;
  debit(request: DebitRequest): Promise<DebitReceipt | null>;
  async debit({ onUnreachable, ...request }: DebitRequest) {
    const charging = this.#charging({ onUnreachable });
    const { account, key, deadlineMs, signal, ...body } = request;
    const options = { key, deadlineMs, signal };
    try {
      return await (this.#coalescer ?? this.#sender).debit(account, body, options);
    } catch (error) {
      if (!(error instanceof OutcomeUnknown && charging.isOpen)) throw error;
      await charging.handOver({ key: error.key, account, ...body }, error);
      return null;
    }
  }

  /**
   * Spends credits for up to 24 debits at once: all of them happen, or none. With mode `each` every
   * debit stands alone, as if they were sent one after the other, and has a result of its own.
   */
  batch(request: BatchRequest & { mode: "each" }): Promise<BatchResults>;
  batch(request: BatchRequest & { mode?: "all_or_nothing" }): Promise<BatchReceipt>;
  batch(request: BatchRequest): Promise<BatchReceipt | BatchResults>;
  async batch({ account, debits, mode, ...options }: BatchRequest) {
    const places = debits.map(({ id, ...body }) => placed(this.#sender, body, id));
    if (mode !== "each") return allOrNothing(this.#sender, account, places, options);
    const results: BatchResult[] = [];
    await each(this.#sender, account, places, options, (index, result) => {
      results[index] = result;
    });
    return { account, results };
  }

  /** Sets credits aside, until they are captured or released, or the hold lapses. */
  hold(request: HoldRequest): Promise<HoldReceipt> {
    return this.#operate(request, "holds");
  }

  /** Spends what is held, or a part of it; with `beyond`, also more than that. */
  capture({ hold, ...request }: CaptureRequest): Promise<CaptureReceipt> {
    return this.#operate(request, "holds", hold, "capture");
  }

  /** Gives back what is held. */
  release({ hold, ...request }: ReleaseRequest): Promise<ReleaseReceipt> {
    return this.#operate(request, "holds", hold, "release");
  }

  /** Keeps a hold for `expires_in_s` from now; it never ends sooner because of it. */
  extend({ hold, ...request }: ExtendRequest): Promise<ExtendReceipt> {
    return this.#operate(request, "holds", hold, "extend");
  }

  /** Gives back what a debit or a capture charged, or a part of it. */
  refund({ debit, ...request }: RefundRequest): Promise<RefundReceipt> {
    return this.#operate(request, "debits", debit, "refund");
  }

  /**
   * Sends a charge whose outcome was not known: it happens once, however often this is called. What
   * was held is captured; if the hold has lapsed, a debit takes its place, which costs no more than
   * the meters of `most`. If Scrip refuses its `meters` or its `usage`, those of `otherwise` take
   * their place.
   */
  async pay(
    { otherwise: meters, ...unpaid }: Unpaid,
    options: Omit<OperationOptions, "key"> = {},
  ): Promise<DebitReceipt | CaptureReceipt> {
    try {
      return await this.#settle(unpaid, options);
    } catch (error) {
      if (!meters || !isUnreadable(error)) throw error;
      const { usage, usage_format, ...readable } = unpaid;
      const told = JSON.stringify(usage ?? unpaid.meters);
      console.error(`${error.message}: charging ${JSON.stringify(meters)} in place of ${told}`);
      // A refusal took no key.
      return this.#settle({ ...readable, meters }, options);
    }
  }

  async #settle(
    { hold, beyond, action, model, subjects, limits, most, ...charge }: Omit<Unpaid, "otherwise">,
    options: Omit<OperationOptions, "key">,
  ): Promise<DebitReceipt | CaptureReceipt> {
    if (hold !== undefined) {
      try {
        const capture = { ...charge, beyond, ...options };
        return await this.#operate<CaptureReceipt>(capture, "holds", hold, "capture");
      } catch (error) {
        if (!leavesItToDebit(error)) throw error;
      }
    }
    const spent = { ...(action && { action }), ...(model && { model }) };
    const counted = { ...(subjects && { subjects }), ...(limits && { limits }) };
    const debit = { ...charge, ...spent, ...counted };
    const capped = most ? await this.#lesser(debit, most) : debit;
    return this.#operate<DebitReceipt>({ ...capped, ...options }, "debits");
  }

  /** The debit, or that of `most` if it costs less: a hold would have capped it. */
  async #lesser({ usage, usage_format, ...debit }: Unpaid, most: Meters): Promise<Unpaid> {
    const { key, account, action, model, meters } = debit;
    const used = usage ? { usage, usage_format } : { meters };
    const price = async (used: object) =>
      micros((await this.quote({ account, action, model, ...used } as QuoteRequest)).credits);
    try {
      const isMore = (await price(used)) > (await price({ meters: most }));
      return { ...debit, ...(isMore ? { meters: most } : used) } as Unpaid;
    } catch (cause) {
      throw cause instanceof Unavailable ? new OutcomeUnknown([key], cause) : cause;
    }
  }

  /** Says what a debit costs and whether it would pass now. It changes nothing. */
  async quote({ account, ...body }: QuoteRequest): Promise<Quote> {
    return this.#ask({ path: inAccount(account, "quotes"), body });
  }

  /** Reads what is available and held, what was consumed, the grants, and the next recharge. */
  async balance({ account }: ForAccount): Promise<AccountBalance> {
    return this.#ask({ path: inAccount(account, "balance") });
  }

  /** Reads what was consumed on each day (UTC), by action and by user. */
  async usage({ account, ...filters }: UsageRequest): Promise<Usage> {
    return this.#ask({ path: inAccount(account, "usage") + query(filters) });
  }

  /** Lists the account's limits in the windows that run now, with what is used and left of each. */
  async limits({ account }: ForAccount): Promise<Limits> {
    return this.#ask({ path: inAccount(account, "limits") });
  }

  /** Sets a limit of the account's own, or removes it. It takes the place of the plan's. */
  setLimit(request: SetLimitRequest): Promise<LimitReceipt> {
    const { account, subject, key, deadlineMs, signal, ...body } = request;
    const path = inAccount(account, "limits", subject);
    return this.#sender.operate(path, body, { method: "PUT", key, deadlineMs, signal });
  }

  /** Lists every change of the balance, the latest first; it asks for more pages as they are read. */
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
  async createSession({ account, ...body }: SessionRequest): Promise<Session> {
    return this.#ask({ path: inAccount(account, "sessions"), body });
  }

  async #operate<T>(request: ForAccount & OperationOptions, ...path: string[]): Promise<T> {
    const { account, key, deadlineMs, signal, ...body } = request;
    return this.#sender.operate(inAccount(account, ...path), body, { key, deadlineMs, signal });
  }

  #ask<T>(request: Outgoing): Promise<T> {
    return this.#sender.send<T>(() => request);
  }

  #charging({ onUnreachable }: Reach): Charging {
    const isOpen = onUnreachable === "allow";
    if (isOpen) this.#needsOnUnpaid();
    return {
      mint: () => this.#sender.mint(),
      isOpen,
      isHandedOver: (error) => isOpen && error instanceof OutcomeUnknown,
      handOver: async (unpaid, error, value) => {
        try {
          await this.#options.onUnpaid?.(unpaid, error);
        } catch (onUnpaidError) {
          throw Object.assign(error, { unpaid, value, onUnpaidError });
        }
      },
    };
  }

  #needsOnUnpaid(): void {
    if (!this.#options.onUnpaid) throw new TypeError("this needs the client's option onUnpaid");
  }
}

/** Whether a charge was refused because of its meters or its usage object. */
function isUnreadable(error: unknown): error is Refused {
  if (!(error instanceof Refused) || error.is("key_ahead")) return false;
  return error.status === 400 || error.code === "unknown_meter";
}

/** Whether a capture was refused because its hold lapsed, or because a debit has its key by now. */
function leavesItToDebit(error: unknown): boolean {
  if (!(error instanceof Refused)) return false;
  if (error.is("hold_ended")) return error.problem.ended === "lapsed";
  return error.is("operation_reused");
}
