// What an account executive can do, each in a dialog.
import { get, of } from './api.js';
import { complain, field, open, words } from './dialog.js';
import { at, make } from './dom.js';
import t from './en.js';
import { number, say } from './say.js';

const DAY_MS = 86_400_000;
/** Where the return address is kept, so that it is typed once. */
const RETURN = 'return_url';

/** A change that asks for the reason and the message only. */
function reasoned(name, path, { text, values = {}, done, after }) {
  open({
    title: say(`${name}_title`, values),
    text: text ?? say(`${name}_text`, values),
    fields: words(),
    change: ({ reason, message }) => ({ path, body: { reason, message } }),
    label: () => t[`${name}_do`],
    done: done ?? (() => say(`${name}_done`, values)),
    after,
  });
}

export const freeze = (account, after) => reasoned('freeze', of(account, '/freeze'), { values: { account }, after });
export const unfreeze = (account, after) => reasoned('unfreeze', of(account, '/unfreeze'), { values: { account }, after });

export function waive(account, debt, after) {
  reasoned('waive', of(account, '/debt/waive'), { values: { account, credits: number(debt) }, after });
}

export function revoke(account, { id, remaining }, after) {
  reasoned('revoke', of(account, `/grants/${encodeURIComponent(id)}/revoke`), {
    values: { account, credits: number(remaining) },
    done: ({ credits }) => say('revoke_done', { account, credits: number(credits) }),
    after,
  });
}

/** `verdict`: release or dismiss. */
export function decide(verdict, payment, after) {
  reasoned(verdict, `/v1/payments/${encodeURIComponent(payment)}/${verdict}`, { values: { payment }, after });
}

const amount = { name: 'credits', inputMode: 'decimal', required: true, pattern: '[0-9]+([.][0-9]{1,6})?' };

export function grant(account, after) {
  open({
    title: say('grant_title', { account }),
    fields: [
      field({ ...amount, text: t.grant_credits }),
      field({ name: 'kind', text: t.grant_kind, options: [['manual', t.grant_manual], ['promotional', t.grant_promotional]], value: 'manual' }),
      field({ name: 'until', text: t.grant_until, type: 'date' }),
      ...words(),
      field({ name: 'reference', text: t.grant_reference, maxLength: 64 }),
    ],
    change: ({ credits, kind, until, reason, message, reference }) => {
      // Usable on its last day: expired at the first instant of the next.
      const ends = until && new Date(Date.parse(until) + DAY_MS).toISOString();
      return { path: of(account, '/grants'), body: { credits, kind, expires_at: ends, reason, message, reference } };
    },
    label: ({ credits }) => say('grant_do', { credits: number(credits) }),
    done: ({ credits }) => say('grant_done', { account, credits: number(credits) }),
    after,
  });
}

export function refund(account, { id, seq }, charged, after) {
  open({
    title: say('refund_title', { account }),
    text: say('refund_text', { seq, credits: number(charged) }),
    fields: [field({ ...amount, text: t.grant_credits, value: charged }), ...words()],
    change: ({ credits, reason, message }) => ({ path: of(account, `/debits/${id}/refund`), body: { credits, reason, message } }),
    label: ({ credits }) => say('refund_do', { credits: number(credits) }),
    done: ({ returned }) => say('refund_done', { account, credits: number(returned) }),
    after,
  });
}

const STATUSES = ['active', 'trialing', 'past_due', 'canceled'].map((status) => [status, t[`status_${status}`]]);
const plan = (value) => field({ name: 'plan', text: t.plan, hint: t.plan_hint, required: true, value, pattern: '[a-z0-9_]{1,64}' });
const name = (value) => field({ name: 'name', text: t.name, maxLength: 128, value });
const labels = (value) => field({ name: 'labels', text: t.labels, hint: t.labels_hint, value });
/** The labels of a text with commas between them. */
const split = (text = '') => text.split(',').map((label) => label.trim()).filter(Boolean);

/** Opens a dialog about the account as it is now: the page may be older, and would undo a change. */
async function withNow(account, opened) {
  const view = location.hash;
  try {
    const now = await get(of(account));
    if (location.hash === view) opened(now);
  } catch (failure) {
    complain(failure);
  }
}

export const replan = (account, after) => withNow(account, (now) => {
  open({
    title: say('replan_title', { account }),
    text: t.replan_text,
    fields: [
      plan(now.plan),
      field({ name: 'status', text: t.status, options: STATUSES, value: now.status }),
      field({ name: 'restart', text: t.restart, type: 'checkbox' }),
    ],
    change: ({ plan, status, restart }) => ({ method: 'PUT', path: of(account), body: { plan, status, restart: restart ? true : undefined } }),
    label: () => t.replan_do,
    done: () => say('replan_done', { account }),
    after,
  });
});

export const edit = (account, after) => withNow(account, (now) => {
  open({
    title: say('edit_title', { account }),
    text: t.edit_text,
    fields: [name(now.name ?? ''), labels(now.labels.join(', '))],
    change: ({ name = '', labels }) => ({ method: 'PUT', path: of(account), body: { name, labels: split(labels) } }),
    label: () => t.edit_do,
    done: () => say('edit_done', { account }),
    after,
  });
});

export function openAccount(after) {
  open({
    title: t.open_title,
    text: t.open_text,
    fields: [field({ name: 'account', text: t.account, hint: t.account_hint, required: true, maxLength: 128 }), plan('free'), name(''), labels('')],
    change: ({ account, plan, name, labels }) => {
      const listed = split(labels);
      return { method: 'PUT', path: of(account), body: { plan, name, labels: listed.length ? listed : undefined } };
    },
    label: () => t.open_do,
    done: ({ account }) => say('open_done', { account }),
    // Nothing is given if it is not known whether it was opened.
    after: (receipt) => receipt && after(receipt.account),
  });
}

export function session(account, after) {
  open({
    title: say('session_title', { account }),
    text: t.session_text,
    previews: false,
    fields: [
      field({ name: 'subject', text: t.session_subject, required: true, maxLength: 64 }),
      field({ name: 'return_url', text: t.session_return, type: 'url', required: true, maxLength: 512, value: localStorage.getItem(RETURN) ?? '' }),
      field({ name: 'buy', text: t.session_buy, type: 'checkbox' }),
    ],
    change: ({ subject, return_url: back, buy }) => {
      localStorage.setItem(RETURN, back);
      return { path: of(account, '/sessions'), body: { subject, return_url: back, scopes: buy ? ['view', 'buy'] : ['view'] } };
    },
    label: () => t.session_do,
    shows: ({ url, expires_at: ends }) => {
      const link = make('input', { id: 'session-link', readOnly: true, value: url });
      const said = make('span', { role: 'status' });
      const copy = make('button', { type: 'button', id: 'copy', onclick: async () => {
        link.select();
        // Without the clipboard's permission the link is selected, to be copied by hand.
        await navigator.clipboard.writeText(url).then(() => { said.textContent = t.copied; }, () => {});
      } }, t.copy);
      return [make('p', { className: 'field' }, make('label', { for: 'session-link' }, say('session_link', { time: at(ends, 'clock').textContent })), link), make('p', { className: 'buttons' }, copy, said)];
    },
    after,
  });
}
