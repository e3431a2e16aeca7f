// <scrip-credits top-up="...">: a customer's credits and consumption, for a product's own screens.
// docs/guides/show-credits.md describes its token, attributes, events and colours.
import { now } from './clock.js';
import { format } from './format.js';
import { tables } from './texts.js';
import { Watch } from './watch.js';

const t = tables.en;
const { label, number, say, time } = format(t);

const STYLE = `
:host {
  all: initial !important; color-scheme: inherit !important; display: inline-block !important; vertical-align: middle !important;
  font: 400 var(--scrip-size, 15px)/1.5 var(--scrip-font, system-ui, sans-serif) !important; font-variant-numeric: tabular-nums !important;
  inline-size: var(--scrip-width, 18em) !important; max-inline-size: 100% !important; block-size: 2.6em !important;
  --ink: var(--scrip-ink, light-dark(#1b1b1f, #ededeb)); --paper: var(--scrip-paper, light-dark(#fff, #1c1c1f));
  --line: var(--scrip-line, light-dark(#dddad3, #3a3a3f)); --muted: var(--scrip-muted, light-dark(#5f5f68, #a8a8ad));
  --accent: var(--scrip-accent, light-dark(#0a6b52, #5ecfa5)); --warn: var(--scrip-warn, light-dark(#9a3412, #f0a36b));
}
:host([hidden]) { display: none !important; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
button, a { font: inherit; color: inherit; }
button:not(:disabled), a { cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.muted { color: var(--muted); }
.heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.open { position: relative; display: flex; align-items: center; gap: .7em; inline-size: 100%; block-size: 100%; padding: 0 1em; border: 1px solid var(--line); border-radius: var(--scrip-radius, 99px); background: var(--paper); color: var(--ink); text-align: start; }
.open:hover, .open[aria-expanded=true] { border-color: var(--accent); }
.words { display: flex; flex: 0 1 auto; min-inline-size: 0; flex-wrap: wrap; column-gap: .6em; block-size: 1.5em; overflow: hidden; }
.words > * { max-inline-size: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.open .meter { flex: 1 1 2.5em; min-inline-size: 2em; }
.open::after { content: ''; flex: none; inline-size: .4em; block-size: .4em; margin-inline-start: auto; border: solid var(--muted); border-width: 0 1.5px 1.5px 0; translate: 0 -.1em; rotate: 45deg; }
.mark { flex: none; inline-size: .5em; block-size: .5em; border-radius: 50%; background: var(--warn); }
:host(:is([state=waiting], [state=offline], [state=ended])) .open { color: var(--muted); }

.meter { display: block; block-size: .4em; border-radius: 1em; overflow: hidden; background: var(--line); }
.meter i { display: block; block-size: 100%; border-radius: 1em; background: var(--accent); }
:host([state=low]) .meter i { background: var(--warn); }
.shut .meter i { background: var(--muted); }
@media (prefers-reduced-motion: no-preference) { .meter i { transition: inline-size .4s; } }
@media (forced-colors: active) { .meter { border: 1px solid; } .meter i, .mark { background: CanvasText !important; forced-color-adjust: none; } }

dialog { position: fixed; inset: auto; margin: 0; inline-size: min(23em, 100vw - 16px); padding: 1.4em; overflow: auto; overscroll-behavior: contain; border: 1px solid var(--line); border-radius: 14px; background: var(--paper); color: var(--ink); box-shadow: 0 8px 30px #0002; font-size: 1em; }
dialog:focus-visible { outline: none; }
h2 { margin: 0; font-size: 2.5em; font-weight: 300; line-height: 1.1; letter-spacing: -.02em; overflow-wrap: anywhere; }
h2 span { display: block; font-size: .4em; font-weight: 400; letter-spacing: 0; color: var(--muted); line-height: 1.5; }
.note { margin: 0 0 1em; padding-inline-start: .8em; border-inline-start: 3px solid var(--warn); }
.note b { display: block; font-weight: 600; }
.facts .meter { margin: 1em 0; }
dl { margin: 0; display: grid; grid-template-columns: 1fr auto; gap: .3em 0; }
dt, dd { margin: 0; } dd { text-align: end; padding-inline-start: 1em; } dt { overflow-wrap: anywhere; }
.total { font-weight: 600; }
.total:nth-of-type(n+2) { border-top: 1px solid var(--line); padding-top: .3em; }
.facts p { margin: 1em 0 0; }
.bar { display: flex; justify-content: flex-end; gap: .75em; margin-top: 1.2em; }
.bar > * { padding: .4em 1.1em; border-radius: 99px; border: 1px solid var(--line); background: none; text-decoration: none; }
.bar > :hover { border-color: var(--accent); }
.bar .primary { margin-inline-end: auto; background: var(--accent); border-color: var(--accent); color: var(--paper); font-weight: 600; }
`;
const sheet = new CSSStyleSheet();
sheet.replaceSync(STYLE);
/** The gap between the button, the details and the edge of the visible page. */
const GAP_PX = 8;
/** The threshold of the event CreditsLow, in percent. */
const LOW = 20;
/** Accounts with these gates cannot buy: they could not spend the credits. */
const CLOSED = ['account_frozen', 'plan_required'];

