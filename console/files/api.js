// Requests to the API. `scrip console` signs them; the local stack answers them as they are.
import t from './en.js';
import { say, sync } from './say.js';

/** The token in the address that `scrip console` printed. It leaves the address at once. */
const SLOT = 'token';
function takeToken() {
  const printed = /^#token=([0-9a-f]+)$/.exec(location.hash);
  if (!printed) return false;
  sessionStorage.setItem(SLOT, printed[1]);
  history.replaceState(null, '', '#/');
  return true;
}
takeToken();
// A console that was started again on the same port, perhaps for another stack: a new page.
addEventListener('hashchange', () => takeToken() && location.reload());

/** A refusal or an error, in words. `unknown`: a change may or may not have happened. */
export class Problem extends Error {
  constructor({ title, detail, fields, code, status = 0, request, unknown = false }) {
    super(detail);
    Object.assign(this, { title, detail, fields, code, status, request, unknown });
  }
}

/** The problem in an answer that is no success. */
async function problemOf(reply) {
  const { status } = reply;
  const request = reply.headers.get('x-scrip-request');
  const body = await reply.json().catch(() => ({}));
  // 408 and 429: the gateway did not pass it on, and does later.
  const unknown = status >= 500 || status === 408 || status === 429;
  const words = { status, code: body.code, request, unknown };
  if (body.code === 'console_token') return new Problem({ ...words, title: t.token_title, detail: t.token_text });
  if (body.code === 'console_unreachable') return new Problem({ ...words, title: t.unreachable_title, detail: say('unreachable_text', { cause: body.detail }) });
  if (body.code) return new Problem({ ...words, title: body.title, detail: body.detail, fields: body.fields });
  // Answers of the gateway have no code.
  if (status === 403) return new Problem({ ...words, title: t.denied_title, detail: t.denied_text });
  if (status === 404) return new Problem({ ...words, title: t.no_route_title, detail: t.no_route_text });
  if (status === 429) return new Problem({ ...words, title: t.throttled_title, detail: t.throttled_text });
  return new Problem({ ...words, title: t.failed_title, detail: say('failed_text', { status }) });
}

/** The answer to a request: its JSON. */
async function ask(path, options = {}) {
  const token = sessionStorage.getItem(SLOT);
  const headers = { Accept: 'application/json', ...(token && { 'Scrip-Console': token }), ...options.headers };
  let reply;
  try {
    reply = await fetch(path, { cache: 'no-store', ...options, headers });
    sync(reply.headers.get('date'));
    if (!reply.ok) throw await problemOf(reply);
    return await reply.json();
  } catch (error) {
    if (error instanceof Problem || error.name === 'AbortError') throw error;
    throw new Problem({ title: t.offline_title, detail: t.offline_text, unknown: true });
  }
}

/** The address of a route of an account. */
export const of = (account, route = '') => `/v1/accounts/${encodeURIComponent(account)}${route}`;

/** A path with these parameters; those without a value are left out. */
export function query(path, parameters) {
  const kept = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== null && value !== '');
  // A `+` is a space in forms only.
  const text = new URLSearchParams(kept).toString().replaceAll('+', '%20');
  return text ? `${path}?${text}` : path;
}

export const get = (path, signal) => ask(path, { signal });

/** Sends a change. The same key sent again never does it twice. */
export function send({ method = 'POST', path, body, key }) {
  const headers = { 'Content-Type': 'application/json', ...(key && { 'Idempotency-Key': key }) };
  return ask(path, { method, headers, body: JSON.stringify(body) });
}

/** The change without an effect: what it would do now. */
export const rehearse = (change) => send({ ...change, body: { ...change.body, dry_run: true } });

/** Each stack has a slot of its own: another one may have had this port before. */
const PENDING = `pending:${document.body.dataset.stack}`;
/** A change whose outcome is not known. It is kept over a reload, so that it ends as one change. */
export const pending = {
  get: () => JSON.parse(sessionStorage.getItem(PENDING)),
  set: (change) => sessionStorage.setItem(PENDING, JSON.stringify(change)),
  clear: ({ key }) => pending.get()?.key === key && sessionStorage.removeItem(PENDING),
};

/** The waits between tries of a change whose outcome is not known, in ms. */
const WAITS = [500, 1000, 2000, 4000];

/**
 * Carries a change through: sends it again with its key while its outcome is unknown. `doubted`: it
 * was sent before, and may have happened.
 */
export async function carry(change, told, doubted = false) {
  pending.set(change);
  for (const wait of [...WAITS, null]) {
    try {
      const receipt = await send(change);
      pending.clear(change);
      return receipt;
    } catch (error) {
      // Only Scrip itself knows that a change that was sent before has not happened.
      const isKnown = !error.unknown && (!doubted || (error.code && !error.code.startsWith('console_')));
      if (isKnown) pending.clear(change);
      error.unknown = !isKnown;
      if (isKnown || wait === null) throw error;
      doubted = true;
      told();
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}
