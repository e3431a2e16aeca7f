// The ledger of an account, with its filters and its pages.
import { get, of, query } from './api.js';
import { refund } from './actions.js';
import { at, beside, changed, credits, grantKind, make, muted, named, onward, person, problem, section, tag, theirs } from './dom.js';
import t from './en.js';
import { change, number, say } from './say.js';

const LIMIT = 25;
const KINDS = Object.keys(t).filter((name) => name.startsWith('kind_')).map((name) => name.slice('kind_'.length));
const BY = { operator: t.by_operator, service: t.by_service, scrip: t.by_scrip, user: t.by_user_of };
/** The fields of an entry that its details name. */
const DETAILS = ['reference', 'id', 'key', 'hold', 'debit', 'order', 'grant_id', 'expires_at', 'catalog', 'seq'];
/** The credits that a refund of an entry can give back at most, by kind. */
const CHARGED = { debit: ({ available }) => available.replace('-', ''), captured: ({ credits }) => credits };

function who({ by, actor, user }) {
  if (actor) return [person(actor)];
  return user ? [theirs(user)] : [muted(BY[by] ?? t.by_unknown)];
}

/** What an entry did, in short. */
function did(entry) {
  const { kind, action, quantity, model, meters, grant, plan, credits: amount, beyond, uncharged, debt, parts = [], cause } = entry;
  const short = [
    action && (quantity ? say('times', { action: named(action), n: number(quantity) }) : named(action)),
    model && theirs(model),
    meters && counts(meters),
    grant && grantKind(grant),
    plan && named(plan),
    amount && ['captured', 'refunded', 'revoked', 'reversed', 'debt_waived'].includes(kind) && number(amount),
    beyond && say('beyond_hold', { credits: number(beyond) }),
    uncharged && say('left_uncharged', { credits: number(uncharged) }),
    cause && t[`cause_${cause}`],
    ...parts.map(({ cause, kind, credits }) => [t[`cause_${cause}`] ?? cause, kind && grantKind(kind), credits !== '0' && change(credits)].filter(Boolean).join(' ')),
    debt && say('debt_change', { change: change(debt) }),
  ].filter(Boolean);
  return [make('strong', {}, t[`kind_${kind}`] ?? kind), ...short.map((text) => beside(text))];
}

/** What a call of a model consumed, by meter. */
const counts = (meters) => Object.entries(meters).map(([meter, n]) => say('meter', { meter: meter.replaceAll('_', ' '), n: number(n) })).join(', ');

function details(entry) {
  const named = DETAILS.filter((name) => entry[name] !== undefined);
  const value = (name) => (name === 'expires_at' ? at(entry[name]) : theirs(String(entry[name])));
  const people = [['actor', entry.actor], ['user', entry.actor && entry.user]].filter(([, value]) => value);
  return make('details', {}, make('summary', {}, t.details), make('dl', { className: 'more' },
    [...people.map(([name, value]) => [name, theirs(value)]), ...named.map((name) => [name, value(name)])]
      .map(([name, value]) => [make('dt', {}, t[`field_${name}`]), make('dd', {}, value)])));
}

function row(account, entry, after) {
  const { seq, reason, message, available, balance, pending } = entry;
  const charged = CHARGED[entry.kind]?.(entry);
  return make('tr', {},
    make('td', {}, at(entry.at), pending && tag(t.due)),
    make('th', { scope: 'row' }, did(entry),
      reason && make('span', { className: 'line' }, theirs(reason)),
      message && make('span', { className: 'line' }, muted(t.reads), theirs(message)), details(entry)),
    make('td', {}, who(entry)),
    make('td', { className: 'n' }, available !== '0' && changed(available)),
    make('td', { className: 'n' }, credits(balance.available)),
    make('td', {}, charged && charged !== '0' && make('button', {
      type: 'button', className: 'quiet', 'aria-label': say('refund_label', { credits: number(charged), seq }),
      onclick: () => refund(account, entry, charged, after),
    }, t.refund)));
}

const input = (name, text, more = {}) => make('label', {}, text, ' ', make('input', { name, id: `filter-${name}`, autocomplete: 'off', ...more }));

/** The instant at which a day in UTC begins, or the next one, so that the day is included. */
const day = (text, more = 0) => text && new Date(Date.parse(text) + more * 86_400_000).toISOString();

/** The section. */
export function ledger(account, after) {
  const body = make('tbody');
  const none = make('p', { role: 'status' });
  const older = onward(t.older, () => read(true));
  const form = make('form', { className: 'filter', role: 'search', 'aria-labelledby': 'ledger-title', onsubmit: (event) => { event.preventDefault(); read(); } },
    make('label', {}, t.kind, ' ', make('select', { name: 'kind', id: 'filter-kind' }, make('option', { value: '' }, t.filter_all), KINDS.map((kind) => make('option', { value: kind }, t[`kind_${kind}`])))),
    input('action', t.action), input('model', t.model), input('user', t.user), input('from', t.filter_from, { type: 'date' }), input('to', t.filter_to, { type: 'date' }),
    make('button', { id: 'filter-apply' }, t.filter_apply));
  const heads = [[t.when], [t.what], [t.who], [t.change, 'n'], [t.balance, 'n'], [t.act, 'heard']];
  let [filter, cursor, asked] = [null, null, 0];

  async function read(more = false) {
    const mine = (asked += 1);
    if (!more) {
      // What is typed since then counts with the next press of its own button.
      const { from, to, ...rest } = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
      filter = { ...rest, from: day(from), to: day(to, 1), limit: LIMIT };
      cursor = null;
      older.hidden = true;
    }
    none.textContent = t.loading;
    try {
      const listing = await get(query(of(account, '/ledger'), { ...filter, cursor }));
      if (mine !== asked) return;
      if (!more) body.replaceChildren();
      body.append(...listing.entries.map((entry) => row(account, entry, after)));
      cursor = listing.next_cursor;
      none.textContent = body.rows.length === 0 && !cursor ? t.ledger_none : '';
    } catch (failure) {
      if (mine !== asked) return;
      none.replaceChildren(problem(failure));
    }
    older.hidden = !cursor;
  }

  const shown = section('entries', t.ledger, form,
    make('div', { className: 'wide', tabIndex: 0, role: 'group', 'aria-labelledby': 'entries-title' },
      make('table', {}, make('thead', {}, make('tr', {}, heads.map(([text, className = '']) => make('th', { scope: 'col', className: className === 'n' ? 'n' : '' }, className === 'heard' ? make('span', { className }, text) : text)))), body)),
    none, make('p', {}, older));
  form.setAttribute('aria-labelledby', 'entries-title');
  read();
  return shown;
}
