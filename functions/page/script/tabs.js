// One poll for all tabs of a product that show the same customer.

/**
 * Lets one of the visible tabs ask, and tells the others what it was answered. The lock passes on
 * when its tab is hidden, closed or gone. A tab knows the name only by an answer to its own token.
 */
export class Tabs {
  #channel;
  #lead;
  #turn = new AbortController();
  #seen = () => (document.visibilityState === 'visible' ? this.#queue() : this.#turn.abort());

  /** `heard` gets what another tab tells; `lead` whether this one asks. */
  constructor(name, heard, lead) {
    this.name = name;
    this.#lead = lead;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }) => heard(data);
    document.addEventListener('visibilitychange', this.#seen);
    this.#turn.abort();
    this.#seen();
  }

  tell(what) { this.#channel.postMessage(what); }

  /** Lets another tab ask, and waits for the next turn. */
  pass() {
    this.#turn.abort();
    this.#seen();
  }

  close() {
    document.removeEventListener('visibilitychange', this.#seen);
    this.#turn.abort();
    this.#channel.close();
  }

  async #queue() {
    if (!this.#turn.signal.aborted) return;
    const { signal } = (this.#turn = new AbortController());
    const held = new Promise((over) => signal.addEventListener('abort', over));
    try {
      await navigator.locks.request(this.name, { signal }, () => {
        this.#lead(true);
        return held.then(() => this.#lead(false));
      });
    } catch {
      // Where a browser refuses locks, as in a sandbox, each tab asks for itself.
      if (!signal.aborted) this.#lead(true);
    }
  }
}
