/** Charges work that streams for what its reader took. */

import { charge, type Charging, type Work } from "./charge.js";
import type { Scrip } from "./client.js";
import { link } from "./send.js";
import type { StreamRequest } from "./types.js";

/** {@link Scrip.stream}. */
export function stream<T>(
  credits: Scrip,
  charging: Charging,
  { waitUntil, ...request }: StreamRequest,
  run: (work: Work) => AsyncIterable<T>,
): Promise<ReadableStream<T>> {
  const reader = new AbortController();
  const unlink = link(request.signal, reader);
  // A reader that went away gets no error, so whatever could not be charged is handed over.
  const streaming: Charging = {
    ...charging,
    isHandedOver: () => true,
    handOver: (unpaid, error, value) =>
      charging.handOver(unpaid, error, value).catch((failure: unknown) => {
        if (reader.signal.aborted) console.error("onUnpaid did not take", unpaid, failure);
        throw failure;
      }),
    isIdle: (forMs) => !isAsked && performance.now() - askedAt >= forMs,
  };
  let isAsked = false;
  let askedAt = performance.now();

  return new Promise((resolve, reject) => {
    let pull: (parts: ReadableStreamDefaultController<T>) => Promise<void>;
    let stop = () => {};
    const work = (work: Work) =>
      new Promise<void>((finish, fail) => {
        const yielded = run(work)[Symbol.asyncIterator]();
        stop = () => void yielded.return?.().catch(() => {});
        pull = async (parts) => {
          isAsked = true;
          await yielded
            .next()
            .then(({ done, value }) => (done ? finish() : parts.enqueue(value)), fail);
          isAsked = false;
          askedAt = performance.now();
        };
        resolve(readable);
      });
    const charged = new Promise<void>((done, fail) => {
      const asked = { ...request, signal: reader.signal };
      charge(credits, streaming, asked, work).then(done, fail).finally(unlink);
    });
    // Of a reader that went away, nobody else waits for the charge.
    waitUntil?.(charged.catch(() => {}));
    // The work goes on only when the reader asks for more.
    const source: UnderlyingDefaultSource<T> = {
      start: (parts) => {
        // Where the reader left at the very end, there is nothing to close.
        charged
          .then(
            () => parts.close(),
            (error) => parts.error(error),
          )
          .catch(() => {});
      },
      pull: (parts) => pull(parts),
      cancel: (reason) => {
        reader.abort(reason);
        return charged.catch(() => {});
      },
    };
    const readable = new ReadableStream(source, { highWaterMark: 0 });
    charged.catch((error: unknown) => {
      stop();
      // Nobody has the stream yet, or it has the error.
      reject(error);
    });
  });
}
