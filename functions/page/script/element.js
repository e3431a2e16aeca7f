// What the elements have in common: whose credits they show, and in which language.
import { colours } from './dom.js';
import { sourceOf } from './source.js';
import { standing } from './standing.js';
import { speak } from './words.js';

/** The elements in this document, in the order in which they came. */
const present = new Set();
const followAll = () => { for (const element of present) element.follow(); };

/**
 * An element that shows a customer's credits: by its own `token` or `session`, else by those of the
 * first element that has one. A subclass renders in `show()`.
 */
export class ScripElement extends HTMLElement {
  static observedAttributes = ['token', 'session', 'locale'];
  #token = null;
  #source = null;
  #balance = null;
  /** Why the balance is not of now: `waiting`, `offline` or `ended`; null: it is. */
  #lost = 'waiting';
  #listener = {
    balance: (balance) => {
      this.#balance = balance;
      this.#lost = null;
      this.took(balance);
    },
    reached: () => this.#balance && this.#stand(null),
    failed: () => this.#stand('offline'),
    ended: () => {
      this.#stand('ended');
      if (this.owns) this.send('scrip-session');
    },
  };
  /** The texts in the element's language. */
  words = null;

  /** Its shadow root, with its own styles. */
  shadow(sheet, delegatesFocus = false) {
    const root = this.attachShadow({ mode: 'open', delegatesFocus });
    root.adoptedStyleSheets = [sheet, colours];
    return root;
  }

  connectedCallback() {
    // The product may set the property before this module is loaded.
    if (Object.hasOwn(this, 'token')) {
      const { token } = this;
      delete this.token;
      this.token = token;
    }
    present.add(this);
    this.#speak();
    followAll();
  }

  disconnectedCallback() {
    present.delete(this);
    this.#source?.leave(this.#listener);
    this.#source = null;
    // An element that is moved comes back at once, and those that follow it notice nothing.
    queueMicrotask(followAll);
  }

  attributeChangedCallback(name, _, value) {
    if (name === 'token') this.token = value;
    // The attributes come before the element is connected for the first time.
    else if (!this.words) return;
    else if (name === 'session') followAll();
    else if (name === 'locale') this.#speak();
    else this.show();
  }

  /** The session's token. As a property it is nowhere in the document. */
  get token() { return this.#token; }

  set token(value) {
    if (value === this.#token) return;
    this.#token = value;
    if (this.isConnected) followAll();
  }

  /** The latest balance, as the contract describes it. */
  get balance() { return this.#balance; }

  /** `waiting`, `offline` or `ended`; else how the customer stands. */
  get state() { return this.#lost ?? standing(this.#balance); }

  /** Whether the session is its own. Only then it tells the page what happens, so that it is told once. */
  get owns() { return Boolean(this.#own); }

  /** Where it gets its balance from; null: from nowhere. */
  get source() { return this.#source; }

  /** Asks for the balance now: after an AI action, for example. */
  refresh() { return this.#source?.refresh(); }

  /** Finds its source again. With another one it forgets what it knew. */
  follow() {
    const first = this.owns ? this : [...present].find((other) => other.owns);
    const source = first ? sourceOf(...first.#own) : null;
    if (source === this.#source) return;
    this.#source?.leave(this.#listener);
    this.#source = source;
    this.#balance = null;
    this.#stand('waiting');
    source?.join(this.#listener);
  }

  /** A new balance. */
  took() {
    this.show();
  }

  send(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  /** Its own token and the address of its sessions, if there is one of them. */
  get #own() {
    const address = this.getAttribute('session');
    return (this.#token || address) && [this.#token || null, address && new URL(address, document.baseURI).href];
  }

  #stand(lost) {
    this.#lost = lost;
    this.show();
  }

  #speak() {
    this.words = speak(this);
    for (const child of this.shadowRoot.children) [child.lang, child.dir] = [this.words.t.lang, this.words.t.dir];
    this.show();
  }
}
