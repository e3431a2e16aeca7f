// The page's script adds to what the server rendered: local times and numbers, live updates, buying
// and its outcome, sorting. Without it every number is there and can be read.
import { now, sync } from './clock.js';
import { format } from './format.js';
import { keepOlder, loadOlder } from './history.js';
import { t } from './texts.js';
import { walk } from './usage.js';
import { Watch } from './watch.js';

const { about, change, money, number, say, time, until } = format(t);

const news = document.getElementById('news');
const { back, ends, now: here, seq: shown } = document.body.dataset;
// The cookie belongs to the session opened last, in any tab; this page keeps its own session.
const SESSION = { 'Scrip-Session': document.querySelector('meta[name=scrip-session]').content };
const FINAL = ['credited', 'failed', 'expired', 'parked', 'dismissed'];
const CALL_TIMEOUT_MS = 15_000;
/** The latest balance. */
let told;

function localize(within) {
  for (const data of within.querySelectorAll('data[value]')) {
    const { about: short, currency, sign } = data.dataset;
    const write = short !== undefined ? about : sign !== undefined ? change : number;
    data.textContent = currency ? money(data.value, currency) : write(data.value);
    if (data.title) data.title = number(data.value);
  }
  for (const at of within.querySelectorAll('time[data-style]')) {
    at.textContent = time(at.dateTime, at.dataset.style);
    at.title = at.dateTime;
  }
  for (const table of within.querySelectorAll('table[data-sort]')) sortable(table);
  for (const button of within.querySelectorAll('button[data-pack]')) {
    button.hidden = false;
    button.addEventListener('click', () => buy(button));
  }
  within.querySelector('#csv')?.addEventListener('click', download);
  within.querySelector('#older')?.addEventListener('click', (event) => {
    const { href } = event.currentTarget;
    // The page of the link says what is wrong.
    loadOlder(event, read, localize).catch((error) => error !== CLOSED && location.assign(href));
  });
  for (const month of within.querySelectorAll('#statement-month option')) month.textContent = time(month.value, 'month');
  for (const bars of within.querySelectorAll('.bars')) walk(bars);
  questions(within);
  limits(within);
  subscribable(within);
  automatic(within);
}

/** Links and forms that ask another question about usage: only the sections that differ change. */
function questions(within) {
  for (const link of within.querySelectorAll('#usage a[href]')) {
    link.addEventListener('click', (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      turn(link.href);
    });
  }
  within.querySelector('form#usage-days')?.addEventListener('submit', (event) => {
    event.preventDefault();
    const filled = [...new FormData(event.target)].filter(([, value]) => value);
    // A field that has the focus would keep the section as it is.
    event.target.querySelector('button').focus({ preventScroll: true });
    turn(`/?${new URLSearchParams(filled)}#usage`);
  });
}

/** Goes to another address of the page. */
function turn(href) {
  history.pushState(null, '', href);
  refresh().catch(() => location.reload());
}
addEventListener('popstate', () => refresh().catch(() => location.reload()));

/** The controls of limits: they need this script. */
function limits(within) {
  const form = within.querySelector('form#limit');
  if (!form) return;
  const field = (name) => form.querySelector(`#limit-${name}`);
  form.hidden = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    limit(field('set'), field('user').value.trim(), field('per').value, field('at-most').value);
  });
  for (const button of within.querySelectorAll('[data-limit]')) {
    button.hidden = false;
    button.addEventListener('click', () => {
      [field('user').value, field('per').value, field('at-most').value] = [button.dataset.limit, button.dataset.per, button.dataset.atMost];
      field('at-most').select();
    });
  }
  for (const button of within.querySelectorAll('[data-unlimit]')) {
    button.hidden = false;
    button.addEventListener('click', () => limit(button, button.dataset.unlimit, button.dataset.per, null));
  }
}

/** Sets or removes the limit of a user. Sent again, it sets the same. */
async function limit(button, user, per, atMost) {
  button.disabled = true;
  try {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID() };
    const body = JSON.stringify({ at_most: atMost, per });
    const reply = await ask(`/v1/me/limits/${encodeURIComponent(`user:${user}`)}`, { method: 'PUT', headers, body });
    if (reply.status === 400) return message('limit_wrong', 'warn');
    if (!reply.ok) throw new Error(reply.status);
    // A field that has the focus would keep the section as it is.
    button.disabled = false;
    button.focus({ preventScroll: true });
    await refresh();
    // The row shows it; a message at the top would take the reader away from it.
    announce(t.limit_saved);
  } catch (error) {
    if (error !== CLOSED) message('limit_failed', 'warn');
  } finally {
    button.disabled = false;
  }
}

