// Asking for the balance, for the page and for the element alike.
import { sync } from './say.js';

const HERE = new URL(import.meta.url).origin;
const OFTEN_MS = 10_000;
const RARELY_MS = 300_000;
/** How much longer each wait is than the one before: 20 requests in an hour without a change. */
const SLOWER = 1.5;
const CALL_TIMEOUT_MS = 15_000;
/** The session is over, may not ask from here, or is not the one that the browser has now. */
const REFUSED = [401, 403, 409, 428];

/**
 * Asks for the balance again and again: often while it changes, ever more rarely while it does not
 * or does not arrive, never while nobody looks.
 */
export class Watch {
  #etag;
  #timer;
  #wait;
  #next;
  #asking = Promise.resolve();
  #stopped = false;
  #seen = () => document.visibilityState === 'visible' && this.now();

  /** `balance` hears each new one, `reached` each answer, `ended` the status that refuses it. */
  constructor(headers, { balance, ended, failed, reached }) {
    Object.assign(this, { headers, balance, ended, failed, reached });
    document.addEventListener('visibilitychange', this.#seen);
    addEventListener('online', this.#seen);
    this.now();
  }

  /** Asks now, and often again from now on. One request at a time: never an older answer last. */
  now() {
    this.#wait = OFTEN_MS;
    this.#next ??= this.#asking.then(() => {
      this.#next = null;
      return (this.#asking = this.#ask());
    });
    return this.#next;
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (this.#stopped || document.visibilityState === 'hidden') return;
    try {
      // The browser itself keeps the answer and asks whether it is the latest. With `If-None-Match`
      // or a `cache` of ours each request across origins would want a preflight of its own.
      const reply = await fetch(`${HERE}/v1/me/balance`, {
        headers: this.headers,
        credentials: this.headers.Authorization ? 'omit' : 'same-origin',
        signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
      });
      if (this.#stopped) return;
      sync(reply.headers.get('date'));
      if (REFUSED.includes(reply.status)) {
        this.stop();
        return this.ended(reply.status);
      }
      if (!reply.ok) throw new Error(reply.status);
      this.reached?.();
      const etag = reply.headers.get('etag');
      if (etag && etag === this.#etag) {
        this.#slower();
      } else {
        const body = await reply.json();
        if (this.#stopped) return;
        this.#wait = OFTEN_MS;
        await this.balance(body);
        // Not before: what could not be shown is told again.
        this.#etag = etag;
      }
    } catch (error) {
      if (this.#stopped) return;
      this.#slower();
      this.failed(error);
    }
    if (!this.#stopped) this.#timer = setTimeout(() => (this.#asking = this.#ask()), this.#wait);
  }

  #slower() {
    this.#wait = Math.min(this.#wait * SLOWER, RARELY_MS);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener('visibilitychange', this.#seen);
    removeEventListener('online', this.#seen);
  }
}
