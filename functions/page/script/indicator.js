// <scrip-credits top-up="...">: a customer's credits and consumption, for a product's own screens.
// docs/guides/show-credits.md describes its token, attributes, events and colours.
import { decimal } from './amounts.js';
import { make, put, sheet } from './dom.js';
import { ScripElement } from './element.js';
import { level, own, share, spendable, standing, total } from './standing.js';

const INDICATOR_STYLE = sheet(`
:host {
  all: initial !important; color-scheme: inherit !important; display: inline-block !important; vertical-align: middle !important;
  font: 400 var(--scrip-size, 15px)/1.5 var(--scrip-font, system-ui, sans-serif) !important; font-variant-numeric: tabular-nums !important;
  inline-size: var(--scrip-width, 18em) !important; max-inline-size: 100% !important; block-size: 2.6em !important;
}
:host([compact]) { inline-size: var(--scrip-width, 7em) !important; }
* { box-sizing: border-box; }
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
:host([compact]) .open .meter { display: none; }

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
`);
/** The gap between the button, the details and the edge of the visible page. */
const GAP_PX = 8;
/** Accounts with these gates cannot buy: they could not spend the credits. */
const CLOSED = ['account_frozen', 'plan_required'];

export class ScripCredits extends ScripElement {
  static observedAttributes = [...ScripElement.observedAttributes, 'top-up', 'compact'];
  /** The state and the balance that the page's events had last, of any session. */
  #told = null;
  #root = this.shadow(INDICATOR_STYLE, true);
  #words = make('span', { class: 'words', part: 'words' });
  #fill = make('i');
  #meter = make('span', { class: 'meter', part: 'meter', 'aria-hidden': 'true' }, this.#fill);
  #mark = make('span', { class: 'mark', part: 'mark', 'aria-hidden': 'true' });
  #open = make('button', { class: 'open', part: 'button', type: 'button', 'aria-haspopup': 'dialog' }, this.#mark, this.#words, this.#meter);
  #heard = make('span', { class: 'heard', role: 'status' });
  #news = make('div');
  #facts = make('div', { class: 'facts', part: 'facts' });
  #title = make('h2', { id: 'title', part: 'title' });
  #close = make('button', { class: 'close', part: 'close', type: 'button' });
  #buy = null;
  #bar = make('div', { class: 'bar' }, this.#close);
  #dialog = make('dialog', { part: 'dialog', popover: 'auto', tabindex: -1, 'aria-labelledby': 'title' },
    this.#news, this.#title, this.#facts, this.#bar);

