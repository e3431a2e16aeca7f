// The dialog of an action: its fields, what it will do, and that it is done once.
import { carry, pending, rehearse, send } from './api.js';
import { minus } from './amounts.js';
import { $, at, changed, credits, gateOf, grantKind, make, muted, named, problem, problemWords } from './dom.js';
import t from './en.js';
import { say } from './say.js';

/** What a person is told in the page, politely. */
export function announce(text) {
  $('news').replaceChildren(make('p', { className: 'message' }, text));
}

/** A problem outside a dialog. */
export const complain = (failure) => $('news').replaceChildren(problem(failure));

/** How long a preview is on the screen before a press does it, in ms: a double click has not seen it. */
const UNSEEN = 600;

/** A field: a label, an input, and a hint. */
export function field({ name, text, hint, type = 'text', options, value = '', ...more }) {
  const id = `field-${name}`;
  const described = hint && `${id}-hint`;
  const input = options
    ? make('select', { id, name }, options.map(([value, text]) => make('option', { value }, text)))
    : make('input', { id, name, type, autocomplete: 'off', 'aria-describedby': described, ...more });
  if (type === 'checkbox') return make('p', { className: 'check' }, input, make('label', { for: id }, text));
  input.value = value;
  return make('p', { className: 'field' }, make('label', { for: id }, text), input, hint && make('span', { className: 'muted', id: described }, hint));
}

/** The fields that most actions have. */
export const words = () => [
  field({ name: 'reason', text: t.reason, required: true, maxLength: 256 }),
  field({ name: 'message', text: t.message, hint: t.message_hint, maxLength: 256 }),
];

/** The values of a form. A field that is left empty is left out. */
function values(form) {
  const entries = [...new FormData(form)].map(([name, value]) => [name, value.trim()]);
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}

/** What differs between two balances, and what always matters. */
function comparison({ before, after }) {
  // A payment or an event may concern no account.
  if (!after) return make('div', { className: 'preview' }, make('p', {}, t.preview_none));
  const rows = [
    [t.available_credits, 'available'], [t.held, 'held'], [t.debt, 'debt'],
  ].map(([name, field]) => [name, before && credits(before[field]), credits(after[field]), before && before[field] !== after[field] && changed(minus(after[field], before[field]))]);
  const words = [[t.gate, ({ gate }) => gateOf(gate)], [t.plan, ({ plan, status }) => `${named(plan)}, ${t[`status_${status}`].split(':')[0]}`]];
  for (const [name, of] of words) rows.push([name, before && of(before), of(after), '']);
  const old = new Map((before?.grants ?? []).map((grant) => [grant.id, grant]));
  const fresh = new Map(after.grants.map((grant) => [grant.id, grant]));
  for (const id of new Set([...old.keys(), ...fresh.keys()])) {
    const [was, is] = [old.get(id)?.remaining ?? '0', fresh.get(id)?.remaining ?? '0'];
    const { kind, expires_at: ends } = fresh.get(id) ?? old.get(id);
    if (was !== is) rows.push([[grantKind(kind), muted(' · ', ends ? at(ends, 'end') : t.never_ends)], before && credits(was), credits(is), changed(minus(is, was))]);
  }
  const same = before && rows.every(([, , , difference]) => !difference) && words.every(([, of]) => of(before) === of(after));
  return make('div', { className: 'preview' },
    make('h3', { id: 'preview-title' }, t.preview_title),
    !before && make('p', { className: 'muted' }, t.preview_new),
    same && make('p', { className: 'muted' }, t.same),
    make('table', { 'aria-labelledby': 'preview-title' },
      make('thead', {}, make('tr', {}, make('td', {}), ...[before && t.now, t.after, t.change].filter(Boolean).map((head) => make('th', { scope: 'col', className: 'n' }, head)))),
      make('tbody', {}, rows.map(([name, was, is, difference]) => make('tr', {},
        make('th', { scope: 'row' }, ...[name].flat()), before && make('td', { className: 'n' }, was), make('td', { className: 'n' }, is), make('td', { className: 'n' }, difference || ''))))));
}

