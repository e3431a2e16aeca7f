// An account on one screen.
import { edit, freeze, grant, replan, revoke, session, unfreeze, waive } from './actions.js';
import { micro, minus, sum } from './amounts.js';
import { get, of, query } from './api.js';
import { at, beside, credits, facts, gateOf, grantKind, make, muted, named, problem, section, table, tag, theirs } from './dom.js';
import t from './en.js';
import { ledger } from './ledger.js';
import { ofAccount } from './payments.js';
import { number, say, time } from './say.js';

const REVOCABLE = ['manual', 'promotional'];
const button = (text, onclick, more = {}) => make('button', { type: 'button', onclick, ...more }, text);

function head(account, { name, labels = [], plan, status, gate }) {
  return [
    make('h1', { tabIndex: -1 }, theirs(account), name && beside(theirs(name))),
    make('p', { className: 'tags' }, tag(named(plan)), status !== 'active' && tag(t[`status_${status}`].split(':')[0], 'warn'),
      gate !== 'open' && tag(gateOf(gate), 'warn'), labels.map((text) => tag(theirs(text)))),
  ];
}

function buttons(account, balance, after) {
  const frozen = balance.gate === 'account_frozen';
  return make('p', { className: 'buttons', id: 'acts' },
    button(t.grant, () => grant(account, after), { className: 'primary' }),
    button(t.replan, () => replan(account, after)),
    frozen ? button(t.unfreeze, () => unfreeze(account, after)) : button(t.freeze, () => freeze(account, after)),
    balance.debt !== '0' && button(t.waive, () => waive(account, balance.debt, after)),
    button(t.edit, () => edit(account, after)),
    button(t.session, () => session(account, () => {})));
}

function summary({ available, held, debt, consumed, recharge }) {
  return make('section', { id: 'summary', 'aria-label': t.balance },
    make('p', { className: 'number' }, credits(available), ' ', make('span', {}, say('available', { n: available }))),
    facts([
      [t.held, credits(held)],
      [t.debt, make('span', { className: debt === '0' ? '' : 'warn' }, credits(debt))],
      [t.consumed, credits(consumed.credits), ' ', muted(say('consumed_of', { from: time(consumed.from, 'day'), to: time(consumed.until, 'last') }))],
      [t.recharge, recharge ? say('recharge_value', { credits: number(recharge.credits), time: time(recharge.at, 'minute') }) : t.recharge_none],
    ]));
}

function grants(account, { grants }, after) {
  const row = (grant) => [
    grantKind(grant.kind), at(grant.granted_at, 'day'), grant.expires_at ? at(grant.expires_at, 'end') : t.never,
    make('span', {}, credits(grant.remaining), ' ', muted(say('left_of', { credits: number(grant.amount) }))),
    REVOCABLE.includes(grant.kind) ? button(t.revoke, () => revoke(account, grant, after), { className: 'quiet', 'aria-label': say('revoke_label', { credits: number(grant.remaining) }) }) : '',
  ];
  return section('grants', t.grants, make('p', { className: 'muted' }, t.grants_why),
    grants.length ? table('grants-title', [t.kind, t.granted_at, t.expires, `${t.left} #`, make('span', { className: 'heard' }, t.act)], grants.map(row)) : make('p', {}, t.grants_none));
}

/** The holds that are open by these entries: what each set aside and did not give back. */
function openHolds(entries) {
  const holds = new Map();
  for (const entry of [...entries].reverse()) {
    const { kind, id, hold, held, expires_at: ends } = entry;
    if (kind === 'held') holds.set(id, { ...entry, left: held, ends });
    const known = holds.get(hold);
    if (known) {
      known.left = sum([known.left, held]);
      if (kind === 'extended') known.ends = ends;
      if (kind === 'released' || entry.final) holds.delete(hold);
    }
    for (const lapsed of entry.lapsed ?? []) holds.delete(lapsed);
  }
  return [...holds.values()];
}

function holds(account, { held }) {
  const status = make('p', { role: 'status' }, held === '0' ? t.holds_none : t.loading);
  if (held !== '0') list(account, held, status);
  return section('holds', t.holds, make('p', { className: 'muted' }, t.holds_why), status);
}