  constructor() {
    super();
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

  disconnectedCallback() {
    super.disconnectedCallback();
    this.#toggled(false);
  }

  took(balance) {
    const [state, before] = [standing(balance), this.#told];
    this.#told = { state, balance };
    this.show();
    if (!this.owns) return;
    const could = before ? spendable(before.state) : true;
    if (before?.state !== state) this.#announce(state, !could);
    this.send('scrip-balance', balance);
    if (could === spendable(state)) return;
    const detail = { why: could ? state : before.state, balance, before: before?.balance ?? null };
    this.send(could ? 'scrip-exhausted' : 'scrip-restored', detail);
  }

  show() {
    const { state } = this;
    this.setAttribute('state', state);
    this.#face(state);
    this.#details(state);
    this.#offer();
    if (this.#dialog.matches(':popover-open')) this.#placed();
  }

  /** The button: what is available and what was used, or why nothing can be spent. */
  #face(state) {
    const { balance, words } = this;
    const { number, say, t } = words;
    const known = balance ? standing(balance) : state;
    const compact = this.hasAttribute('compact');
    const face = balance ? words.face(balance) : t.title;
    const parts = [make('span', compact ? { class: 'heard' } : {}, face)];
    if (compact) parts.unshift(make('span', { part: 'number', 'aria-hidden': 'true' }, balance ? number(balance.available) : '–'));
    const lost = state === 'ended' || state === 'offline';
    const beside = (text) => parts.push(make('span', { class: compact ? 'heard' : 'muted' }, text));
    if (lost) beside(balance ? t.widget_old : t.widget_none);
    else if (spendable(known)) beside(say('widget_used', { consumed: number(balance.consumed.credits) }));
    const noted = spendable(known) ? words.notes(balance) : [];
    for (const said of [...noted.map(([title]) => `${title}.`), t.widget_more]) parts.push(make('span', { class: 'heard' }, said));
    put(this.#words, ...parts.flatMap((part) => [part, ' ']).slice(0, -1));
    this.#mark.hidden = !balance || (spendable(known) && noted.length === 0);
    this.#meter.hidden = lost || !(spendable(known) || ['empty', 'limit_reached', 'waiting'].includes(known));
    this.#fill.style.inlineSize = `${spendable(known) ? level(balance) : 0}%`;
  }

  #details(state) {
    const { balance, words } = this;
    const { label, number, say, t, time } = words;
    const news = balance ? words.notes(balance) : [];
    if (state === 'waiting') news.unshift([t.widget_loading]);
    if (state === 'ended') news.unshift([t.widget_ended]);
    if (state === 'offline') news.unshift([balance ? say('offline', { time: time(this.source.asOf, 'clock') }) : t.widget_offline]);
    put(this.#news, ...news.map(([title, text]) => make('p', { class: 'note', part: 'note' }, make('b', {}, title), text ?? '')));
    put(this.#close, t.widget_close);
    this.#title.classList.toggle('heard', !balance);
    if (!balance) {
      put(this.#title, t.title);
      return put(this.#facts);
    }
    const { gate, available, held, consumed } = balance;
    const called = gate === 'open' ? 'available' : 'kept';
    put(this.#title, number(available), ' ', make('span', {}, say(called, { n: available })));
    const all = decimal(total(balance));
    const fill = make('i');
    fill.style.inlineSize = `${share(balance)}%`;
    const meter = make('div', {
      class: 'meter', role: 'meter', 'aria-label': t.title, 'aria-valuemin': 0, 'aria-valuemax': all, 'aria-valuenow': available,
      'aria-valuetext': say(gate === 'open' ? 'meter' : 'meter_kept', { available: number(available), total: number(all) }),
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
    const left = limit && limit.left !== '0' ? [make('p', {}, words.limited(limit))] : [];
    put(this.#facts, meter, list, ...left, make('p', { class: 'muted' }, words.back(balance)));
  }

  /** The way to buy, if the page has one and the account may buy. */
  #offer() {
    const { balance, words } = this;
    const url = this.getAttribute('top-up');
    const sold = url !== null && balance && !CLOSED.includes(balance.gate);
    if (sold && this.#buy?.getAttribute('href') === (url || null)) return put(this.#buy, words.t.top_up);
    if (this.#buy && this.#root.activeElement === this.#buy) this.#close.focus();
    this.#buy?.remove();
    this.#buy = null;
    if (!sold) return;
    this.#buy = make(url ? 'a' : 'button', { class: 'primary', part: 'top-up', ...(url ? { href: url } : { type: 'button' }) }, words.t.top_up);
    this.#buy.addEventListener('click', () => this.send('scrip-top-up'));
    this.#bar.prepend(this.#buy);
  }

  /** Announces politely to a screen reader that nothing can be spent any more, or again, or soon. */
  #announce(state, restored) {
    const { balance, words: { back, notes, number, say, t } } = this;
    const { available } = balance;
    let said = [];
    if (spendable(state)) {
      if (restored) said.push(`${number(available)} ${say('available', { n: available })}.`);
      if (state === 'low') said.push(`${t.low_title}.`);
    } else if (!document.querySelector('scrip-notice')) {
      // Else the notice says it, beside its button.
      said = notes(balance).map(([title, text]) => `${title}. ${text}`);
      if (state === 'empty') said.push(back(balance));
    }
    this.#heard.textContent = said.join(' ');
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
