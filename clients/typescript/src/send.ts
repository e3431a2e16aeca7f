/** Sends a request until its outcome is known. */

import { OutcomeUnknown, Refused, Unavailable } from "./errors.js";
import { Clock, ulid, ulidMs } from "./key.js";
import type { DebitReceipt, OperationOptions, Problem, Unpaid } from "./types.js";

/** How to reach Scrip, and how long to try. */
export interface ClientOptions {
  /** The address of the stack: its output `ApiUrl`, or `http://127.0.0.1:3000`. */
  url: string;
  /** A service key, `scrip_sk_...`: it is sent as a Bearer token. */
  key?: string | undefined;
  /**
   * Signs a request in place of a key. It is called for every try, with the stack's time: sign with
   * that, and a wrong local clock does not matter after the first answer. What it throws ends the
   * operation at once.
   */
  sign?: ((request: Request, at: Date) => Request | Promise<Request>) | undefined;
  /** How long an operation is tried until its outcome is known: 30 s. */
  deadlineMs?: number | undefined;
  /** How long one try may take: 15 s; the stack answers after 13 s at most. */
  attemptTimeoutMs?: number | undefined;
  /**
   * Gathers debits of one account for so long, and sends 3 or more of them as one batch of mode
   * `each`, which costs a fraction of as many debits. Off if it is left out; a few milliseconds are
   * enough.
   */
  coalesceMs?: number | undefined;
  /**
   * Takes what a call with `onUnreachable: "allow"`, or a stream, could not charge, and why: store
   * it, and `pay` it later.
   */
  onUnpaid?: ((unpaid: Unpaid, error: unknown) => void | Promise<void>) | undefined;
  /** In place of the global `fetch`. */
  fetch?: ((request: Request, init: RequestInit) => Promise<Response>) | undefined;
  /** In place of `Date.now`. */
  now?: (() => number) | undefined;
}

/** One request, without what every request has. */
export interface Outgoing {
  path: string;
  /** How the body is sent: a POST, if it is left out. Without a body it is a GET. */
  method?: "POST" | "PUT" | undefined;
  body?: object;
  /** Is sent as `Idempotency-Key`, unless the body names its operations. */
  key?: string;
}

/** How {@link Sender.send} treats a request. */
export interface Sending {
  /** The keys of what `make` made last; none for a request that changes nothing. */
  keys?: () => string[];
  /** Which of them is the client's own, so that another `make` has another. */
  minted?: (() => string | undefined) | undefined;
  deadlineMs?: number | undefined;
  /** Ends it without an outcome. */
  signal?: AbortSignal | undefined;
  /** When the latest try of these keys ended without an outcome; {@link Sender.send} writes it. */
  openAt?: number | undefined;
  /** When the try that was answered was sent; {@link Sender.send} writes it. */
  sentAt?: number | undefined;
}

/** What follows from a refusal: for `again` the same key is sent after a wait. */
export type Verdict = { next: "final" } | { next: "new_key" } | { next: "again"; waitMs: number };

const DEADLINE_MS = 30_000;
/** The stack begins no try of its own after 8 s, and one lives for 5 s. */
const ATTEMPT_TIMEOUT_MS = 15_000;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2_000;
/** A copy of a try may arrive for so long: then a refusal of the key is final. */
const FINAL_AFTER_MS = 5_000;
/** No copy of a try lives for so long: a key this far ahead can be given up. */
const COPIES_GONE_MS = 120_000;
/** Refusals that every copy of the request meets. */
const FINAL_AT_ONCE = new Set([400, 401, 413]);

/** Why a try has no outcome, and how long the answer asks to wait. */
class Open {
  constructor(
    readonly cause: unknown,
    readonly status?: number,
    readonly retryAfterMs = 0,
  ) {}
}

export class Sender {
  readonly #options: ClientOptions;
  readonly #clock: Clock;

  constructor(options: ClientOptions) {
    checkOptions(options);
    this.#options = options;
    this.#clock = new Clock(options.now ?? Date.now);
  }

