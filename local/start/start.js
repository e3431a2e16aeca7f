// What the start page shows beyond what the server rendered: the stack's clock, and what goes on.

const $ = (id) => document.getElementById(id);
const EVERY_MS = 2000;
const MAX_EVENTS = 20;
const HOUR = 3_600_000;

/** An element with its properties and children; texts are texts, never markup. */
function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

async function get(path) {
  const reply = await fetch(path, { cache: 'no-store' });
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  return reply.json();
}

async function post(path, body) {
  const headers = { 'Content-Type': 'application/json' };
  const reply = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return { ok: reply.ok, body: await reply.json() };
}

function say(place, text, failed = false) {
  const said = $(`said-${place}`);
  said.textContent = text;
  said.classList.toggle('warn', failed);
}

const TIME = new Intl.DateTimeFormat('en-GB', {
  timeZone: 'UTC', weekday: 'short', day: 'numeric', month: 'short', year: 'numeric',
  hour: '2-digit', minute: '2-digit', second: '2-digit',
});
const shown = (ms) => `${TIME.format(ms)} UTC`;
const CLOCK = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', timeStyle: 'medium' });
const DAY = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', dateStyle: 'full' });

// The clock: what the server said last, and how long ago that was.
let [read, readAt] = [Date.parse(document.body.dataset.now), performance.now()];
const now = () => read + performance.now() - readAt;

function tick() {
  const [text, ms] = [CLOCK.format(now()), now()];
  if ($('time').textContent === text && $('day').textContent.startsWith(DAY.format(ms))) return;
  $('time').textContent = text;
  $('time').dateTime = new Date(ms).toISOString();
  $('day').textContent = `${DAY.format(ms)}, UTC`;
}

function monday(ms) {
  const at = new Date(ms);
  const days = (8 - at.getUTCDay()) % 7 || 7;
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate() + days);
}

/** The same day a month later, or the last one that there is. */
function monthLater(ms) {
  const at = new Date(ms);
  const day = at.getUTCDate();
  at.setUTCMonth(at.getUTCMonth() + 1);
  if (at.getUTCDate() !== day) at.setUTCDate(0);
  return at.getTime();
}

const MOVES = {
  hour: (ms) => ms + HOUR,
  eve: (ms) => (monday(ms) - ms > 10_000 ? monday(ms) - 10_000 : ms),
  monday,
  month: monthLater,
};

function far(ms) {
  for (const [unit, size] of [['day', 24 * HOUR], ['hour', HOUR], ['minute', 60_000]]) {
    const n = Math.floor(ms / size);
    if (n > 0) return `${n} ${unit}${n === 1 ? '' : 's'}`;
  }
  return `${Math.round(ms / 1000)} seconds`;
}

/** What is shown of a request that nobody answers. */
const SILENT = { ok: false, body: { detail: 'The stack does not answer.' } };

async function move(to) {
  const before = now();
  if (to < before - 1000) return say('clock', 'The clock only moves forward: some accounts already have later entries.', true);
  const moved = await post('/_local/clock', { now: new Date(to).toISOString() }).catch(() => SILENT);
  if (!moved.ok) return say('clock', moved.body.detail, true);
  [read, readAt] = [Date.parse(moved.body.now), performance.now()];
  tick();
  say('clock', `The clock went ${far(read - before)} forward, to ${shown(read)}.`);
  await look();
}

for (const button of document.querySelectorAll('[data-move]')) {
  button.addEventListener('click', () => move(MOVES[button.dataset.move](now())));
}
$('instant').addEventListener('submit', (event) => {
  event.preventDefault();
  move(Date.parse(`${$('at').value}Z`));
});
$('at').value = new Date(now()).toISOString().slice(0, 19);

const cells = [...document.querySelectorAll('[data-available]')];
$('more-states').hidden = cells.some((cell) => cell.dataset.available === 'empty');
const number = new Intl.NumberFormat('en', { maximumFractionDigits: 6 });

function showAccounts({ accounts }) {
  for (const { account, available } of accounts) {
    const cell = cells.find((cell) => cell.dataset.available === account);
    if (cell) cell.textContent = number.format(available);
  }
}

