/** Gathers debits of one account for a moment, and sends them as one batch. */

import { each, placed } from "./batch.js";
import { OutcomeUnknown, Refused } from "./errors.js";
import { refused, type Sender } from "./send.js";
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
    // Its signal or deadline would be that of the others, too.
    if (options.signal || options.deadlineMs !== undefined) {
      return this.sender.debit(account, body, options);
    }
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
    if (gathered.length < FEWEST || isAnyTwice(gathered)) {
      return this.#sendAlone(account, gathered);
    }
    const places = gathered.map(({ body, options }) => placed(this.sender, body, options.key));
    try {
      await each(this.sender, account, places, {}, (index, result) => {
        const { resolve, reject } = gathered[index]!;
        if ("problem" in result) reject(refused(result.status, result.problem));
        else resolve(result.receipt);
      });
    } catch (error) {
      if (error instanceof Refused) {
        // Refused because of one of them: the others are sent under the keys that they have.
        const keys = places.map(({ key }) => key);
        return this.#sendAlone(account, gathered, keys);
      }
      // Those that have their answer keep it.
      const isUnknown = error instanceof OutcomeUnknown;
      gathered.forEach(({ reject }, index) =>
        reject(isUnknown ? new OutcomeUnknown([error.keys[index]!], error.cause) : error),
      );
    }
  }

  /** Sends each by itself, under its key if it has one. */
  #sendAlone(account: string, gathered: Waiting[], keys: string[] = []): void {
    gathered.forEach(({ body, options, resolve }, index) =>
      resolve(this.sender.debit(account, body, options, keys[index])),
    );
  }
}

/** Whether a key is there twice: a batch cannot hold one operation twice. */
function isAnyTwice(gathered: Waiting[]): boolean {
  const keys = gathered.flatMap(({ options: { key } }) => key ?? []);
  return new Set(keys).size < keys.length;
}
