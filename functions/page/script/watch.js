// Polls the balance, for the page and for the element.
import { sync } from './clock.js';

const OFTEN_MS = 10_000;
const RARELY_MS = 300_000;
/** The factor between two waits: 20 requests in an hour without a change. */
const SLOWER = 1.5;
/** The session is over, may not ask from here, or is not the browser's session any more. */
const REFUSED = [401, 403, 409, 428];

/**
 * Polls the balance with `ask`, which answers the reply: often while it changes, ever more rarely while it does not or while requests
 * fail, never while the page is hidden.
 */
export class Watch {
  #ask;
  #etag;
  #timer;
  #wait;
  #next;
  #polls = true;
  #asking = Promise.resolve();
  #stopped = false;
  #seen = () => document.visibilityState === 'visible' && this.now();

  /**
   * `balance` gets each new one; `reached` is called on each answer, and `answered` with its ETag
   * after it was shown; `ended` gets the refusal.
   */
  constructor(ask, { balance, reached, answered, ended, failed }) {
    this.#ask = ask;
    Object.assign(this, { balance, reached, answered, ended, failed });
    document.addEventListener('visibilitychange', this.#seen);
    addEventListener('online', this.#seen);
    this.now();
  }

  /** Whether it asks by itself; else only when it is told to. */
  set polls(is) {
    this.#polls = is;
    this.#later();
  }

  /** Asks now, and often again from now on. One request at a time: no older answer comes last. */
  now() {
    this.#wait = OFTEN_MS;
    this.#next ??= this.#asking.then(() => {
      this.#next = null;
      return (this.#asking = this.#try());
    });
    return this.#next;
  }

  /** Takes what another tab was answered. The same again does not say how often to ask. */
  async told(balance, etag) {
    if (this.#stopped) return;
    await this.#take(etag, () => balance);
    this.#later();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener('visibilitychange', this.#seen);
    removeEventListener('online', this.#seen);
  }

  async #try() {
    clearTimeout(this.#timer);
    if (this.#stopped || document.visibilityState === 'hidden') return;
    try {
      // The browser caches the answer and revalidates it. With `If-None-Match` or a `cache` of
      // ours, each cross-origin request would need a preflight of its own.
      const reply = await this.#ask();
      if (this.#stopped) return;
      sync(reply.headers.get('date'));
      if (REFUSED.includes(reply.status)) {
        this.stop();
        return this.ended(reply.status);
      }
      if (!reply.ok) throw new Error(reply.status);
      const etag = reply.headers.get('etag');
      if (!(await this.#take(etag, () => reply.json()))) this.#slower();
      if (this.#stopped) return;
      this.answered?.(etag);
    } catch (error) {
      if (this.#stopped) return;
      this.#slower();
      this.failed(error);
    }
    this.#later();
  }

  /** Takes an answer, and says whether it is another than the latest: only then its body is read. */
  async #take(etag, read) {
    this.reached?.();
    if (etag && etag === this.#etag) return false;
    const body = await read();
    if (this.#stopped) return false;
    this.#wait = OFTEN_MS;
    await this.balance(body);
    // Only after it was shown: a balance that could not be shown is delivered again.
    this.#etag = etag;
    return true;
  }

  #slower() {
    this.#wait = Math.min(this.#wait * SLOWER, RARELY_MS);
  }

  #later() {
    clearTimeout(this.#timer);
    if (this.#polls && !this.#stopped) this.#timer = setTimeout(() => (this.#asking = this.#try()), this.#wait);
  }
}
