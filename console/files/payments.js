// Payments: those of an account, and those that wait for a person.
import { get, of, query } from './api.js';
import { decide } from './actions.js';
import { $, at, beside, hrefOf, make, muted, onward, person, problem, section, theirs } from './dom.js';
import t from './en.js';
import { money, number, say } from './say.js';

const BOTH = ['release', 'dismiss'];

function row(payment, after, named) {
  const { id, account, state = 'parked', credits: amount, price, currency, at: when, receipt_url: receipt, problem: why, decided } = payment;
  const buttons = state !== 'parked' ? [] : BOTH.map((verdict) => make('button', {
    type: 'button', className: 'quiet', 'aria-label': say(`${verdict}_label`, { payment: id }), onclick: () => decide(verdict, id, after),
  }, t[verdict]));
  return make('li', {},
    make('p', { className: 'title' }, theirs(id), amount && beside(say('pack_of', { credits: number(amount) })), price && beside(money(price, currency))),
    make('p', {}, t[`state_${state}`] ?? state, why && beside(theirs(why)),
      payment.credited && amount !== payment.credited && payment.credited !== '0' && beside(say('credited_of', { credits: number(payment.credited) }))),
    decided && make('p', {}, t[`verdict_${decided.verdict}`] ?? decided.verdict, decided.actor && beside(person(decided.actor)), decided.reason && beside(theirs(decided.reason))),
    make('p', { className: 'buttons' }, named && account && make('a', { href: hrefOf(account) }, theirs(account)), muted(at(when)),
      receipt && make('a', { href: receipt, target: '_blank', rel: 'noopener noreferrer' }, t.receipt), buttons));
}

/** A list of payments with a button for more of them. */
function list(path, parameters, none, after, named) {
  const rows = make('ul', { className: 'payments' });
  const said = make('p', { role: 'status' }, t.loading);
  const more = onward(t.more, read);
  let cursor;
  async function read() {
    try {
      const listing = await get(query(path, { ...parameters, cursor }));
      rows.append(...listing.payments.map((payment) => row(payment, after, named)));
      cursor = listing.next_cursor;
      said.textContent = rows.children.length ? '' : none;
    } catch (failure) {
      said.replaceChildren(problem(failure));
    }
    more.hidden = !cursor;
  }
  read();
  return [rows, said, make('p', {}, more)];
}

export const ofAccount = (account, after) => section('payments', t.payments, list(of(account, '/payments'), {}, t.payments_none, after));

/** The view of what waits for a decision. */
export const parked = (after) => make('div', {}, make('h1', { tabIndex: -1 }, t.payments_decide), make('p', { className: 'muted' }, t.payments_why), list('/v1/payments', { state: 'parked' }, t.payments_clear, after, true));

/** Writes how many wait into the navigation. */
export async function count() {
  const link = $('nav-payments');
  try {
    const listing = await get(query('/v1/payments', { state: 'parked' }));
    const n = listing.payments.length;
    link.textContent = listing.next_cursor ? say('parked_more', { n }) : n ? say('parked', { n }) : t.parked_none;
  } catch {
    // The view itself says why.
    link.textContent = t.parked_none;
  }
}