/** Opens a page of the payment provider: where a plan begins, or where it is changed. */
async function goOn(button, path, fields) {
  hold(true);
  try {
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID() };
    const reply = await ask(path, { method: 'POST', headers, body: JSON.stringify(fields) });
    const { url, code } = await reply.json();
    if (reply.ok) return location.assign(url);
    if (code === 'already_subscribed') {
      await refresh();
      message('subscribed', '');
    } else if (code === 'topup_running') {
      await refresh();
      message('topup_running', '');
    } else if (code === 'too_many_grants') {
      message('too_many_grants', 'warn');
    } else throw new Error(reply.status);
  } catch (error) {
    if (error === CLOSED) return;
    message('subscribe_failed', 'warn');
  }
  hold(false);
  button.focus({ preventScroll: true });
}

/** Shows the buttons that subscribe, and the one that opens the portal. */
function subscribable(within) {
  for (const button of within.querySelectorAll('button[data-plan]')) {
    const { plan } = button.dataset;
    button.hidden = false;
    button.addEventListener('click', () => {
      const seats = document.getElementById(`seats-${plan}`);
      if (seats && !seats.reportValidity()) return;
      goOn(button, '/v1/me/subscriptions', seats ? { plan, seats: Number(seats.value) } : { plan });
    });
  }
  for (const button of within.querySelectorAll('button[data-portal]')) {
    button.hidden = false;
    button.addEventListener('click', () => goOn(button, '/v1/me/portal', {}));
  }
  for (const button of within.querySelectorAll('button[data-topup]')) {
    const { topup } = button.dataset;
    button.hidden = false;
    button.addEventListener('click', () => goOn(button, '/v1/me/topup-plans', { topup }));
  }
}

const AUTO = '/v1/me/auto-top-up';
/** Auto top-up. The form asks for the words of its setting, and sends it when they are agreed to. */
function automatic(within) {
  const form = within.querySelector('form#auto');
  const off = within.querySelector('#auto-off');
  const card = within.querySelector('#auto-card');
  for (const shown of [form, off, card]) if (shown) shown.hidden = false;
  off?.addEventListener('click', () => setAuto(off, null));
  card?.addEventListener('click', () => {
    const { below, pack, currency, atMost } = card.dataset;
    const consent = document.getElementById('auto-agreed').textContent;
    setAuto(card, { below, pack, currency, at_most_minor: Number(atMost), consent });
  });
  if (!form) return;
  const field = (name) => form.querySelector(`#auto-${name}`);
  const [below, pack, most, agree, words, go] = ['below', 'pack', 'at-most', 'agree', 'words', 'go'].map(field);
  const offer = (is) => {
    agree.checked = false;
    agree.disabled = agree.parentElement.hidden = !is;
    go.textContent = is ? t.auto_agree : t.auto_continue;
  };
  const choose = () => {
    const { credits, currency, price } = pack.selectedOptions[0].dataset;
    below.max = credits;
    most.min = price;
    most.step = 10 ** -(price.split('.')[1] ?? '').length;
    field('currency').textContent = `(${currency.toUpperCase()})`;
  };
  choose();
  form.addEventListener('input', ({ target }) => {
    if (target === agree) return;
    choose();
    // The words are of another setting.
    offer(false);
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const { currency, price, minor } = pack.selectedOptions[0].dataset;
    const setting = { below: below.value, pack: pack.value, currency, at_most_minor: Math.round((most.value * minor) / price) };
    if (agree.checked) return setAuto(go, { ...setting, consent: words.textContent });
    const said = await auto(go, `${AUTO}?${new URLSearchParams(setting)}`);
    if (!said) return;
    words.textContent = said.consent_words;
    offer(true);
    agree.focus();
  });
}

/** Sets auto top-up, or switches it off. Sent again, it changes nothing. */
async function setAuto(button, setting) {
  const headers = { 'Content-Type': 'application/json' };
  // A request by cookie says a type that no form can send, also without a body.
  const options = setting ? { method: 'PUT', headers, body: JSON.stringify(setting) } : { method: 'DELETE', headers };
  const said = await auto(button, AUTO, options);
  if (!said) return;
  if (said.url) return location.assign(said.url);
  // A field that has the focus would keep the section as it is.
  const summary = document.getElementById('auto-set');
  if (summary) summary.parentElement.open = false;
  summary?.focus({ preventScroll: true });
  await refresh().catch(() => {});
  announce(t.auto_saved);
}

