// What the page does beyond what the server has rendered: local times and numbers, live updates,
// buying and what becomes of it, sorting. Without it every number is there and can be read.
import { change, money, now, number, say, sync, time, until } from './say.js';
import { Watch } from './watch.js';
import t from './en.js';

const news = document.getElementById('news');
const { back, ends, now: here, seq: shown } = document.body.dataset;
// The cookie is of the session that was opened last, in whichever tab; this page is of its own.
const SESSION = { 'Scrip-Session': document.querySelector('meta[name=scrip-session]').content };
const FINAL = ['credited', 'failed', 'expired', 'parked', 'dismissed'];
/** The balance as it was told last. */
let told;

function localize(within) {
  for (const data of within.querySelectorAll('data[value]')) {
    const { currency, sign } = data.dataset;
    data.textContent = currency ? money(data.value, currency) : (sign === undefined ? number : change)(data.value);
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
      const order = new Intl.Collator(t.lang, { numeric: true });
      const rows = [...table.tBodies[0].rows].sort((a, b) => order.compare(key(a), key(b)));
      table.tBodies[0].append(...(down ? rows.reverse() : rows));
    });
    head.append(button);
  });
}

/** The page again, as the server renders it now: only sections that differ are replaced. */
async function refresh() {
  const reply = await fetch(`/${location.search}`, { cache: 'no-store', headers: SESSION });
  if (!reply.ok) return closed(reply.status);
  const fresh = new DOMParser().parseFromString(await reply.text(), 'text/html');
  const before = document.getElementById('hero').dataset.available;
  for (const section of fresh.querySelectorAll('[data-live]')) {
    const old = document.getElementById(section.id);
    const html = section.outerHTML;
    if (rendered.get(section.id) === html) continue;
    rendered.set(section.id, html);
    // A filter that is being filled in is not taken away.
    if (old.querySelector('form')?.contains(document.activeElement)) continue;
    localize(section);
    replace(old, section);
  }
  const { available } = document.getElementById('hero').dataset;
  if (available !== before) announce(document.querySelector('#hero h1').textContent);
}

/** A fresh section in the place of one: what was opened, sorted and focused stays so. */
function replace(old, fresh) {
  const { activeElement: active } = document;
  const all = (section, what) => [...section.querySelectorAll(what)];
  all(fresh, 'details').forEach((details, n) => (details.open = all(old, 'details')[n]?.open));
  all(old, 'thead th').forEach(({ ariaSort }, n) => {
    const press = all(fresh, 'thead th')[n]?.querySelector('button');
    if (ariaSort) press?.click();
    if (ariaSort === 'ascending') press?.click();
  });
  const held = old.contains(active);
  old.replaceWith(fresh);
  if (!held) return;
  const key = (spot) => spot.id || spot.getAttribute('aria-labelledby') || spot.textContent;
  const spot = all(fresh, 'a, button, summary, [tabindex]').find((spot) => key(spot) === key(active));
  fresh.tabIndex = -1;
  (spot ?? fresh).focus();
}
const rendered = new Map();
for (const section of document.querySelectorAll('[data-live]')) rendered.set(section.id, section.outerHTML);

/** Said politely by a screen reader; a sighted reader sees the number itself. */
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
  // Whoever pressed a button further down has to see it.
  section.scrollIntoView({ block: 'nearest' });
  return section;
}

/** A link in a message. */
function lead(section, href, text) {
  const link = document.createElement('a');
  link.href = href;
  link.textContent = text;
  section.append(link);
  return link;
}

/** Whether an answer says that this page can do no more: it says so then. */
function closed(status) {
  if (status !== 401 && status !== 409) return false;
  watch.stop();
  const section = status === 401 ? message('ended', 'warn') : message('changed', 'warn');
  const link = lead(section, ...(status === 401 ? [back, t.ended_link] : ['/', t.changed_link]));
  if (document.activeElement.dataset.pack) link.focus();
  for (const button of document.querySelectorAll('button[data-pack]')) button.disabled = true;
  return true;
}

/** A checkout whose credits may still come, in whichever session it was begun. */
async function waiting() {
  const reply = await fetch('/v1/me/checkouts', { cache: 'no-store', headers: SESSION });
  if (closed(reply.status)) return null;
  if (!reply.ok) throw new Error(reply.status);
  const { checkouts } = await reply.json();
  return checkouts.find(({ state }) => state === 'open' || state === 'processing');
}

async function buy(button) {
  const { pack } = button.dataset;
  button.disabled = true;
  try {
    // A second purchase is asked about. With a key it is the same one, pressed again.
    const other = button.dataset.key ? undefined : await waiting();
    if (other === null) return;
    if (other) return ask(button, other);
    // The same key until it is known what became of it: two presses are one checkout.
    button.dataset.key ??= crypto.randomUUID();
    const headers = { ...SESSION, 'Content-Type': 'application/json', 'Idempotency-Key': button.dataset.key };
    const reply = await fetch('/v1/me/checkouts', { method: 'POST', headers, body: JSON.stringify({ pack }) });
    if (closed(reply.status)) return;
    if (!reply.ok) throw new Error(reply.status);
    const { id, url } = await reply.json();
    sessionStorage.setItem('checkout', id);
    location.assign(url);
  } catch {
    message('buy_failed', 'warn');
    button.disabled = false;
    button.focus({ preventScroll: true });
  }
}

