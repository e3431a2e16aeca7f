// How a customer stands: what can be spent, and why it cannot.
import { micro } from './amounts.js';

/** The threshold of the event CreditsLow, in percent. */
const LOW = 20;

/** The customer's own limit that leaves least, if it leaves less than the account has. */
export function own({ available, limits = [] }) {
  const [least] = limits.toSorted((a, b) => (micro(a.left) < micro(b.left) ? -1 : 1));
  return least && micro(least.left) < micro(available) ? least : null;
}

/** The micro-credits that one operation of the customer can take. */
export const usable = (balance) => micro(own(balance)?.left ?? balance.available);

/** All credits of the period, in micro-credits. */
export const total = ({ available, held, consumed }) => micro(available) + micro(held) + micro(consumed.credits);

/** The available percent of all credits of the period. For the eye alone. */
export const share = (balance) => percent(micro(balance.available), total(balance));

/** The percent that is left of the customer's limit, or where it does not matter, of the credits. */
export function level(balance) {
  const limit = own(balance);
  return limit ? percent(micro(limit.left), micro(limit.at_most)) : share(balance);
}

const percent = (part, whole) => (whole > 0n ? Number((part * 10_000n) / whole) / 100 : 0);

/** `open` or `low`, or the one reason why nothing can be spent. */
export function standing(balance) {
  const { gate, available, debt } = balance;
  if (gate !== 'open') return gate;
  if (available === '0') return debt === '0' ? 'empty' : 'debt_outstanding';
  if (own(balance)?.left === '0') return 'limit_reached';
  return level(balance) <= LOW ? 'low' : 'open';
}

export const spendable = (state) => state === 'open' || state === 'low';