/** The answer of a request about auto top-up. None: a message says what is wrong. */
async function auto(button, path, options) {
  hold(true);
  try {
    const reply = await ask(path, options);
    const said = await reply.json();
    hold(false);
    if (reply.ok) return said;
    if (said.code === 'dispute_open') message('auto_dispute', 'warn');
    else if (reply.status < 500) message('auto_wrong', 'warn');
    else message('auto_error', 'warn');
  } catch (error) {
    if (error === CLOSED) return;
    hold(false);
    message('auto_error', 'warn');
  }
  button.focus({ preventScroll: true });
}

function sortable(table) {
  table.querySelectorAll('thead th').forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    button.addEventListener('click', () => {
      const down = head.ariaSort !== 'descending';
      for (const other of table.querySelectorAll('thead th')) other.removeAttribute('aria-sort');
      head.ariaSort = down ? 'descending' : 'ascending';
      const key = ({ cells }) => {
        const cell = cells[column];
        return cell.dataset.value ?? cell.querySelector('data')?.value ?? cell.querySelector('time')?.dateTime ?? cell.textContent;
      };
      const { compare } = new Intl.Collator(t.lang, { numeric: true });
      // The collator reads the decimals of a number as one of their own.
      const isNumber = (text) => /^-?\d+(\.\d+)?$/.test(text);
      const order = (a, b) => (isNumber(a) && isNumber(b) ? a - b : compare(a, b));
      const rows = [...table.tBodies[0].rows].sort((a, b) => order(key(a), key(b)));
      table.tBodies[0].append(...(down ? rows.reverse() : rows));
    });
    head.append(button);
  });
}

/** Requests as this page's session. If that session is over or replaced, closes the page. */
async function ask(path, options = {}) {
  const reply = await fetch(path, { cache: 'no-store', ...options, headers: { ...SESSION, ...options.headers } });
  const changed = reply.status === 428 || (reply.status === 409 && (await reply.clone().json()).code === 'session_changed');
  if (reply.status !== 401 && !changed) return reply;
  close(reply.status);
  throw CLOSED;
}
const CLOSED = new Error();

/** The reply of a GET; throws if it is not a success. */
async function read(path) {
  const reply = await ask(path);
  if (!reply.ok) throw new Error(reply.status);
  return reply;
}

let refreshed = Promise.resolve();
/** Renders the page again. One refresh at a time, so that the latest stays. */
function refresh() {
  refreshed = refreshed.catch(() => {}).then(render);
  return refreshed;
}

/** Replaces only the sections that differ. */
async function render() {
  const reply = await read(`/${location.search}`);
  const fresh = new DOMParser().parseFromString(await reply.text(), 'text/html');
  const before = document.getElementById('hero').dataset.available;
  for (const section of fresh.querySelectorAll('[data-live]')) {
    const old = document.getElementById(section.id);
    const html = section.outerHTML;
    if (rendered.get(section.id) === html) continue;
    // A form that the customer is filling in stays.
    if (document.activeElement.matches('input, select') && old.contains(document.activeElement)) continue;
    rendered.set(section.id, html);
    localize(section);
    replace(old, section);
  }
  const { available } = document.getElementById('hero').dataset;
  if (available !== before) announce(document.querySelector('#hero h1').textContent);
}

/** Replaces a section and keeps what was opened, sorted and focused. */
function replace(old, fresh) {
  const { activeElement: active } = document;
  const held = old.contains(active);
  if (fresh.id === 'ledger') keepOlder(old, fresh);
  const all = (section, what) => [...section.querySelectorAll(what)];
  for (const { id, parentElement: details } of all(fresh, 'summary')) {
    details.open = document.getElementById(id)?.parentElement.open;
  }
  all(old, 'thead th').forEach(({ ariaSort }, n) => {
    const press = all(fresh, 'thead th')[n]?.querySelector('button');
    if (ariaSort) press?.click();
    if (ariaSort === 'ascending') press?.click();
  });
  old.replaceWith(fresh);
  if (!held) return;
  if (fresh.contains(active)) return active.focus({ preventScroll: true });
  const key = (spot) => spot.id || spot.getAttribute('aria-labelledby') || spot.textContent;
  const spot = all(fresh, 'a, button, summary, [tabindex]').find((spot) => key(spot) === key(active));
  fresh.tabIndex = -1;
  (spot ?? fresh).focus();
}
const rendered = new Map();
for (const section of document.querySelectorAll('[data-live]')) rendered.set(section.id, section.outerHTML);

/** Announces politely to a screen reader; a sighted reader sees the number itself. */
function announce(text) {
  const said = document.createElement('p');
  said.className = 'heard';
  said.textContent = text;
  news.querySelector('.heard')?.remove();
  news.append(said);
}

