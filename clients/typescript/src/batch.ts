/** Sends debits together: all of them or none, or each by itself. */

import { OutcomeUnknown, Refused } from "./errors.js";
import { inAccount, refused, sleep, type Sender, type Sending } from "./send.js";
import type { BatchDebit, BatchReceipt, BatchResult, BatchResults } from "./types.js";

/** A debit of a batch, under the key that it has now. */
export interface Place {
  body: Omit<BatchDebit, "id">;
  key: string;
  /** Whether the client made the key, and so may make another. */
  isMinted: boolean;
}

/** A key that is a little ahead is sent again after this time. */
const AGAIN_MS = 1_000;

interface Options {
  deadlineMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** The place of a debit; without a key it gets one. */
export function placed(sender: Sender, body: Place["body"], key: string | undefined): Place {
  return { body, key: key ?? sender.mint(), isMinted: key === undefined };
}

/** Sends debits of which all happen, or none. */
export function allOrNothing(
  sender: Sender,
  account: string,
  places: Place[],
  options: Options,
): Promise<BatchReceipt> {
  let isAgain = false;
  const make = () => {
    if (isAgain) places.forEach((place) => mintAgain(sender, place));
    isAgain = true;
    return request("all_or_nothing", account, places);
  };
  const keys = () => places.map(({ key }) => key);
  const minted = () => places.find(({ isMinted }) => isMinted)?.key;
  return sender.send(make, { keys, minted, ...options });
}

/**
 * Sends debits each of which stands alone. `onResult` gets what became of each, by its index and as
 * soon as that is final. Those whose refusal is not final yet are sent again together.
 *
 * @throws `Refused` if the batch is, and then nothing happened; `OutcomeUnknown`: those that
 *   `onResult` did not get happened or not.
 */
export async function each(
  sender: Sender,
  account: string,
  places: Place[],
  options: Options,
  onResult: (index: number, result: BatchResult) => void,
): Promise<void> {
  const { signal } = options;
  const until = sender.until(options.deadlineMs);
  const keys = () => places.map(({ key }) => key);
  let left = [...places.keys()];
  let openAt: number | undefined;
  for (let isFirst = true; ; isFirst = false) {
    const deadlineMs = until - performance.now();
    const sending: Sending = { keys, signal, openAt, deadlineMs };
    const sent = left.map((index) => places[index]!);
    const results = await sender
      .send<BatchResults>(() => request("each", account, sent), sending)
      .then(
        (answer) => answer.results,
        (error: unknown) => {
          // Others happened: this is the answer to those that are left, and not to the batch.
          if (isFirst || error instanceof OutcomeUnknown) throw error;
          if (!(error instanceof Refused)) throw new OutcomeUnknown(keys(), error);
          return sent.map((): BatchResult => ({ status: error.status, problem: error.problem }));
        },
      );
    openAt = sending.openAt;

    let waitMs = 0;
    let cause: unknown;
    left = left.filter((index, at) => {
      const [place, result] = [places[index]!, results[at]!];
      if (!("problem" in result)) return onResult(index, result);
      const refusal = refused(result.status, result.problem);
      const verdict = sender.judge(refusal, place.isMinted ? place.key : undefined, sending);
      if (verdict.next === "final") return onResult(index, result);
      if (verdict.next === "new_key") {
        mintAgain(sender, place);
        place.isMinted = false;
      } else {
        waitMs = Math.max(waitMs, verdict.waitMs, AGAIN_MS);
      }
      cause = refusal;
      return true;
    });
    if (left.length === 0) return;
    const isLate = performance.now() + waitMs >= until;
    if (!isLate) await sleep(waitMs, signal);
    if (isLate || signal?.aborted) throw new OutcomeUnknown(keys(), cause);
  }
}

function request(mode: string, account: string, places: Place[]) {
  const debits = places.map(({ body, key }) => ({ ...body, id: key }));
  return { path: inAccount(account, "debits", "batch"), body: { mode, debits } };
}

function mintAgain(sender: Sender, place: Place): void {
  if (place.isMinted) place.key = sender.mint();
}