/** Whether to buy although `other` may still be paid. */
function ask(button, { credits, price, currency, url }) {
  button.disabled = false;
  const section = message('waiting', '', { n: credits, credits: number(credits), price: money(price, currency.toUpperCase()) });
  const again = document.createElement('button');
  again.type = 'button';
  again.textContent = t.waiting_again;
  again.addEventListener('click', () => {
    section.remove();
    button.dataset.key = crypto.randomUUID();
    buy(button);
  });
  const link = url && lead(section, url, t.payment_go_on);
  section.append(again);
  (link || again).focus();
}

/** What of a top-up's credits repaid a debt, by the ledger: the first repayment since. */
async function repaidBy(id) {
  const reply = await fetch('/v1/me/ledger?limit=50', { cache: 'no-store', headers: SESSION });
  if (!reply.ok) return 0;
  const { entries } = await reply.json();
  const place = entries.findIndex(({ order, kind }) => order === id && kind === 'topped_up');
  const since = entries.slice(0, place + 1).reverse();
  return -(since.find(({ debt }) => Number(debt) < 0)?.debt ?? 0);
}

/** Which words a state has: those for credits say what became of them. */
async function words({ id, state, credits, expires }) {
  const values = { n: credits, credits: number(credits), time: time(expires, 'minute') };
  if (state === 'open') return [canceled ? 'paid_canceled' : 'paid_open', values];
  if (state !== 'credited') return [`paid_${state}`, values];
  await watch.now();
  if (told && told.gate !== 'open') return ['paid_kept', values];
  const repaid = await repaidBy(id);
  if (repaid === 0) return ['paid_credited', values];
  // Millionths, so that no difference of decimals is off.
  const rest = (Math.round(credits * 1e6) - Math.round(repaid * 1e6)) / 1e6;
  return ['paid_repaid', { ...values, n: rest, rest: number(rest), repaid: number(repaid) }];
}

const TONES = { credited: 'good', failed: 'warn', parked: 'warn', dismissed: 'warn' };

/** What became of a payment: the redirect says nothing, the server does. */
async function follow(id) {
  let before;
  for (let tried = 0; tried < 200; tried += 1) {
    await seen();
    const reply = await fetch(`/v1/me/checkouts/${encodeURIComponent(id)}`, { cache: 'no-store', headers: SESSION }).catch(() => null);
    if (reply && closed(reply.status)) return;
    if (reply?.status === 404) return settled();
    if (reply?.ok) {
      const { state, credits, credited, at, url } = await reply.json();
      // What was given back since is not added.
      if (state === 'credited' && Number(credited) === 0) return settled();
      if (state !== before) {
        before = state;
        const expires = new Date(Date.parse(at) + 86_400_000).toISOString();
        const [name, values] = await words({ id, state, credits, expires });
        const section = message(name, TONES[state] ?? '', values);
        if (url) lead(section, url, t.payment_go_on);
        if (state !== 'open') await refresh();
      }
      if (FINAL.includes(state)) return settled();
    }
    await new Promise((done) => setTimeout(done, tried < 30 ? 1000 : 5000));
  }
}

/** Waits until somebody looks at the page. */
function seen() {
  if (document.visibilityState === 'visible') return;
  return new Promise((done) => document.addEventListener('visibilitychange', done, { once: true }));
}

/** Nothing more is to come of it: a reload does not tell it again. */
function settled() {
  sessionStorage.removeItem('checkout');
  const here = new URL(location.href);
  for (const name of ['checkout', 'canceled']) here.searchParams.delete(name);
  history.replaceState(null, '', here);
}

/** The whole ledger as one file: without this the link has the latest 200 entries. */
async function download(event) {
  event.preventDefault();
  const url = new URL(event.currentTarget.href);
  const parts = ['\uFEFF']; // text() has none
  for (let page = 0; page < 1000; page += 1) {
    const reply = await fetch(url, { cache: 'no-store', headers: SESSION });
    if (closed(reply.status) || !reply.ok) return;
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

sync(here);
localize(document);
function tick() {
  for (const at of document.querySelectorAll('time[data-style=soon]')) at.textContent = time(at.dateTime, 'soon');
}
let reached = here;
const watch = new Watch(SESSION, {
  balance: (balance) => {
    // The first answer is as a rule what the server has rendered a moment ago.
    const old = told || String(balance.seq) !== shown;
    told = balance;
    return old && refresh();
  },
  ended: (status) => closed(status === 401 ? 401 : 409),
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
