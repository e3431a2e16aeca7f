/** The model that answers. */

import { setTimeout as wait } from "node:timers/promises";

export interface Model {
  /** Yields the words of an answer as they are made, at most so many, until the signal aborts. */
  words(prompt: string, most: number, signal: AbortSignal): AsyncIterable<string>;
}

/**
 * Stands for a real model, and needs no key: it repeats the prompt, word by word. The real one goes
 * here: call your provider's API with streaming and this signal, and yield what arrives.
 */
export class Parrot implements Model {
  constructor(readonly msPerWord = 50) {}

  async *words(prompt: string, most: number, signal: AbortSignal): AsyncGenerator<string> {
    const said = prompt.split(/\s+/).filter((word) => word !== "");
    for (let count = 0; said.length > 0 && count < most; count++) {
      await wait(this.msPerWord, undefined, { signal });
      yield `${said[count % said.length]} `;
    }
  }
}