  /** A new key, of the stack's time. */
  mint(): string {
    return ulid(this.#clock.now());
  }

  /** When the tries of what begins now end. */
  until(deadlineMs: number | undefined): number {
    return performance.now() + (deadlineMs ?? this.#options.deadlineMs ?? DEADLINE_MS);
  }

  /** Sends an operation under its key; `made` is the client's own key that it has already. */
  operate<T>(
    path: string,
    body: object,
    options: OperationOptions & Pick<Outgoing, "method">,
    made?: string,
  ): Promise<T> {
    const { method, deadlineMs, signal } = options;
    let key = "";
    let next = options.key ?? made;
    const make = () => {
      key = next ?? this.mint();
      next = options.key;
      return { path, method, body, key };
    };
    const minted = options.key === undefined ? () => key : undefined;
    return this.send<T>(make, { keys: () => [key], minted, deadlineMs, signal });
  }

  debit(
    account: string,
    body: object,
    options: OperationOptions,
    made?: string,
  ): Promise<DebitReceipt> {
    return this.operate(inAccount(account, "debits"), body, options, made);
  }

  /**
   * Sends what `make` makes, with the same key, until an answer says how it ended.
   *
   * @throws {@link Refused}; {@link OutcomeUnknown}, or {@link Unavailable} where there is no key;
   *   what the signer throws, if nothing may have happened yet.
   */
  async send<T>(make: () => Outgoing, sending: Sending = {}): Promise<T> {
    sending.signal?.throwIfAborted();
    const until = this.until(sending.deadlineMs);
    let request = make();
    let minted = sending.minted?.();
    for (let tried = 0; ; tried++) {
      const signed = await this.#request(request).catch((cause: unknown) => {
        throw sending.openAt === undefined ? cause : new OutcomeUnknown(sending.keys!(), cause);
      });
      const sentAt = performance.now();
      const outcome = await this.#attempt<T>(signed, until, sending.signal);
      const at = performance.now();
      let waitMs = jittered(tried);
      let cause: unknown = outcome;
      sending.sentAt = sentAt;
      if (outcome instanceof Open) {
        // The gateway stopped a 429: no copy of it is on its way.
        if (sending.keys && outcome.status !== 429) sending.openAt = at;
        waitMs = Math.max(waitMs, outcome.retryAfterMs);
        cause = outcome.cause;
      } else if (!(outcome instanceof Refused)) {
        return outcome;
      } else {
        const verdict = this.judge(outcome, minted, sending);
        if (verdict.next === "final") throw outcome;
        if (verdict.next === "new_key") {
          [request, minted, sending.openAt, waitMs] = [make(), undefined, undefined, 0];
        } else {
          waitMs = Math.max(waitMs, verdict.waitMs);
        }
      }
      if (at + waitMs >= until || sending.signal?.aborted) {
        throw sending.keys ? new OutcomeUnknown(sending.keys(), cause) : new Unavailable(cause);
      }
      await sleep(waitMs, sending.signal);
    }
  }

  /**
   * Says what follows from a refusal of a key that is the client's own if it is `minted`, and had
   * a try without an outcome if there is `openAt`.
   */
  judge(refusal: Refused, minted: string | undefined, { openAt, sentAt = 0 }: Sending): Verdict {
    if (refusal.is("key_ahead")) {
      const serverTime = refusal.problem.server_time;
      this.#clock.learn(serverTime);
      const aheadMs = minted === undefined ? 0 : ulidMs(minted) - Date.parse(serverTime);
      const isFree = minted !== undefined && (openAt === undefined || aheadMs > COPIES_GONE_MS);
      if (isFree) return { next: "new_key" };
      return openAt === undefined ? { next: "final" } : { next: "again", waitMs: 0 };
    }
    const isFinal = FINAL_AT_ONCE.has(refusal.status) || refusal.is("operation_reused");
    if (openAt === undefined || isFinal) return { next: "final" };
    // A copy of the open try may have arrived after this one was judged, however late it answered.
    const finalAt = openAt + FINAL_AFTER_MS;
    if (sentAt >= finalAt) return { next: "final" };
    // A timer may end a millisecond early.
    return { next: "again", waitMs: Math.max(0, finalAt - performance.now() + 2) };
  }