/**
 * Opens a dialog. `change(values)` is the request without its key. With `previews` the first press
 * shows what will be, and only the second does it. `shows(receipt)` may keep the dialog open with a
 * result; otherwise `done(receipt, values)` is what is told. While the outcome of another change is
 * unknown, none opens.
 */
export function open({ title, text, fields, change, label, done, after, previews = true, shows }) {
  const dialog = $('dialog');
  if (dialog.open) return;
  if (pending.get()) {
    $('unknown').querySelector('button')?.focus();
    return;
  }
  // One key for each dialog: whatever is pressed again is the same change.
  const key = previews ? crypto.randomUUID() : undefined;
  const [said, press, cancel] = [make('div', { 'aria-live': 'polite' }), make('button', { className: 'primary' }), make('button', { type: 'button', onclick: () => dialog.close() }, t.cancel)];
  const form = make('form', { onsubmit: submitted, oninput: edited, onkeydown: pressed },
    make('h2', { id: 'dialog-title' }, title), text && make('p', { className: 'muted' }, text),
    make('div', { className: 'fields' }, fields), said, make('p', { className: 'buttons' }, press, cancel));
  /** The values of the preview that is shown. */
  let previewed = null;
  let [busy, doubted, shownAt] = [false, false, 0];

  function edited() {
    if (busy || doubted) return;
    if (previewed) said.replaceChildren();
    previewed = null;
    press.textContent = previews ? t.preview : label({});
  }

  /** A key that is held down presses once. */
  function pressed(event) {
    if (event.key === 'Enter' && event.repeat) event.preventDefault();
  }

  function hold(is) {
    busy = is;
    // A change that may have happened is sent again as it is, or not at all.
    for (const input of form.querySelectorAll('input, select')) input.disabled = is || doubted;
    press.disabled = is;
    cancel.disabled = is;
  }

  async function submitted(event) {
    event.preventDefault();
    if (busy || (previewed && performance.now() - shownAt < UNSEEN)) return;
    const given = previewed ?? values(form);
    hold(true);
    try {
      if (previews && !previewed) {
        said.replaceChildren(comparison(await rehearse({ ...change(given), key })));
        previewed = given;
        shownAt = performance.now();
        press.textContent = label(given);
      } else {
        said.replaceChildren(make('p', {}, t.sending));
        const asked = change(given);
        const told = () => said.replaceChildren(make('p', {}, t.asking));
        const receipt = previews ? await carry({ ...asked, key, what: title }, told, doubted) : await send(asked);
        if (shows) said.replaceChildren(...shows(receipt));
        else finish(receipt, given);
      }
    } catch (failure) {
      // The browser closes a dialog whose Escape is pressed twice.
      if (!form.isConnected) {
        complain(failure);
        return offer(after);
      }
      doubted = Boolean(previewed) && failure.unknown;
      if (!doubted) previewed = null;
      press.textContent = doubted ? t.again : t.preview;
      if (!previews) press.textContent = label({});
      said.replaceChildren(problem(failure));
    }
    hold(false);
    if (dialog.open) press.focus();
    said.scrollIntoView({ block: 'nearest' });
  }

  function finish(receipt, given) {
    if (form.isConnected) dialog.close();
    else offer(after);
    announce(done(receipt, given));
    after(receipt, given);
  }

  edited();
  dialog.replaceChildren(form);
  dialog.oncancel = (event) => {
    if (busy) event.preventDefault();
  };
  dialog.onclose = () => {
    // It is told late: the next one may be open.
    if (dialog.open) return;
    dialog.replaceChildren();
    offer(after);
  };
  dialog.showModal();
}

/** Offers to send again what has no answer, if there is something. */
export function offer(after) {
  const change = pending.get();
  $('unknown').replaceChildren();
  if (!change) return;
  const words = problemWords({ title: t.unknown_title, detail: say('unknown_text', { what: change.what }) });
  const press = make('button', { type: 'button', onclick: again }, t.again);
  async function again() {
    press.disabled = true;
    let receipt;
    try {
      receipt = await carry(change, () => {}, true);
      announce(say('ended_well', { what: change.what }));
    } catch (failure) {
      complain(failure);
    }
    offer(after);
    after(receipt);
  }
  $('unknown').replaceChildren(make('div', { className: 'message warn', role: 'alert' }, words, press));
}

