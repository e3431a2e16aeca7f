// Texts, numbers and times in the customer's own format.
import { now } from './clock.js';

// Instants are in the customer's zone, and name it. Days are in UTC in every zone: they, or the
// text around them, say so.
const DAY = { day: 'numeric', month: 'short', year: 'numeric' };
const CLOCK = { hour: '2-digit', minute: '2-digit', timeZoneName: 'short' };
const STYLES = {
  soon: { weekday: 'short', day: 'numeric', month: 'short', ...CLOCK },
  minute: { ...DAY, ...CLOCK },
  clock: CLOCK,
  month: { month: 'long', year: 'numeric', timeZone: 'UTC' },
};
const DAY_MS = 86_400_000;

/**
 * The functions that write texts of the table `t`, numbers and times as its language does. `tags`:
 * the languages of the customer.
 */
export function format(t, tags = navigator.languages) {
  // The customer's region of our language, if there is one: en-GB writes dates unlike en-US.
  const locale = tags.find((tag) => tag.split('-')[0] === t.lang) ?? t.lang;
  const plural = new Intl.PluralRules(t.lang);
  const decimal = new Intl.NumberFormat(locale, { maximumFractionDigits: 6 });
  const hundredths = new Intl.NumberFormat(locale, { maximumFractionDigits: 2, roundingMode: 'trunc' });
  const signed = new Intl.NumberFormat(locale, { maximumFractionDigits: 6, signDisplay: 'exceptZero' });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });

  /** A text with its values filled in. `n` selects singular or plural. */
  function say(name, values = {}) {
    const entry = t[name];
    const text = typeof entry === 'string' ? entry : entry[plural.select(Number(values.n ?? values.available ?? values.credits))] ?? entry.other;
    return text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
  }

  /** An amount of credits. A decimal string is formatted exactly, never as a float. */
  const number = (value) => decimal.format(value);
  /** The same in a summary: two decimals at most, but all of what is less than a hundredth. */
  const about = (value) => (/^-?0\.00/.test(value) ? decimal : hundredths).format(value);
  const change = (value) => signed.format(value);

  /** A price, given in whole units of its currency as a decimal string. */
  function money(value, currency) {
    const digits = (value.split('.')[1] ?? '').length;
    const form = { style: 'currency', currency, minimumFractionDigits: digits, maximumFractionDigits: digits };
    return new Intl.NumberFormat(locale, form).format(value);
  }

  /** The name of an action or a plan, in the form that a person reads. */
  function label(name) {
    const words = name.replaceAll('_', ' ');
    return words.charAt(0).toLocaleUpperCase(t.lang) + words.slice(1);
  }

  /**
   * An instant. Where it begins ("day"; "tick", without its year) or ends ("last"; "end", which names UTC) with a day in UTC,
   * it is shown as that day: credits that expire at its first instant can be used up to the day
   * before. Otherwise it is shown with its time.
   */
  function time(text, style) {
    const at = new Date(text);
    if (!(style in STYLES) && at % DAY_MS === 0) {
      const timeZoneName = style === 'end' ? 'short' : undefined;
      const year = style === 'tick' ? undefined : DAY.year;
      const form = new Intl.DateTimeFormat(locale, { ...DAY, year, timeZone: 'UTC', timeZoneName });
      return form.format(at - (['day', 'tick'].includes(style) ? 0 : 1));
    }
    const shown = new Intl.DateTimeFormat(locale, STYLES[style] ?? STYLES.minute).format(at);
    return style === 'soon' ? `${shown} (${until(at).replaceAll(' ', '\u00a0')})` : shown;
  }

  /** The time until an instant, in its largest unit: "in 3 days". */
  function until(at) {
    const s = Math.round((at - now()) / 1000);
    for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
      if (Math.abs(s) >= size) return relative.format(Math.round(s / size), unit);
    }
    return relative.format(s, 'second');
  }

  return { about, change, label, money, number, say, time, until };
}