/** An element with its attributes and children; text is never parsed as markup. */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Replaces the children only if they differ: a selection or a reader's place stays. */
function put(node, ...children) {
  const fresh = node.cloneNode();
  fresh.append(...children);
  if (!fresh.isEqualNode(node)) node.replaceChildren(...fresh.childNodes);
}

/** The customer's own limit that leaves least, if it leaves less than the account has. */
function own({ available, limits = [] }) {
  const [least] = limits.toSorted((a, b) => a.left - b.left);
  return least && Number(least.left) < Number(available) ? least : null;
}

/** The percent that is left of the customer's limit, or where it does not matter, of the credits. */
function level(balance) {
  const limit = own(balance);
  return limit ? (Number(limit.left) / (Number(limit.at_most) || 1)) * 100 : share(balance);
}

/** The available percent of all credits of the period. For the eye alone. */
function share({ available, held, consumed }) {
  const all = Number(available) + Number(held) + Number(consumed.credits);
  return all > 0 ? (Number(available) / all) * 100 : 0;
}

/** `open` or `low`, or the one reason why nothing can be spent. */
function standing(balance) {
  const { gate, available, debt } = balance;
  if (gate !== 'open') return gate;
  if (available === '0') return debt === '0' ? 'empty' : 'debt_outstanding';
  if (own(balance)?.left === '0') return 'limit_reached';
  return level(balance) <= LOW ? 'low' : 'open';
}
const spendable = (state) => state === 'open' || state === 'low';

/** What is left of the customer's limit, if that is less than the account has. */
function mine(balance) {
  const limit = own(balance);
  return limit && say('widget_limit', { left: number(limit.left) });
}

/** The text on the button. */
const FACES = {
  open: (balance) => mine(balance) ?? say('widget_short', { n: balance.available, available: number(balance.available) }),
  low: (balance) => mine(balance) ?? say('widget_low', { n: balance.available, available: number(balance.available) }),
  limit_reached: () => t.widget_limit_reached,
  empty: () => t.widget_empty,
  account_frozen: () => t.widget_frozen,
  plan_required: () => t.widget_plan,
  debt_outstanding: ({ debt }) => say('widget_debt', { n: debt, credits: number(debt) }),
};

/** The notices about an account besides its numbers: each a title and a text. */
function notes(balance) {
  const { gate, available, debt, status } = balance;
  const limit = gate === 'open' ? own(balance) : null;
  const owed = say('debt_text', { n: debt, credits: number(debt) });
  return [
    gate === 'account_frozen' && [t.frozen_title, t.frozen_text],
    gate === 'plan_required' && [t.plan_title, t.plan_text],
    debt !== '0' && [t.debt_title, gate === 'debt_outstanding' ? `${owed} ${t.debt_gate}` : owed],
    gate === 'open' && available === '0' && [t.empty_title, t.empty_text],
    limit?.left === '0' && [t.limit_reached_title, limited(limit)],
    status === 'past_due' && [t.past_due_title, t.past_due_text],
  ].filter(Boolean);
}

/** What is left of a limit, and when it starts again. */
function limited({ at_most: most, per, left, resets_at: at }) {
  const text = say('limit_text', { left: number(left), credits: number(most), per: t[`per_${per}`] });
  return at ? `${text} ${t.limit_again} ${time(at, 'soon')}.` : text;
}

/** When credits come back automatically. */
function back({ recharge }) {
  if (!recharge) return t.recharge_none;
  return `${say('recharge', { n: recharge.credits, credits: number(recharge.credits) })}: ${time(recharge.at, 'soon')}.`;
}