  /** Sends a request once. */
  async #attempt<T>(
    request: Request,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<T | Refused | Open> {
    const leftMs = Math.max(1, Math.ceil(until - performance.now()));
    const timeoutMs = Math.min(leftMs, this.#options.attemptTimeoutMs ?? ATTEMPT_TIMEOUT_MS);
    const ends = new AbortController();
    const timer = setTimeout(
      () => ends.abort(new Error(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const unlink = link(signal, ends);
    try {
      // A redirect is no answer of Scrip's, and would take the key elsewhere.
      const response = await (this.#options.fetch ?? fetch)(request, {
        signal: ends.signal,
        redirect: "manual",
      });
      this.#clock.learn(response.headers.get("date"));
      const answer = parsed(await response.text());
      if (response.ok && answer !== undefined) return answer as T;
      const isOpen = response.ok || response.status === 429 || response.status >= 500;
      const problem = refused(response.status, answer);
      return isOpen ? new Open(problem, response.status, retryAfterMs(response)) : problem;
    } catch (error) {
      return new Open(error);
    } finally {
      clearTimeout(timer);
      unlink();
    }
  }

  async #request({ path, method = "POST", body, key }: Outgoing): Promise<Request> {
    const { url, key: serviceKey, sign } = this.#options;
    const headers = new Headers({ accept: "application/json" });
    if (body !== undefined) headers.set("content-type", "application/json");
    if (key !== undefined) headers.set("idempotency-key", key);
    if (serviceKey !== undefined) headers.set("authorization", `Bearer ${serviceKey}`);
    const request = new Request(url.replace(/\/+$/, "") + path, {
      method: body === undefined ? "GET" : method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    return sign ? await sign(request, new Date(this.#clock.now())) : request;
  }
}

/** Refuses what would fail at every try, and does not show the key. */
function checkOptions({ url, key }: ClientOptions): void {
  if (!/^https?:\/\/[^/?#]/.test(url ?? "")) {
    throw new TypeError(`url: ${JSON.stringify(url)} is not the address of a stack`);
  }
  if (key !== undefined && !/^[!-~]+$/.test(key)) {
    throw new TypeError("key: it is empty, or has spaces, line ends or other signs");
  }
}

/** The path of what an account has: each part of it escaped. */
export function inAccount(...parts: string[]): string {
  // A URL drops these segments, and the request would be about something else.
  const dropped = parts.find((part) => ["", ".", ".."].includes(part));
  if (dropped !== undefined) throw new TypeError(`${JSON.stringify(dropped)} is no id`);
  return `/v1/accounts/${parts.map(encodeURIComponent).join("/")}`;
}

/** The query of the filters that are set. */
export function query(filters: Record<string, string | number | undefined>): string {
  const set = Object.entries(filters).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

/** A random wait that grows, so that callers that failed together do not come back together. */
function jittered(tried: number): number {
  const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** tried);
  return (most * (1 + Math.random())) / 2;
}

/**
 * Aborts with the signal, too, until it is unlinked. It does what `AbortSignal.any` does, which not
 * every edge runtime has.
 */
export function link(signal: AbortSignal | undefined, aborts: AbortController): () => void {
  const abort = () => aborts.abort(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  return () => signal?.removeEventListener("abort", abort);
}

/** Waits, or ends early with the signal. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) done();
  });
}

function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get("retry-after"));
  return Number.isFinite(seconds) ? seconds * 1000 : 0;
}

function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A refusal by its status and the fields of its problem, if it has any. */
export function refused(status: number, fields: object = {}): Refused {
  const { message } = fields as { message?: unknown };
  const detail = typeof message === "string" ? message : `HTTP ${status}`;
  const plain = { type: "about:blank", title: detail, status, detail, code: `http_${status}` };
  return new Refused(status, { ...plain, ...fields } as unknown as Problem);
}
