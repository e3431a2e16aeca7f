// Polls the balance, for the page and for the element.
import { sync } from './clock.js';

const HERE = new URL(import.meta.url).origin;
const OFTEN_MS = 10_000;
const RARELY_MS = 300_000;
/** The factor between two waits: 20 requests in an hour without a change. */
const SLOWER = 1.5;
const CALL_TIMEOUT_MS = 15_000;
/** The session is over, may not ask from here, or is not the browser's session any more. */
const REFUSED = [401, 403, 409, 428];

/**
 * Polls the balance: often while it changes, ever more rarely while it does not or while requests
 * fail, never while the page is hidden.
 */
export class Watch {
  #etag;
  #timer;
  #wait;
  #next;
  #asking = Promise.resolve();
  #stopped = false;
  #seen = () => document.visibilityState === 'visible' && this.now();

  /** `balance` gets each new one; `reached` is called on each answer, `ended` with the refusal. */
  constructor(headers, { balance, ended, failed, reached }) {
    Object.assign(this, { headers, balance, ended, failed, reached });
    document.addEventListener('visibilitychange', this.#seen);
    addEventListener('online', this.#seen);
    this.now();
  }

  /** Asks now, and often again from now on. One request at a time: no older answer comes last. */
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
      // The browser caches the answer and revalidates it. With `If-None-Match` or a `cache` of
      // ours, each cross-origin request would need a preflight of its own.
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
        // Only after it was shown: a balance that could not be shown is delivered again.
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
