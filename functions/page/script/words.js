// What the elements say about a balance, in the language of their page.
import { format } from './format.js';
import { own, standing } from './standing.js';
import { tables } from './texts.js';

const spoken = new Map();

/**
 * The texts for an element: in the language of its `locale`, else of the page around it, else of
 * the browser; the first that there is. Numbers and dates are of the region that `locale` names,
 * else of the browser's.
 */
export function speak(element) {
  const named = canonical(element.getAttribute('locale'));
  const around = element.closest('[lang]') ?? document.documentElement;
  const tags = [...named, ...canonical(around.lang), ...navigator.languages];
  const language = tags.flatMap((tag) => [tag, tag.split('-')[0]]).find((tag) => tag in tables) ?? 'en';
  const key = `${language} ${named}`;
  if (!spoken.has(key)) spoken.set(key, words(tables[language], [...named, ...navigator.languages]));
  return spoken.get(key);
}

/** The language tag as a list; empty if there is none, or it is not well-formed. */
function canonical(tag) {
  try {
    return tag ? Intl.getCanonicalLocales(tag) : [];
  } catch {
    return [];
  }
}

function words(t, tags) {
  const { label, number, say, time } = format(t, tags);

  /** What is left of the customer's limit, if that is less than the account has. */
  function mine(balance) {
    const limit = own(balance);
    return limit && say('widget_limit', { left: number(limit.left) });
  }

  const faces = {
    open: (balance) => mine(balance) ?? counted('widget_short', balance.available),
    low: (balance) => mine(balance) ?? counted('widget_low', balance.available),
    limit_reached: () => t.widget_limit_reached,
    empty: () => t.widget_empty,
    account_frozen: () => t.widget_frozen,
    plan_required: () => t.widget_plan,
    debt_outstanding: ({ debt }) => say('widget_debt', { n: debt, credits: number(debt) }),
  };

  /** A text with one amount of credits. */
  const counted = (name, credits) => say(name, { n: credits, available: number(credits), credits: number(credits) });

  /** What is left of a limit, and when it starts again. */
  function limited({ at_most: most, per, left, resets_at: at }) {
    const text = say('limit_text', { left: number(left), credits: number(most), per: t[`per_${per}`] });
    return at ? `${text} ${t.limit_again} ${time(at, 'soon')}.` : text;
  }

  return {
    t, counted, label, limited, number, say, time,

    /** The text on the button. */
    face: (balance) => faces[standing(balance)](balance),

    /** The notices about an account beside its numbers: each a title, and perhaps a text. */
    notes(balance) {
      const { gate, available, debt, status } = balance;
      const limit = gate === 'open' ? own(balance) : null;
      const owed = counted('debt_text', debt);
      return [
        gate === 'account_frozen' && [t.frozen_title, t.frozen_text],
        gate === 'plan_required' && [t.plan_title, t.plan_text],
        debt !== '0' && [t.debt_title, gate === 'debt_outstanding' ? `${owed} ${t.debt_gate}` : owed],
        gate === 'open' && available === '0' && [t.empty_title, t.empty_text],
        limit?.left === '0' && [t.limit_reached_title, limited(limit)],
        standing(balance) === 'low' && [t.low_title],
        status === 'past_due' && [t.past_due_title, t.past_due_text],
      ].filter(Boolean);
    },

    /** When credits come back automatically. */
    back({ recharge }) {
      if (!recharge) return t.recharge_none;
      return `${counted('recharge', recharge.credits)}: ${time(recharge.at, 'soon')}.`;
    },
  };
}
