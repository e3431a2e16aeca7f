/** Gathers debits of one account for a moment, and sends them as one batch. */

import { OutcomeUnknown } from "./errors.js";
import type { Sender } from "./send.js";
import type { BatchDebit, DebitReceipt, OperationOptions } from "./types.js";

/** Two requests cost less than a batch of two. */
const FEWEST = 3;
const MOST = 24;

interface Waiting {
  body: BatchDebit;
  options: OperationOptions;
  resolve: (receipt: DebitReceipt | Promise<DebitReceipt>) => void;
  reject: (error: unknown) => void;
}

export class Coalescer {
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(
    readonly sender: Sender,
    readonly coalesceMs: number,
  ) {}

  debit(account: string, body: BatchDebit, options: OperationOptions): Promise<DebitReceipt> {
    // Its signal would stop the others, too.
    if (options.signal) return this.sender.debit(account, body, options);
    return new Promise((resolve, reject) => {
      const gathered = this.#waiting.get(account) ?? [];
      gathered.push({ body, options, resolve, reject });
      if (gathered.length === 1) {
        this.#waiting.set(account, gathered);
        setTimeout(() => this.#send(account, gathered), this.coalesceMs);
      }
      if (gathered.length === MOST) void this.#send(account, gathered);
    });
  }

  async #send(account: string, gathered: Waiting[]): Promise<void> {
    // Full, it was sent before its time.
    if (this.#waiting.get(account) !== gathered) return;
    this.#waiting.delete(account);
    if (gathered.length < FEWEST || hasKeyTwice(gathered))
      return this.#sendAlone(account, gathered);
    const debits = gathered.map(({ body, options: { key } }) =>
      key === undefined ? body : { ...body, id: key },
    );
    const deadlines = gathered.flatMap(({ options: { deadlineMs } }) => deadlineMs ?? []);
    const deadlineMs = deadlines.length > 0 ? Math.min(...deadlines) : undefined;
    try {
      const { receipts } = await this.sender.batch(account, debits, {
        mode: "all_or_nothing",
        deadlineMs,
      });
      gathered.forEach(({ resolve }, index) => resolve(receipts[index]!));
    } catch (error) {
      if (!(error instanceof OutcomeUnknown)) return this.#sendAlone(account, gathered);
      gathered.forEach(({ reject }, index) =>
        reject(new OutcomeUnknown([error.keys[index]!], error.cause)),
      );
    }
  }

  /** Sends each by itself: the batch was too small, or refused because of one of them. */
  #sendAlone(account: string, gathered: Waiting[]): void {
    for (const { body, options, resolve } of gathered)
      resolve(this.sender.debit(account, body, options));
  }
}

/** A batch cannot hold one operation twice. */
function hasKeyTwice(gathered: Waiting[]): boolean {
  const keys = gathered.flatMap(({ options: { key } }) => key ?? []);
  return new Set(keys).size < keys.length;
}
