/** Charges work that streams for what its reader took. */

import { charge, type Charging, type Work } from "./charge.js";
import type { Scrip } from "./client.js";
import type { ChargeRequest } from "./types.js";

/** {@link Scrip.stream}. */
export function stream<T>(
  credits: Scrip,
  charging: Charging,
  request: ChargeRequest,
  run: (work: Work) => AsyncIterable<T>,
): Promise<ReadableStream<T>> {
  const reader = new AbortController();
  const signal = request.signal ? AbortSignal.any([request.signal, reader.signal]) : reader.signal;
  // It takes one part at a time, when the reader asks for it.
  const { readable, writable } = new TransformStream<T, T>();
  const writer = writable.getWriter();
  writer.closed.catch((reason: unknown) => reader.abort(reason));

  // A reader that went away gets no error, so whatever could not be charged is handed over.
  const streaming = { ...charging, isHandedOver: () => true };
  return new Promise((resolve, reject) => {
    const work = async (work: Work) => {
      resolve(readable);
      for await (const part of run(work)) {
        // A write fails because the reader went away; that is no failure of the work.
        await writer.write(part).catch((reason: unknown) => {
          reader.abort(reason);
          throw reason;
        });
      }
    };
    // If the work began, the promise is resolved, and the stream has the error.
    const failed = (error: unknown) => {
      reject(error);
      writer.abort(error).catch(() => {});
    };
    charge(credits, streaming, { ...request, signal }, work)
      .then(() => writer.close())
      .catch(failed);
  });
}
