// <scrip-notice for="...">: disables a button while its action cannot be paid, and says why.
import { decimal } from './amounts.js';
import { make, put, sheet } from './dom.js';
import { PricedElement } from './priced.js';
import { own, spendable, standing, usable } from './standing.js';

const NOTICE_STYLE = sheet(`
:host { display: block; }
p { margin: .5em 0 0; padding-inline-start: .8em; border-inline-start: 3px solid var(--warn); }
b { display: block; font-weight: 600; }
`);
/** What is changed of the button while it is held. */
const HELD = ['disabled', 'aria-disabled', 'aria-describedby'];
let named = 0;

/** The ids in an attribute. */
const idsOf = (attribute) => attribute?.split(/\s+/).filter(Boolean) ?? [];

/** Keeps a click from an element that cannot be disabled. */
function refuse(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

export class ScripNotice extends PricedElement {
  static observedAttributes = [...PricedElement.observedAttributes, 'for'];
  #text = make('div', { role: 'status' });
  /** The button that is held; null: none is. */
  #button = null;
  /** Its attributes as its page wants them. */
  #found = {};
  #changes = new MutationObserver((records) => this.#changed(records));
  /** Another button may come under the same id while one is held. */
  #tree = new MutationObserver(() => this.#hold(true));

  constructor() {
    super();
    this.shadow(NOTICE_STYLE).append(this.#text);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#hold(false);
  }

  render() {
    const { balance, source, state } = this;
    const known = balance ? standing(balance) : state;
    // With a new session it keeps to what it said until there is an answer, or none comes.
    if (!balance && source && state === 'waiting') return;
    const why = balance ? this.#why(balance, known) : [];
    if (why.length > 0 && state === 'ended') why.push([this.words.t.widget_ended]);
    const short = spendable(known) && why.length > 0;
    this.setAttribute('state', short ? 'short' : known);
    put(this.#text, ...why.map(([title, text]) => make('p', { part: 'notice' }, make('b', {}, title), text ?? '')));
    this.#hold(why.length > 0);
  }

  /** Why the action cannot be paid; empty: it can. */
  #why(balance, known) {
    const { cost, words } = this;
    if (!spendable(known)) {
      const notes = words.notes(balance);
      if (known === 'empty') notes[0][1] += ` ${words.back(balance)}`;
      return notes;
    }
    if (cost === null || cost <= usable(balance)) return [];
    const limit = own(balance);
    const left = limit ? words.limited(limit) : words.counted('cost_short', decimal(usable(balance)));
    return [[words.counted('notice_short', decimal(cost)), left]];
  }

  /** Holds the button that is there now, or none. */
  #hold(wanted) {
    const is = wanted && this.isConnected;
    const root = this.getRootNode();
    const button = is ? root.getElementById(this.getAttribute('for')) : null;
    if (is) this.#tree.observe(root, { childList: true, subtree: true });
    else this.#tree.disconnect();
    if (button === this.#button) return;
    if (this.#button) this.#release();
    if (!button) return;
    this.id ||= `scrip-notice-${(named += 1)}`;
    this.#button = button;
    this.#found = Object.fromEntries(HELD.map((name) => [name, button.getAttribute(name)]));
    button.addEventListener('click', refuse, true);
    this.#apply();
  }

  #apply() {
    const found = this.#found;
    const native = 'disabled' in this.#button;
    const described = this.#button.getAttribute('aria-describedby');
    this.#write({
      disabled: native ? '' : found.disabled,
      'aria-disabled': native && found['aria-disabled'] === null ? null : 'true',
      // Another notice of the same button writes its own id there.
      'aria-describedby': idsOf(described).includes(this.id) ? described : [...idsOf(found['aria-describedby']), this.id].join(' '),
    });
    this.#changes.observe(this.#button, { attributeFilter: HELD });
  }

  #release() {
    // What the page changed in this very moment is its wish as well.
    this.#changed(this.#changes.takeRecords());
    this.#changes.disconnect();
    this.#button.removeEventListener('click', refuse, true);
    this.#write(this.#found);
    this.#button = null;
  }

  /** The page changed the held button: it gets back what it wanted. */
  #changed(records) {
    if (records.length === 0) return;
    for (const { attributeName: name } of records) this.#found[name] = this.#wish(name);
    this.#apply();
  }

  /** What others want of an attribute: of the description all but this notice. */
  #wish(name) {
    const now = this.#button.getAttribute(name);
    if (name !== 'aria-describedby') return now;
    return idsOf(now).filter((id) => id !== this.id).join(' ') || null;
  }

  #write(attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null) this.#button.removeAttribute(name);
      else if (this.#button.getAttribute(name) !== value) this.#button.setAttribute(name, value);
    }
    // Its own changes are no wishes of the page.
    this.#changes.takeRecords();
  }
}