function message(name, tone, values = {}) {
  const section = document.createElement('section');
  section.className = `message ${tone}`;
  section.id = 'news-message';
  const title = document.createElement('h2');
  title.textContent = say(`${name}_title`, values);
  const text = document.createElement('p');
  text.textContent = say(`${name}_text`, values);
  section.append(title, text);
  document.getElementById('news-message')?.remove();
  news.append(section);
  // A customer who pressed a button further down must see it.
  section.scrollIntoView({ block: 'nearest' });
  return section;
}

/** Adds a link to a message. */
function lead(section, href, text) {
  const link = document.createElement('a');
  link.href = href;
  link.textContent = text;
  section.append(link);
  return link;
}

/** Stops the page: its session is over, or another one was opened. */
function close(status) {
  watch.stop();
  const section = status === 401 ? message('ended', 'warn') : message('changed', 'warn');
  const link = lead(section, ...(status === 401 ? [back, t.ended_link] : ['/', t.changed_link]));
  if (document.activeElement.dataset.pack) link.focus();
  hold(true);
}

/** Disables every button that leads to a payment, so that only one is pressed at a time. */
function hold(held) {
  const leads = 'button:is([data-pack], [data-plan], [data-portal], [data-topup], [data-auto])';
  for (const button of document.querySelectorAll(leads)) button.disabled = held;
}

// The credits of these may still arrive, in any session that ordered them.
const WAITING = ['open', 'processing', 'parked'];
/** Keeps the key of an order until its outcome is known: a second press is the same order. */
const slot = ({ pack, currency }) => `buy ${SESSION['Scrip-Session']} ${pack} ${currency}`;

async function buy(button, again = false) {
  const { pack, currency } = button.dataset;
  const place = slot(button.dataset);
  hold(true);
  try {
    // Ask before a second purchase. With a key it is the same purchase, pressed again.
    if (!again && !sessionStorage.getItem(place)) {
      const { checkouts } = await (await read('/v1/me/checkouts')).json();
      const other = checkouts.find(({ state }) => WAITING.includes(state));
      if (other) return doubt(button, other);
    }
    const key = sessionStorage.getItem(place) ?? crypto.randomUUID();
    sessionStorage.setItem(place, key);
    const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': key };
    const reply = await ask('/v1/me/checkouts', { method: 'POST', headers, body: JSON.stringify({ pack, currency }) });
    const answer = await reply.json();
    if (reply.status < 500) sessionStorage.removeItem(place);
    if (reply.status === 409) return full(answer);
    if (!reply.ok) throw new Error(reply.status);
    sessionStorage.setItem('checkout', answer.id);
    if (answer.url) return location.assign(answer.url);
    // The order was paid meanwhile.
    hold(false);
    follow(answer.id);
  } catch (error) {
    if (error === CLOSED) return;
    message('buy_failed', 'warn');
    hold(false);
    button.focus({ preventScroll: true });
  }
}

/** No more orders are possible: ten are open, and the first of them ends at `frees_at`. */
function full({ frees_at: frees }) {
  hold(false);
  if (frees) return message('too_many_checkouts', 'warn', { time: time(frees, 'minute') });
  return message('too_many_grants', 'warn');
}

/** Asks whether to buy although `other` may still be paid. */
function doubt(button, { credits, price, currency, url }) {
  hold(false);
  const section = message('waiting', '', { n: credits, credits: number(credits), price: money(price, currency.toUpperCase()) });
  const again = document.createElement('button');
  again.type = 'button';
  again.textContent = t.waiting_again;
  again.addEventListener('click', () => {
    section.remove();
    buy(button, true);
  });
  const link = url && lead(section, url, t.payment_go_on);
  section.append(again);
  (link || again).focus();
}

/** The part of a top-up that repaid a debt, by the ledger: the first repayment since. */
async function repaidBy(id) {
  const { entries } = await (await read('/v1/me/ledger?limit=200')).json();
  const place = entries.findIndex(({ order, kind }) => order === id && kind === 'topped_up');
  if (place < 0) return null;
  const since = entries.slice(0, place + 1).reverse();
  return -(since.find(({ debt }) => Number(debt) < 0)?.debt ?? 0);
}

