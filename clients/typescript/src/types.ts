/** The requests and answers of the API, by the names that `openapi.yaml` gives them. */

import type { components } from "./contract.js";
import type { Limited } from "./limits.js";
import type { MeteredFields, Meters, OfModel, Used } from "./metered.js";

type Schemas = components["schemas"];

export type AccountBalance = Schemas["AccountBalance"];
export type BatchReceipt = Schemas["BatchReceipt"];
export type CaptureReceipt = Schemas["CaptureReceipt"];
export type DebitReceipt = Schemas["DebitReceipt"];
export type Entry = Schemas["Entry"];
export type EntryKind = Schemas["EntryKind"];
export type ExtendReceipt = Schemas["ExtendReceipt"];
export type HoldReceipt = Schemas["HoldReceipt"];
export type Limit = Schemas["Limit"];
export type LimitReceipt = Schemas["LimitReceipt"];
export type Limits = Schemas["Limits"];
export type Listing = Schemas["Listing"];
export type Quote = Schemas["Quote"];
export type RefundReceipt = Schemas["RefundReceipt"];
export type ReleaseReceipt = Schemas["ReleaseReceipt"];
export type Session = Schemas["Session"];
export type Usage = Schemas["Usage"];

/** The body of a refusal (RFC 9457): a stable `code`, and the fields that belong to it. */
export type Problem = Schemas[Extract<keyof Schemas, `Problem${string}`>];

/** The account that a request is about, by the id that your product gave it. */
export interface ForAccount {
  account: string;
}

/** Options of every operation that changes something. */
export interface OperationOptions {
  /**
   * Names the operation for good: the id of a job, for example. The client makes a ULID if it is
   * left out. The same key with the same content is the same operation, and never happens twice.
   */
  key?: string | undefined;
  /** How long to try until the outcome is known, in place of the client's `deadlineMs`. */
  deadlineMs?: number | undefined;
  /** Stops trying when it aborts. The outcome is then not known. */
  signal?: AbortSignal | undefined;
}

/** The choice of what a call does if its outcome is not known at the deadline. */
export interface Reach {
  /**
   * `"allow"` goes on without a receipt, and hands the charge to the client's `onUnpaid`. Without
   * it the call throws `OutcomeUnknown`, and a charge does not begin its work.
   */
  onUnreachable?: "allow" | undefined;
}

/** What is spent: a quantity of an action, credits, or what a call of a model used. */
type Spent = Schemas["DebitRequest"] | (OfModel & Used);
/** What is held: the most of it. */
type Held = Schemas["HoldRequest"] | (OfModel & Used & { expires_in_s?: number });

export type DebitRequest = ForAccount & Spent & OperationOptions & Reach;
export type HoldRequest = ForAccount & Held & OperationOptions;
/** Of a hold by meters, `meters` or `usage`: the model is the hold's. */
export type CaptureRequest = OfHold &
  (Schemas["CaptureRequest"] | (Used & CaptureOptions)) &
  OperationOptions;
export type ReleaseRequest = OfHold & Schemas["ReleaseRequest"] & OperationOptions;
export type ExtendRequest = OfHold & Schemas["ExtendRequest"] & OperationOptions;
export type QuoteRequest = ForAccount & Spent;
/** A limit of the account's own: null in `at_most` removes it, and `per` is `ever` if left out. */
export type SetLimitRequest = ForAccount & { subject: string } & Omit<
    Schemas["LimitRequest"],
    "dry_run"
  > &
  OperationOptions;
export type SessionRequest = ForAccount & Schemas["SessionRequest"];

type CaptureOptions = Pick<
  Schemas["CaptureRequest"],
  "final" | "beyond" | "user" | "reference"
>;

/** A hold, by the `id` of its receipt. */
export interface OfHold extends ForAccount {
  hold: string;
}

/** A refund of a debit or a capture, by the `id` of its receipt. */
export type RefundRequest = ForAccount & { debit: string } & Schemas["RefundRequest"] &
  OperationOptions;

/** What became of one debit of a batch of mode `each`: its receipt, or why it was refused. */
export type BatchResult =
  | Schemas["BatchReceipted"]
  | { status: number; problem: Problem };

/** The results of a batch of mode `each`, in the order of its debits. */
export interface BatchResults extends ForAccount {
  results: BatchResult[];
}

/** One debit of a batch. `id` is its key; the client makes one if it is left out. */
export type BatchDebit = Spent & { id?: string };

export interface BatchRequest extends ForAccount {
  /** All debits happen, or none: `all_or_nothing`, which is the default; or each stands alone. */
  mode?: Schemas["BatchRequest"]["mode"];
  /** At most 24. */
  debits: BatchDebit[];
  deadlineMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

export interface UsageRequest extends ForAccount {
  /** The first day, in UTC: `2026-11-01`. */
  from?: string;
  /** The day after the last one. */
  to?: string;
}

export interface LedgerRequest extends ForAccount {
  kind?: EntryKind;
  action?: string;
  user?: string;
  /** Entries from this time on: RFC 3339. */
  from?: string;
  /** Entries before this time. */
  to?: string;
  /** How many entries one request asks for: at most 200. */
  limit?: number;
}

/** A charge by `meters` has the most that the model may use. */
export type ChargeRequest = ForAccount &
  (
    | Exclude<Schemas["HoldRequest"], { usage: unknown }>
    | (OfModel & { meters: Meters; expires_in_s?: number })
  ) &
  Reach & {
    deadlineMs?: number | undefined;
    /** Aborts when the caller goes away: what was delivered until then is charged. */
    signal?: AbortSignal | undefined;
    /**
     * The work may deliver more than was asked for. The rest is charged, too, if there are credits
     * for all of it; if not, the receipt says what stayed `uncharged`.
     */
    beyond?: boolean | undefined;
    /** Gets the receipt, once the work is charged. What it throws is only logged. */
    onCharged?: ((receipt: CaptureReceipt | DebitReceipt) => void) | undefined;
  };

export type StreamRequest = ChargeRequest & {
  /**
   * Gets a promise that ends once the stream is charged. Pass that of your edge runtime
   * (`context.waitUntil`): it ends a request whose reader went away, and would end its charge.
   */
  waitUntil?: ((charged: Promise<void>) => void) | undefined;
};

/** A charge without a known outcome. `pay` sends it later; it is plain data, to be stored as JSON. */
export interface Unpaid extends MeteredFields, Limited {
  /** Names the charge for good: whatever became of the first try, it is charged once. */
  key: string;
  account: string;
  action?: string;
  quantity?: number;
  /** In place of an action. */
  credits?: string;
  /** The meters that are charged if Scrip refuses `meters` or `usage`. */
  otherwise?: Meters;
  /** The meters that were held: where no hold is captured, the charge costs no more than they do. */
  most?: Meters;
  user?: string;
  reference?: string;
  /** The hold that it captures, if there is one. */
  hold?: string;
  /** Whether more than is held may be charged. */
  beyond?: boolean;
}
