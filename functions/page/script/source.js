// Where the elements of a document get a customer's credits from: one source for each session.
import { now, sync } from './clock.js';
import { Tabs } from './tabs.js';
import { Watch } from './watch.js';

const HERE = new URL(import.meta.url).origin;
const CALL_TIMEOUT_MS = 15_000;
/** A token is replaced this long before its end, so that none ends while its request is on the way. */
const EARLY_MS = 30_000;
const sources = new Map();

/** The source of a session: a token, or the address of the product that answers one, or both. */
export function sourceOf(token, address) {
  const key = JSON.stringify([token, address]);
  if (!sources.has(key)) sources.set(key, new Source(token, address, () => sources.delete(key)));
  return sources.get(key);
}

class Source {
  #token;
  #address;
  #forget;
  /** When the token ends, by the server's clock; milliseconds. */
  #ends = Infinity;
  #renewal = null;
  #catalog = null;
  #listeners = new Set();
  #watch = null;
  #tabs = null;
  balance = null;
  /** When the balance was the latest; an instant. */
  asOf = null;
  #ended = false;

  constructor(token, address, forget) {
    [this.#token, this.#address, this.#forget] = [token, address, forget];
  }

  /** Begins to ask with the first listener. Another one is told what is known. */
  join(listener) {
    this.#listeners.add(listener);
    if (!this.#watch) return this.#begin();
    if (this.balance) listener.balance(this.balance);
    if (this.#ended) listener.ended();
  }

  /** Ends with the last listener, unless one comes at once: an element that is moved leaves and joins. */
  leave(listener) {
    this.#listeners.delete(listener);
    queueMicrotask(() => {
      if (this.#listeners.size > 0) return;
      this.#stop();
      this.#forget();
    });
  }

  /** Asks now. After the end it asks the product for another session. */
  refresh() {
    if (this.#ended && this.#address) this.#begin();
    return this.#watch?.now();
  }

  /** The rows of the rate card by action; asked for once. */
  catalog() {
    this.#catalog ??= this.#rates().catch((error) => {
      this.#catalog = null;
      throw error;
    });
    return this.#catalog;
  }

  async #rates() {
    const reply = await this.#ask('/v1/me/catalog');
    if (!reply.ok) throw new Error(reply.status);
    const { actions } = await reply.json();
    return new Map(actions.map((row) => [row.action, row]));
  }

  #begin() {
    this.#stop();
    this.#ended = false;
    const each = (name, ...values) => { for (const listener of [...this.#listeners]) listener[name](...values); };
    this.#watch = new Watch(() => this.#ask('/v1/me/balance'), {
      balance: (balance) => {
        // An answer that was on its way when another tab told of a later one.
        const last = this.balance;
        if (last && last.account === balance.account && last.subject === balance.subject && balance.seq < last.seq) return;
        this.balance = balance;
        this.#share(balance);
        each('balance', balance);
      },
      reached: () => {
        this.asOf = new Date(now()).toISOString();
        each('reached');
      },
      answered: (etag) => this.#tabs?.tell({ balance: this.balance, etag }),
      ended: () => {
        this.#ended = true;
        this.#tabs?.close();
        this.#tabs = null;
        each('ended');
      },
      failed: () => {
        this.#tabs?.pass();
        each('failed');
      },
    });
  }

  #stop() {
    this.#watch?.stop();
    this.#tabs?.close();
    this.#watch = this.#tabs = null;
  }

  /** Shares the poll with other tabs of this customer. The answer says whose it is; no token leaves this tab. */
  #share({ account, subject }) {
    const name = `scrip-1 ${JSON.stringify([HERE, account, subject])}`;
    if (!navigator.locks || this.#tabs?.name === name) return;
    this.#tabs?.close();
    const watch = this.#watch;
    watch.polls = false;
    this.#tabs = new Tabs(name, ({ balance, etag }) => {
      // An answer that was on its way when this tab had a later one.
      if (balance.seq >= this.balance.seq) watch.told(balance, etag);
    }, (leads) => (watch.polls = leads));
  }

  /** A request of the customer. A token that is refused is replaced once, by the product's address. */
  async #ask(path) {
    const send = () => fetch(HERE + path, {
      headers: { Authorization: `Bearer ${this.#token}` }, credentials: 'omit', signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    const late = this.#address && !(this.#token && now() < this.#ends - EARLY_MS);
    const refused = late && (await this.#renew());
    if (refused) return refused;
    const token = this.#token;
    const reply = await send();
    if (reply.status !== 401 || !this.#address) return reply;
    sync(reply.headers.get('date'));
    // Another request may have replaced it meanwhile.
    const ended = this.#token === token && (await this.#renew());
    if (ended) return ended;
    const again = await send();
    // The new token is refused as well: ask again later, and not at once.
    if (again.status === 401) throw new Error(401);
    return again;
  }

  /** Gets another token from the product. Answers the reply if the product refuses. */
  #renew() {
    this.#renewal ??= this.#renewed().finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  async #renewed() {
    const reply = await fetch(this.#address, {
      mode: 'same-origin', credentials: 'same-origin', cache: 'no-store', headers: { Accept: 'application/json' },
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    if (!reply.ok) return reply;
    const { token, expires_at: ends } = await reply.json();
    if (typeof token !== 'string') throw new Error('no token');
    [this.#token, this.#ends] = [token, Date.parse(ends) || Infinity];
    return null;
  }
}