class ScripCredits extends HTMLElement {
  static observedAttributes = ['token', 'top-up'];
  #token = null;
  #watch;
  /** The balance that is shown; null: nothing is known of the token's account. */
  #balance = null;
  /** The balance that the page's events had last, with any token. */
  #told;
  #asOf;
  #root = this.attachShadow({ mode: 'open', delegatesFocus: true });
  #words = make('span', { class: 'words' });
  #fill = make('i');
  #meter = make('span', { class: 'meter', 'aria-hidden': 'true' }, this.#fill);
  #mark = make('span', { class: 'mark', 'aria-hidden': 'true' });
  #open = make('button', { class: 'open', part: 'button', type: 'button', 'aria-haspopup': 'dialog' }, this.#mark, this.#words, this.#meter);
  #heard = make('span', { class: 'heard', role: 'status' });
  #news = make('div');
  #facts = make('div', { class: 'facts' });
  #title = make('h2', { id: 'title' });
  #close = make('button', { class: 'close', type: 'button' }, t.widget_close);
  #buy = null;
  #bar = make('div', { class: 'bar' }, this.#close);
  #dialog = make('dialog', { part: 'dialog', popover: 'auto', tabindex: -1, 'aria-labelledby': 'title' },
    this.#news, this.#title, this.#facts, this.#bar);

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.append(this.#open, this.#heard, this.#dialog);
    this.#open.popoverTargetElement = this.#dialog;
    this.#close.popoverTargetElement = this.#dialog;
    this.#close.popoverTargetAction = 'hide';
    this.#dialog.addEventListener('beforetoggle', ({ newState }) => this.#toggled(newState === 'open'));
    // The keyboard can move focus past the end of the details: they would cover the focused
    // element.
    this.#dialog.addEventListener('focusout', ({ relatedTarget: to }) => {
      if (to && to !== this.#open && !this.#dialog.contains(to)) this.#dialog.hidePopover();
    });
  }

  connectedCallback() {
    // The product may set the property before this module is loaded.
    if (Object.hasOwn(this, 'token')) {
      const { token } = this;
      delete this.token;
      this.token = token;
    }
    this.#begin();
  }

  disconnectedCallback() {
    this.#watch?.stop();
    this.#watch = null;
    this.#toggled(false);
  }

  attributeChangedCallback(name, _, value) {
    if (name === 'token') this.token = value;
    else this.#offer();
  }

  /** The session's token. As a property it is nowhere in the document. */
  get token() { return this.#token; }

  set token(value) {
    if (value === this.#token) return;
    this.#token = value;
    this.#balance = null;
    if (this.isConnected) this.#begin();
  }

  /** The latest balance, as the contract describes it. */
  get balance() { return this.#balance; }

  /** Asks for the balance now: after an AI action, for example. */
  refresh() { return this.#watch?.now(); }

  #begin() {
    this.#watch?.stop();
    this.#watch = null;
    this.#show('waiting');
    if (!this.#token) return;
    this.#watch = new Watch({ Authorization: `Bearer ${this.#token}` }, {
      balance: (balance) => this.#take(balance),
      reached: () => {
        this.#asOf = new Date(now()).toISOString();
        if (this.#balance) this.#show(standing(this.#balance));
      },
      ended: () => {
        this.#show('ended');
        this.#send('scrip-session');
      },
      failed: () => this.#show('offline'),
    });
  }

  #take(balance) {
    const [state, before] = [standing(balance), this.#told];
    this.#balance = balance;
    this.#told = { state, balance };
    this.#show(state);
    const could = before ? spendable(before.state) : true;
    if (before?.state !== state) this.#announce(state, !could);
    this.#send('scrip-balance', balance);
    if (could === spendable(state)) return;
    const detail = { why: could ? state : before.state, balance, before: before?.balance ?? null };
    this.#send(could ? 'scrip-exhausted' : 'scrip-restored', detail);
  }

  #send(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #show(state) {
    this.setAttribute('state', state);
    this.#face(state);
    this.#details(state);
    this.#offer();
    if (this.#dialog.matches(':popover-open')) this.#placed();
  }

  /** The button: what is available and what was used, or why nothing can be spent. */
  #face(state) {
    const balance = this.#balance;
    const known = balance ? standing(balance) : state;
    const parts = [make('span', {}, balance ? FACES[known](balance) : t.title)];
    const lost = state === 'ended' || state === 'offline';
    const beside = (text) => parts.push(make('span', { class: 'muted' }, text));
    if (lost) beside(balance ? t.widget_old : t.widget_none);
    else if (spendable(known)) beside(say('widget_used', { consumed: number(balance.consumed.credits) }));
    const noted = spendable(known) ? notes(balance) : [];
    for (const said of [...noted.map(([title]) => `${title}.`), t.widget_more]) parts.push(make('span', { class: 'heard' }, said));
    put(this.#words, ...parts.flatMap((part) => [part, ' ']).slice(0, -1));
    this.#mark.hidden = !balance || (spendable(known) && noted.length === 0);
    this.#meter.hidden = lost || !(spendable(known) || ['empty', 'limit_reached', 'waiting'].includes(known));
    this.#fill.style.inlineSize = `${spendable(known) ? level(balance) : 0}%`;
  }

  #details(state) {
    const balance = this.#balance;
    const news = balance ? notes(balance) : [];
    if (state === 'waiting') news.unshift([t.widget_loading]);
    if (state === 'ended') news.unshift([t.widget_ended]);
    if (state === 'offline') news.unshift([balance ? say('offline', { time: time(this.#asOf, 'clock') }) : t.widget_offline]);
    put(this.#news, ...news.map(([title, text]) => make('p', { class: 'note', part: 'note' }, make('b', {}, title), text ?? '')));
    this.#title.classList.toggle('heard', !balance);
    if (!balance) {
      put(this.#title, t.title);
      return put(this.#facts);
    }
    const { gate, available, held, consumed } = balance;
    const called = gate === 'open' ? 'available' : 'kept';
    put(this.#title, number(available), ' ', make('span', {}, say(called, { n: available })));
    const total = String(Number(available) + Number(held) + Number(consumed.credits));
    const fill = make('i');
    fill.style.inlineSize = `${share(balance)}%`;
    const meter = make('div', {
      class: 'meter', role: 'meter', 'aria-label': t.title, 'aria-valuemin': 0, 'aria-valuemax': total, 'aria-valuenow': available,
      'aria-valuetext': say(gate === 'open' ? 'meter' : 'meter_kept', { available: number(available), total: number(total) }),
    }, fill);
    const list = make('dl');
    const line = (name, value, kind = '') => list.append(make('dt', { class: kind }, name), make('dd', { class: kind }, value));
    for (const { action, credits } of consumed.actions) {
      if (credits !== '0') line(action ? label(action) : t.by_amount, number(credits));
    }
    line(t.consumed, number(consumed.credits), 'total');
    if (held !== '0') line(t.held, number(held));
    this.#facts.classList.toggle('shut', gate !== 'open');
    const limit = gate === 'open' && own(balance);
    const left = limit && limit.left !== '0' ? [make('p', {}, limited(limit))] : [];
    put(this.#facts, meter, list, ...left, make('p', { class: 'muted' }, back(balance)));
  }

  /** The way to buy, if the page has one and the account may buy. */
  #offer() {
    const url = this.getAttribute('top-up');
    const sold = url !== null && this.#balance && !CLOSED.includes(this.#balance.gate);
    if (sold && this.#buy?.getAttribute('href') === (url || null)) return;
    if (this.#buy && this.#root.activeElement === this.#buy) this.#close.focus();
    this.#buy?.remove();
    this.#buy = null;
    if (!sold) return;
    this.#buy = url ? make('a', { class: 'primary', href: url }, t.top_up) : make('button', { class: 'primary', type: 'button' }, t.top_up);
    this.#buy.addEventListener('click', () => this.#send('scrip-top-up'));
    this.#bar.prepend(this.#buy);
  }

  /** Announces politely to a screen reader that nothing can be spent any more, or again. */
  #announce(state, restored) {
    const { available } = this.#balance;
    const why = () => [...notes(this.#balance).map(([title, text]) => `${title}. ${text}`), state === 'empty' && back(this.#balance)];
    const said = spendable(state) ? [restored && `${number(available)} ${say('available', { n: available })}`] : why();
    this.#heard.textContent = said.filter(Boolean).join(' ');
  }

  #toggled(opens) {
    const listen = opens ? 'addEventListener' : 'removeEventListener';
    window[listen]('scroll', this.#placed, true);
    for (const what of ['resize', 'scroll']) window.visualViewport[listen](what, this.#placed);
    // Focus the whole dialog, not its first button, so that all of it is read.
    this.#dialog.autofocus = opens;
    // Browsers do not restore focus within a shadow tree.
    if (!opens && this.#dialog.contains(this.#root.activeElement)) this.#open.focus({ preventScroll: true });
    if (!opens) return;
    // The dialog has no layout yet, and will have one before it is painted.
    requestAnimationFrame(this.#placed);
    this.refresh();
  }

  /** Places the details at the button, inside the visible part of the page. */
  #placed = () => {
    const { offsetLeft, offsetTop, width, height } = window.visualViewport;
    const [least, most] = [offsetLeft + GAP_PX, offsetLeft + width - GAP_PX];
    const at = this.#open.getBoundingClientRect();
    const [above, below] = [at.top - offsetTop - 2 * GAP_PX, offsetTop + height - at.bottom - 2 * GAP_PX];
    // The button was scrolled out of view: close the details.
    if (Math.max(above, below) > height - 2 * GAP_PX) return this.#dialog.hidePopover();
    const { style } = this.#dialog;
    style.maxBlockSize = 'none';
    const under = this.#dialog.offsetHeight <= below || below >= above;
    style.maxBlockSize = `${under ? below : above}px`;
    const { offsetWidth, offsetHeight } = this.#dialog;
    const start = at.left + offsetWidth <= most ? at.left : at.right - offsetWidth;
    style.left = `${Math.max(least, Math.min(start, most - offsetWidth))}px`;
    style.top = `${under ? at.bottom + GAP_PX : at.top - GAP_PX - offsetHeight}px`;
  };
}

if (!customElements.get('scrip-credits')) customElements.define('scrip-credits', ScripCredits);
