// What the page does beyond what the server has rendered: local times and numbers, live updates,
// buying and what becomes of it, sorting. Without it every number is there and can be read.
import { change, money, now, number, say, sync, time, until } from './say.js';
import { Watch } from './watch.js';
import t from './en.js';

const news = document.getElementById('news');
const { back, ends, now: here, seq: shown } = document.body.dataset;
// The cookie is of the session that was opened last, in whichever tab; this page is of its own.
const SESSION = { 'Scrip-Session': document.querySelector('meta[name=scrip-session]').content };
const FINAL = ['credited', 'failed', 'expired', 'parked'];

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
  if (available !== before) announce(`${number(available)} ${say('available', { n: available })}`);
}

/** A fresh section in the place of one: what was opened, sorted and focused stays so. */
function replace(old, fresh) {
  const { activeElement: active } = document;
  const all = (section, what) => [...section.querySelectorAll(what)];
  for (const { id, parentElement: details } of all(fresh, 'summary')) {
    details.open = document.getElementById(id)?.parentElement.open;
  }
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
  return section;
}

/** Whether an answer says that this page can do no more: it says so then. */
function closed(status) {
  if (status !== 401 && status !== 409) return false;
  watch.stop();
  const section = status === 401 ? message('ended', 'warn') : message('changed', 'warn');
  const link = document.createElement('a');
  link.href = status === 401 ? back : '/';
  link.textContent = status === 401 ? t.ended_link : t.changed_link;
  section.append(link);
  if (document.activeElement.dataset.pack) link.focus();
  for (const button of document.querySelectorAll('button[data-pack]')) button.disabled = true;
  return true;
}

async function buy(button) {
  const { pack } = button.dataset;
  // The same key until it is known what became of it: two presses are one checkout.
  button.dataset.key ??= crypto.randomUUID();
  button.disabled = true;
  try {
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
    button.focus();
  }
}

/** What became of a payment: the redirect says nothing, the server does. */
async function follow(id) {
  const shown = { open: '', processing: '', credited: 'good', failed: 'warn', expired: '', parked: 'warn' };
  let before;
  for (let tried = 0; tried < 200; tried += 1) {
    const reply = await fetch(`/v1/me/checkouts/${encodeURIComponent(id)}`, { cache: 'no-store', headers: SESSION }).catch(() => null);
    if (reply && closed(reply.status)) return;
    if (reply?.status === 404) return settled();
    if (reply?.ok) {
      const { state, credits } = await reply.json();
      if (state !== before) {
        before = state;
        message(`paid_${state}`, shown[state], { n: credits, credits: number(credits) });
        if (state === 'credited') await watch.now();
      }
      if (FINAL.includes(state)) return settled();
    }
    await new Promise((done) => setTimeout(done, tried < 30 ? 1000 : 5000));
  }
}

/** Nothing more is to come of it: a reload does not tell it again. */
function settled() {
  sessionStorage.removeItem('checkout');
  const here = new URL(location.href);
  here.searchParams.delete('checkout');
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

sync(here);
localize(document);
function tick() {
  for (const at of document.querySelectorAll('time[data-style=soon]')) at.textContent = time(at.dateTime, 'soon');
}
let seen = false;
let reached = here;
const watch = new Watch(SESSION, {
  balance: ({ seq, available }) => {
    // The first answer is as a rule what the server has rendered a moment ago. Time alone counts no
    // entry, but it may be Monday since.
    const { available: before } = document.getElementById('hero').dataset;
    const old = seen || String(seq) !== shown || available !== before;
    seen = true;
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
const checkout = new URLSearchParams(location.search).get('checkout') ?? sessionStorage.getItem('checkout');
if (checkout) follow(checkout);
setInterval(() => {
  tick();
  const left = Date.parse(ends) - now();
  if (left > 240_000 && left <= 300_000) announce(say('ends_soon', { when: until(Date.parse(ends)) }));
}, 60_000);
