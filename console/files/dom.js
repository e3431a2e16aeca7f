// Elements, made so that a text of a customer or a caller is always a text and never markup.
import t from './en.js';
import { change, label, number, say, time } from './say.js';

export const $ = (id) => document.getElementById(id);

/** An element. A property named `on…` listens; one with a `-` is an attribute. */
export function make(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name.includes('-') || name === 'for' || name === 'role' || name === 'list') made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return made;
}

/** The address of an account's view. */
export const hrefOf = (account) => `#/account/${encodeURIComponent(account)}`;

/** A text that somebody outside wrote, in its own direction of writing. */
export const theirs = (text) => make('bdi', {}, text);

/** The last part of a principal: a person's session, or a user's name. */
export const person = (principal) => make('span', { title: principal }, theirs(principal.split('/').at(-1)));

/** Credits, with their exact value. */
export const credits = (value) => make('data', { value }, number(value));
export const changed = (value) => make('data', { value }, change(value));

/** An instant, in the reader's zone. */
export const at = (text, style = 'minute') => make('time', { dateTime: text, title: text }, time(text, style));

export const muted = (...children) => make('span', { className: 'muted' }, ...children);
/** A further part of a line, after a dot. */
export const beside = (...children) => [' ', make('span', { className: 'of' }, ...children)];
export const tag = (text, tone = '') => make('span', { className: `tag ${tone}` }, text);

/** A button for what follows. It works again once that is read: no page is appended twice. */
export function onward(text, read) {
  const button = make('button', { type: 'button', hidden: true, onclick: async () => {
    button.disabled = true;
    await read();
    button.disabled = false;
    if (document.activeElement === document.body) button.focus();
  } }, text);
  return button;
}

/** A list of names with their values. A value of nothing is left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== undefined && value !== null && value !== false);
  return make('dl', { className: 'facts' }, shown.map(([name, ...value]) => make('div', {}, make('dt', {}, name), make('dd', {}, ...value))));
}

/** A table that scrolls by itself where it is too wide. `heads` ending with ` #` are numbers. */
export function table(labelledby, heads, rows) {
  const numeric = heads.map((head) => typeof head === 'string' && head.endsWith(' #'));
  const head = make('tr', {}, heads.map((text, n) => make('th', { scope: 'col', className: numeric[n] ? 'n' : '' }, numeric[n] ? text.slice(0, -2) : text)));
  const line = (cells) => make('tr', {}, cells.map((cell, n) => make(n === 0 ? 'th' : 'td', { scope: n === 0 ? 'row' : undefined, className: numeric[n] ? 'n' : '' }, cell)));
  return make('div', { className: 'wide', tabIndex: 0, role: 'group', 'aria-labelledby': labelledby },
    make('table', {}, make('thead', {}, head), make('tbody', {}, rows.map(line))));
}

/** A section with a heading. */
export function section(id, title, ...children) {
  return make('section', { id, 'aria-labelledby': `${id}-title` }, make('h2', { id: `${id}-title` }, title), ...children);
}

/** The name of an action, a plan or a kind of grant. An action of null is credits by amount. */
export const named = (name) => (name === null ? t.by_amount : label(name));
export const grantKind = (kind) => t[`grant_${kind}`] ?? label(kind);
export const gateOf = (gate) => t[`gate_${gate}`] ?? label(gate);

/** A problem in words, with the id by which the logs know the request. */
export function problem(failure) {
  return make('div', { className: 'message warn', role: 'alert' }, problemWords(failure));
}

/** The parts of such a message. */
export function problemWords({ title, detail, fields = [], request }) {
  return [
    make('p', { className: 'title' }, title),
    make('p', {}, detail),
    fields.length > 0 && make('ul', {}, fields.map(({ field, problem, did_you_mean: near }) => make('li', {},
      make('code', {}, field), ' ', theirs(problem), near && ` ${say('did_you_mean', { near })}`))),
    request && make('p', { className: 'muted' }, `${t.request} `, make('code', {}, request)),
  ].filter(Boolean);
}
