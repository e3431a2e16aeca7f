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
    let keys = gathered.map(({ options }) => options.key);
    if (gathered.length < FEWEST || isAnyTwice(keys)) {
      return this.#sendAlone(account, gathered, keys);
    }
    const debits = gathered.map(({ body, options: { key } }) =>
      key === undefined ? body : { ...body, id: key },
    );
    const onKeys = (sent: string[]) => void (keys = sent);
    const deadlines = gathered.flatMap(({ options: { deadlineMs } }) => deadlineMs ?? []);
    const deadlineMs = deadlines.length > 0 ? Math.min(...deadlines) : undefined;
    try {
      const { receipts } = await this.sender.batch(account, debits, { deadlineMs, onKeys });
      gathered.forEach(({ resolve }, index) => resolve(receipts[index]!));
    } catch (error) {
      // Refused because of one of them: the others are sent under the keys that they have.
      if (!(error instanceof OutcomeUnknown)) return this.#sendAlone(account, gathered, keys);
      gathered.forEach(({ reject }, index) =>
        reject(new OutcomeUnknown([error.keys[index]!], error.cause)),
      );
    }
  }

  /** Sends each by itself, under its key if it has one. */
  #sendAlone(account: string, gathered: Waiting[], keys: (string | undefined)[]): void {
    gathered.forEach(({ body, options, resolve }, index) =>
      resolve(this.sender.debit(account, body, { ...options, key: keys[index] })),
    );
  }
}

/** Whether a key is there twice: a batch cannot hold one operation twice. */
function isAnyTwice(keys: (string | undefined)[]): boolean {
  const own = keys.filter((key) => key !== undefined);
  return new Set(own).size < own.length;
}
