// <scrip-credits token="..." top-up="...">: what a customer has and has consumed, for a product's
// own screens. The README says what its attributes, events and colours are.
import { label, number, say, sync, time } from './say.js';
import t from './en.js';

const HERE = new URL(import.meta.url).origin;
const OFTEN_MS = 10_000;
const RARELY_MS = 300_000;

/** Asks for the balance again and again: rarely when it fails, never while nobody looks. */
export class Watch {
  #etag;
  #timer;
  #wait = OFTEN_MS;
  #stopped = false;
  #visible = () => document.visibilityState === 'visible' && this.now();

  constructor(headers, { balance, ended, failed, reached }) {
    Object.assign(this, { headers, balance, ended, failed, reached });
    document.addEventListener('visibilitychange', this.#visible);
    this.now();
  }

  async now() {
    clearTimeout(this.#timer);
    if (this.#stopped || document.visibilityState === 'hidden') return;
    try {
      const headers = this.#etag ? { ...this.headers, 'If-None-Match': this.#etag } : this.headers;
      const reply = await fetch(`${HERE}/v1/me/balance`, { headers, cache: 'no-store', credentials: this.headers.Authorization ? 'omit' : 'same-origin' });
      sync(reply.headers.get('date'));
      if (this.#stopped) return;
      if ([401, 403, 409].includes(reply.status)) {
        this.stop();
        return this.ended(reply.status);
      }
      if (reply.status !== 304 && !reply.ok) throw new Error(reply.status);
      this.#wait = OFTEN_MS;
      this.reached?.();
      const body = reply.status === 304 ? null : await reply.json();
      if (body) {
        this.#etag = reply.headers.get('etag');
        await this.balance(body);
      }
    } catch (error) {
      this.#wait = Math.min(this.#wait * 2, RARELY_MS);
      this.failed(error);
    }
    if (!this.#stopped) this.#timer = setTimeout(() => this.now(), this.#wait);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener('visibilitychange', this.#visible);
  }
}

const STYLE = `
:host { all: initial !important; display: inline-block !important; position: relative !important; color-scheme: light dark !important; }
:host([hidden]) { display: none !important; }
* { box-sizing: border-box; }
:host {
  --ink: var(--scrip-ink, light-dark(#1b1b1f, #ededeb)); --paper: var(--scrip-paper, light-dark(#fff, #1c1c1f));
  --line: var(--scrip-line, light-dark(#dddad3, #3a3a3f)); --muted: var(--scrip-muted, light-dark(#5f5f68, #a8a8ad));
  --accent: var(--scrip-accent, light-dark(#0a6b52, #5ecfa5)); --warn: var(--scrip-warn, light-dark(#9a3412, #f0a36b));
}
.root, dialog { font: 400 var(--scrip-size, 15px)/1.5 var(--scrip-font, system-ui, sans-serif); color: var(--ink); font-variant-numeric: tabular-nums; text-align: start; }
button, a { font: inherit; color: inherit; }
.open { display: inline-flex; align-items: center; gap: .6em; padding: .45em .9em; border: 1px solid var(--line); border-radius: var(--scrip-radius, 99px); background: var(--paper); cursor: pointer; white-space: nowrap; }
.open:hover { border-color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.used, .muted { color: var(--muted); }
.heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.meter { display: inline-block; width: 2.75em; height: .4em; border-radius: 1em; overflow: hidden; background: var(--line); }
.meter i { display: block; height: 100%; background: var(--accent); }
:host([state=empty]) .open { border-color: var(--warn); }
.note { margin: .4em 0 0; max-width: 22em; color: var(--warn); }
.note:empty { display: none; }
dialog { position: fixed; inset: 60px 16px auto auto; width: min(23em, 100vw - 32px); max-height: calc(100vh - 76px); overflow: auto; margin: 0; padding: 1.4em; border: 1px solid var(--line); border-radius: 14px; background: var(--paper); box-shadow: 0 12px 40px #0003; }
dialog::backdrop { background: #0002; }
h2 { margin: 0; font-size: 2.75em; font-weight: 300; line-height: 1.1; letter-spacing: -.02em; }
h2 span { display: block; font-size: .364em; font-weight: 400; letter-spacing: 0; color: var(--muted); line-height: 1.5; }
dialog .meter { display: block; width: 100%; margin: 1em 0; }
dl { margin: 0; display: grid; grid-template-columns: 1fr auto; gap: .3em 0; }
dt, dd { margin: 0; } dd { text-align: end; padding-inline-start: 1em; } dt { overflow-wrap: anywhere; }
.total { border-top: 1px solid var(--line); padding-top: .3em; font-weight: 600; }
.bar { display: flex; justify-content: space-between; align-items: center; margin-top: 1.2em; gap: 1em; }
.bar > * { padding: .4em 1em; border-radius: 99px; border: 1px solid var(--line); background: none; cursor: pointer; text-decoration: none; }
.bar .primary { background: var(--accent); border-color: var(--accent); color: var(--paper); font-weight: 600; }
`;
const sheet = new CSSStyleSheet();
sheet.replaceSync(STYLE);

/** An element with its attributes and children; texts are texts, never markup. */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A whole number of thousandths of `part` in `total`, from decimal strings. */
function share(part, ...total) {
  const all = total.reduce((sum, value) => sum + Number(value), 0);
  return all > 0 ? Math.round((Number(part) / all) * 1000) / 10 : 0;
}

class ScripCredits extends HTMLElement {
  static observedAttributes = ['token', 'top-up'];
  #watch;
  #state;
  #balance;
  #root = this.attachShadow({ mode: 'open', delegatesFocus: true });
  #open = make('button', { class: 'open', part: 'button', type: 'button', 'aria-haspopup': 'dialog' }, t.widget_wait);
  #note = make('p', { class: 'note', part: 'note', role: 'status' });
  #dialog = make('dialog', { part: 'dialog', 'aria-labelledby': 'title' });

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.append(make('div', { class: 'root' }, this.#open, this.#note), this.#dialog);
    this.#open.addEventListener('click', () => this.#show());
    // A press beside the dialog is one on its backdrop, which is the dialog itself.
    this.#dialog.addEventListener('click', (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener('close', () => this.#open.focus());
  }

  connectedCallback() { this.#begin(); }
  disconnectedCallback() { this.#watch?.stop(); }
  attributeChangedCallback(name) {
    if (name === 'token' && this.isConnected) this.#begin();
    if (name === 'top-up' && this.#balance) this.#render();
  }

  /** The latest balance, as the contract describes it. */
  get balance() { return this.#balance; }

  /** Looks now: after an AI action of yours, say. */
  refresh() { return this.#watch?.now(); }

  #begin() {
    this.#watch?.stop();
    const token = this.getAttribute('token');
    if (!token) return this.#tell('ended', t.widget_ended);
    this.#watch = new Watch({ Authorization: `Bearer ${token}` }, {
      balance: (balance) => this.#take(balance),
      ended: () => {
        this.#tell('ended', t.widget_ended);
        this.#send('scrip-session');
      },
      failed: () => this.#balance || this.#tell('offline', t.widget_offline),
    });
  }

  #take(balance) {
    const first = this.#balance === undefined;
    const could = this.#state === 'ok';
    this.#balance = balance;
    const can = balance.gate === 'open' && balance.available !== '0';
    this.#tell(can ? 'ok' : 'empty', can ? '' : this.#why(balance));
    this.#render();
    this.#send('scrip-balance', balance);
    if (!can && (could || first)) this.#send('scrip-exhausted', balance);
    if (can && !could && !first) this.#send('scrip-restored', balance);
  }

  #why({ gate, recharge }) {
    if (gate === 'account_frozen') return `${t.frozen_title}. ${t.frozen_text}`;
    if (gate === 'plan_required') return `${t.plan_title}. ${t.plan_text}`;
    const back = recharge && `${say('recharge', { n: recharge.credits, credits: number(recharge.credits) })}: ${time(recharge.at, 'soon')}.`;
    return [`${t.empty_title}.`, t.empty_text, back].filter(Boolean).join(' ');
  }

  #tell(state, note) {
    this.#state = state;
    this.setAttribute('state', state);
    if (this.#note.textContent !== note) this.#note.textContent = note;
  }

  #send(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #meter({ available, held, consumed }) {
    const total = String(Number(available) + Number(held) + Number(consumed.credits));
    const fill = make('i');
    fill.style.width = `${share(available, total)}%`;
    const text = say('meter', { available: number(available), total: number(total) });
    return make('span', { class: 'meter', role: 'meter', 'aria-label': t.title, 'aria-valuemin': 0, 'aria-valuemax': total, 'aria-valuenow': available, 'aria-valuetext': text }, fill);
  }

  #render() {
    const { available, held, consumed, recharge } = this.#balance;
    const meter = this.#meter(this.#balance);
    // Inside the button the meter is a picture: the button's own name says both numbers.
    for (const { name } of [...meter.attributes]) if (name !== 'class') meter.removeAttribute(name);
    meter.setAttribute('aria-hidden', 'true');
    const short = say('widget_short', { n: available, available: number(available) });
    const used = make('span', { class: 'used' }, say('widget_used', { consumed: number(consumed.credits) }));
    const more = make('span', { class: 'heard' }, t.widget_more);
    this.#open.replaceChildren(meter, make('span', {}, short), ' ', used, ' ', more);

    const list = make('dl');
    const line = (name, value, kind = '') => list.append(make('dt', { class: kind }, name), make('dd', { class: kind }, value));
    for (const { action, credits } of consumed.actions) {
      if (credits !== '0') line(action ? label(action) : t.by_amount, number(credits));
    }
    line(t.consumed, number(consumed.credits), 'total');
    if (held !== '0') line(t.held, number(held));
    const back = recharge ? `${say('recharge', { n: recharge.credits, credits: number(recharge.credits) })}: ${time(recharge.at, 'soon')}` : t.recharge_none;
    const close = make('button', { type: 'button', class: 'close' }, t.widget_close);
    close.addEventListener('click', () => this.#dialog.close());
    const url = this.getAttribute('top-up');
    const buy = url ? make('a', { class: 'primary', href: url }, t.top_up) : make('button', { type: 'button', class: 'primary' }, t.top_up);
    buy.addEventListener('click', () => this.#send('scrip-top-up'));
    const focused = this.#root.activeElement?.className;
    this.#dialog.replaceChildren(
      make('h2', { id: 'title' }, number(available), ' ', make('span', {}, say('available', { n: available }))),
      this.#meter(this.#balance), list, make('p', { class: 'muted' }, back), make('div', { class: 'bar' }, buy, close),
    );
    if (this.#dialog.open) this.#dialog.querySelector(focused === 'primary' ? '.primary' : '.close').focus();
  }

  #show() {
    if (!this.#balance) return;
    this.#dialog.showModal();
    this.refresh();
  }
}

if (!customElements.get('scrip-credits')) customElements.define('scrip-credits', ScripCredits);