/** Lists the open holds before `status`. The balance says whether they are all. */
async function list(account, held, status) {
  try {
    const open = openHolds((await get(query(of(account, '/ledger'), { limit: 200 }))).entries);
    const older = minus(held, sum(open.map(({ left }) => left)));
    const row = ({ id, action, model, user, left, ends }) => [make('span', {}, action ? named(action) : t.by_amount, model && beside(theirs(model))), user ? theirs(user) : '', at(ends), make('span', { title: id }, credits(left))];
    if (open.length) status.before(table('holds-title', [t.hold, t.user, t.ends, `${t.credits} #`], open.map(row)));
    status.textContent = micro(older) > 0n ? say('holds_older', { credits: number(older) }) : '';
  } catch (failure) {
    status.replaceChildren(problem(failure));
  }
}

/** The sums of a part of each day: by action, or by user. */
function sums(days, list, of, name) {
  const found = new Map();
  for (const part of days.flatMap((day) => day[list])) {
    const key = of(part);
    const { amounts, count } = found.get(key) ?? { amounts: [], count: 0 };
    found.set(key, { part, amounts: [...amounts, part.credits], count: count + part.count });
  }
  const rows = [...found.values()].map(({ part, amounts, count }) => ({ part, total: sum(amounts), count }));
  rows.sort((a, b) => (micro(b.total) > micro(a.total) ? 1 : -1));
  return rows.map(({ part, total, count }) => [name(part), number(count), credits(total)]);
}

const SVG = 'http://www.w3.org/2000/svg';
const DAY_MS = 86_400_000;

/** A bar for each day, of `[from, to)`. Heights are for the eye; the tables have the numbers. */
function bars({ from, to, days }) {
  const [first, all] = [Date.parse(from), Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS)];
  const most = days.reduce((most, { credits }) => (micro(credits) > most ? micro(credits) : most), 1n);
  const svg = document.createElementNS(SVG, 'svg');
  for (const [name, value] of Object.entries({ class: 'days', viewBox: `0 0 ${all * 10} 100`, preserveAspectRatio: 'none', role: 'img', 'aria-label': t.usage_days })) svg.setAttribute(name, value);
  for (const { day, credits } of days.filter(({ credits }) => micro(credits) > 0n)) {
    const height = Number((micro(credits) * 100n) / most) || 1;
    const bar = document.createElementNS(SVG, 'rect');
    for (const [name, value] of Object.entries({ x: ((Date.parse(day) - first) / DAY_MS) * 10 + 1, y: 100 - height, width: 8, height })) bar.setAttribute(name, value);
    svg.append(bar);
  }
  return svg;
}

function usage(account) {
  const status = make('p', { role: 'status' }, t.loading);
  const shown = section('usage', t.usage, status);
  consumed(account, status, shown);
  return shown;
}

async function consumed(account, status, shown) {
  try {
    const read = await get(of(account, '/usage'));
    const { from, to, credits: total, days } = read;
    if (!days.length) return status.replaceChildren(t.usage_none);
    status.textContent = say('usage_total', { credits: number(total), from: time(`${from}T00:00:00Z`, 'day'), to: time(`${to}T00:00:00Z`, 'last') });
    const who = ({ user, others }) => (others ? t.others : user === null ? t.nobody : theirs(user));
    const part = (id, title, name, rows) => make('div', {}, make('h3', { id }, title), table(id, [name, `${t.count} #`, `${t.credits} #`], rows));
    shown.append(bars(read), make('div', { className: 'columns' },
      part('by-action', t.by_action, t.action, sums(days, 'actions', ({ action }) => action, ({ action }) => named(action))),
      days.some(({ models }) => models.length) && part('by-model', t.by_model, t.model, sums(days, 'models', ({ action, model }) => `${action} ${model}`, ({ model }) => theirs(model))),
      part('by-user', t.by_user, t.user, sums(days, 'users', ({ user, others }) => `${others ?? ''} ${user}`, who))));
  } catch (failure) {
    status.replaceChildren(problem(failure));
  }
}

/** The view. `after` reads it again. `isShown`: whether it is still the view that is shown. */
export async function account(id, place, after, isShown) {
  place.replaceChildren(make('p', { role: 'status' }, t.loading));
  try {
    const [known, balance] = await Promise.all([get(of(id)), get(of(id, '/balance'))]);
    if (!isShown()) return;
    const [left, right] = [make('div'), make('div')];
    left.append(summary(balance), grants(id, balance, after));
    right.append(ofAccount(id, after), holds(id, balance));
    place.replaceChildren(make('div', { className: 'account' },
      head(id, { ...balance, ...known }), buttons(id, balance, after),
      make('div', { className: 'columns wider' }, left, right), ledger(id, after), usage(id)));
  } catch (failure) {
    if (isShown()) place.replaceChildren(make('h1', { tabIndex: -1 }, theirs(id)), problem(failure));
  }
}