function money(price, currency) {
  const digits = (price.split('.')[1] ?? '').length;
  const form = { style: 'currency', currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat('en', form).format(price);
}

function card({ session, account, price, currency, state, effects, answers }) {
  const buttons = effects.map(({ label, effect }) => {
    const button = make('button', { type: 'button', id: `${session} ${label}` }, label);
    button.addEventListener('click', () => act(session, account, label, effect));
    return button;
  });
  const items = answers.map(({ type, status, at }) => make('li', {}, make('code', {}, type), ` → ${status} `,
    make('span', { className: 'muted' }, shown(Date.parse(at)))));
  const title = make('h3', {}, make('b', {}, account ?? 'no account'), make('span', {}, money(price, currency)),
    make('span', { className: 'muted' }, state));
  const last = answers[0] ? [', the last ', make('code', {}, answers[0].type), ` → ${answers[0].status}`] : [];
  const list = make('details', { open: opened.has(session) }, make('summary', {}, `The webhook answered ${answers.length} events`, ...last),
    make('ul', { className: 'plain' }, ...items));
  list.addEventListener('toggle', () => opened[list.open ? 'add' : 'delete'](session));
  const press = make('div', { className: 'press' }, ...buttons);
  press.setAttribute('role', 'group');
  press.setAttribute('aria-label', `Payment of ${account}`);
  return make('article', { className: 'card', id: session, tabIndex: -1 }, title,
    effects.length ? press : make('p', { className: 'muted' }, 'Nothing more can happen to this payment.'), ...(answers.length ? [list] : []));
}

const opened = new Set();
let payments;
function showPayments(fresh) {
  const text = JSON.stringify(fresh);
  if (text === payments) return;
  payments = text;
  const focused = document.activeElement?.closest('.card') && document.activeElement;
  const cards = (fresh.payments ?? []).map(card);
  const elsewhere = fresh.sells ? 'The real Stripe is used: see its dashboard.' : 'This stack has no Stripe: nothing can be bought.';
  const none = fresh.payments ? 'Nobody has ordered anything yet: open an account and buy a pack.' : elsewhere;
  $('payment-list').replaceChildren(...(cards.length ? cards : [make('p', { className: 'muted' }, none)]));
  // The button that was pressed may be gone: then its card has the focus.
  if (focused) ($(focused.id) ?? $(focused.closest('.card').id))?.focus();
}

async function act(session, account, label, effect) {
  const done = await post(`/_local/stripe/${session}`, effect).catch(() => SILENT);
  say('payments', done.ok ? `${account}: ${label}: done.` : done.body.detail, !done.ok);
  await look();
}

let after = 0;
function showEvents({ events }) {
  if (events.length === 0) return;
  after = events.at(-1).number;
  const rows = events.slice(-MAX_EVENTS).reverse().map(({ number, event }) => {
    const { account = '', at, credits } = event.detail ?? {};
    const kind = make('code', { className: 'kind' }, event['detail-type']);
    const when = make('span', { className: 'muted' }, at ? shown(Date.parse(at)) : `number ${number}`);
    const amount = credits === undefined ? '' : `${credits} credits`;
    return make('li', {}, make('details', {}, make('summary', {}, kind, make('b', {}, account), amount, ' ', when),
      make('pre', {}, JSON.stringify(event, null, 2))));
  });
  $('event-list').querySelector('p')?.parentElement.remove();
  $('event-list').prepend(...rows);
  while ($('event-list').children.length > MAX_EVENTS) $('event-list').lastElementChild.remove();
}
$('event-list').append(make('li', {}, make('p', { className: 'muted' }, 'Nothing was announced yet.')));

$('run-audit').addEventListener('click', async () => {
  $('run-audit').disabled = true;
  say('audit', 'Reading every account …');
  const { ok, body } = await post('/_local/start/audit', {}).catch(() => SILENT);
  const found = (body.differences ?? []).length;
  say('audit', ok ? `${body.seen} accounts, ${found} differences.` : body.detail, !ok || found > 0);
  $('differences').replaceChildren(...(body.differences ?? []).map((text) => make('li', {}, text)));
  $('run-audit').disabled = false;
  $('run-audit').focus();
});

function operation({ method, path, summary, curl, note }) {
  const copy = make('button', { type: 'button', ariaLabel: `Copy the curl of ${method} ${path}` }, 'Copy');
  copy.addEventListener('click', async () => {
    const copied = await navigator.clipboard.writeText(curl).then(() => true, () => false);
    say('contract', copied ? `Copied: ${method} ${path}` : 'The browser does not allow this page to copy.', !copied);
  });
  return make('details', {}, make('summary', {}, make('code', { className: 'method' }, method), make('code', {}, path),
    make('span', { className: 'muted' }, summary)), make('pre', {}, curl), ...(note ? [make('p', { className: 'muted' }, note)] : []), copy);
}

async function loadContract() {
  const { operations } = await get('/_local/start/contract');
  $('operation-list').replaceChildren(...operations.map(operation));
}
$('load-contract').addEventListener('click', async () => {
  await loadContract();
  say('contract', 'The curls have fresh keys.');
});

async function look() {
  const [clock, ...shownNow] = await Promise.all([
    get('/_local/clock'), get('/_local/start/accounts'), get('/_local/start/payments'), get(`/_local/events?after=${after}`),
  ]);
  [read, readAt] = [Date.parse(clock.now), performance.now()];
  [showAccounts, showPayments, showEvents].forEach((show, n) => show(shownNow[n]));
}

/** Looks again and again while somebody looks; a stack that was stopped is tried again. */
let silent = false;
async function follow() {
  if (document.visibilityState === 'visible') {
    const answers = await look().then(() => true, () => false);
    if (!answers) say('clock', SILENT.body.detail, true);
    // Started again, it counts its events from 1.
    else if (silent) [after] = [0, say('clock', 'The stack answers again.')];
    silent = !answers;
  }
  setTimeout(follow, EVERY_MS);
}

setInterval(tick, 250);
tick();
follow();
loadContract();