/** The message for a state. For credits that arrived it depends on the debt they repaid. */
async function words({ id, state, credits, credited, at }) {
  const ends = new Date(Date.parse(at) + 86_400_000).toISOString();
  const values = { n: credits, credits: number(credits), time: time(ends, 'minute') };
  if (state === 'open') return [canceled ? 'paid_canceled' : 'paid_open', values];
  if (state !== 'credited') return [`paid_${state}`, values];
  const repaid = await repaidBy(id);
  // Older than the entries that were read, or partly taken back since: the ledger shows it.
  if (repaid === null || Number(credited) !== Number(credits)) return ['paid_arrived', values];
  const { gate } = await (await read('/v1/me/balance')).json();
  // In millionths, so that no decimals are lost.
  const rest = (Math.round(credits * 1e6) - Math.round(repaid * 1e6)) / 1e6;
  const told = { ...values, n: rest, rest: number(rest), repaid: number(repaid) };
  if (rest === 0) return ['paid_owed', told];
  if (repaid > 0) return ['paid_repaid', told];
  return [gate === 'open' ? 'paid_credited' : 'paid_kept', told];
}

const TONES = { credited: 'good', failed: 'warn', parked: 'warn', dismissed: 'warn' };

/** Follows a payment to its outcome: the server knows it, the redirect does not. */
async function follow(id) {
  let before;
  for (let tried = 0; tried < 200; tried += 1) {
    await seen();
    try {
      const reply = await ask(`/v1/me/checkouts/${encodeURIComponent(id)}`);
      if (reply.status === 404) return finished();
      if (!reply.ok) throw new Error(reply.status);
      const checkout = await reply.json();
      const { state } = checkout;
      if (state !== before) {
        if (state !== 'open') await refresh();
        const [name, values] = await words(checkout);
        const section = message(name, TONES[state] ?? '', values);
        if (checkout.url) lead(section, checkout.url, t.payment_go_on);
        before = state;
      }
      if (FINAL.includes(state)) return finished();
    } catch (error) {
      if (error === CLOSED) return;
    }
    await new Promise((done) => setTimeout(done, tried < 30 ? 1000 : 5000));
  }
}

/** Waits until the page is visible. */
function seen() {
  if (document.visibilityState === 'visible') return;
  return new Promise((done) => document.addEventListener('visibilitychange', done, { once: true }));
}

/** Forgets a checkout that has ended, so that a reload does not show it again. */
function finished() {
  sessionStorage.removeItem('checkout');
  const here = new URL(location.href);
  for (const name of ['checkout', 'canceled']) here.searchParams.delete(name);
  history.replaceState(null, '', here);
}

/** Saves the whole ledger as one file: without the script the link has the latest 200 entries. */
async function download(event) {
  event.preventDefault();
  const url = new URL(event.currentTarget.href);
  const parts = ['\uFEFF']; // text() has none
  for (let page = 0; page < 1000; page += 1) {
    const reply = await read(url).catch(() => null);
    if (!reply) return;
    const text = await reply.text();
    parts.push(page === 0 ? text : text.slice(text.indexOf('\n') + 1));
    const next = reply.headers.get('next-cursor');
    if (!next) break;
    url.searchParams.set('cursor', next);
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, { type: 'text/csv' }));
  link.download = 'credits.csv';
  link.click();
  URL.revokeObjectURL(link.href);
}

const asked = new URLSearchParams(location.search);
const checkout = asked.get('checkout') ?? sessionStorage.getItem('checkout');
const canceled = asked.has('canceled');

// A payment may change in another tab or at the bank and leave the balance as it is, as a card that
// is saved does: refresh on view.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && document.querySelector('#payments li, #auto-card')) refresh().catch(() => {});
});

sync(here);
localize(document);
function tick() {
  for (const at of document.querySelectorAll('time[data-style=soon]')) at.textContent = time(at.dateTime, 'soon');
}
let reached = here;
const watch = new Watch(() => fetch('/v1/me/balance', { headers: SESSION, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) }), {
  balance: (balance) => {
    // The first answer mostly equals what the server rendered. Time alone adds no entry, but the
    // balance may have changed on Monday since.
    const { available: before } = document.getElementById('hero').dataset;
    const old = told || String(balance.seq) !== shown || balance.available !== before;
    told = balance;
    return old && refresh();
  },
  ended: close,
  failed: () => {
    const stale = document.getElementById('stale') ?? news.appendChild(document.createElement('p'));
    stale.id = 'stale';
    stale.textContent = say('offline', { time: time(reached, 'clock') });
  },
  reached: () => {
    reached = new Date(now()).toISOString();
    document.getElementById('stale')?.remove();
    tick();
  },
});
if (checkout) follow(checkout);
setInterval(() => {
  tick();
  const left = Date.parse(ends) - now();
  if (left > 240_000 && left <= 300_000) announce(say('ends_soon', { when: until(Date.parse(ends)) }));
}, 60_000);
