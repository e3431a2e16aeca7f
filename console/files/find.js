// The search for an account, with results as they are typed.
import { get, query } from './api.js';
import { openAccount } from './actions.js';
import { $, beside, gateOf, hrefOf, make, named, onward, problem, tag, theirs } from './dom.js';
import t from './en.js';
import { number, say } from './say.js';

/** The wait after a key before the server is asked, in ms. */
const PAUSE = 150;
const LIMIT = 20;
/** How many answers without an account are read at once. */
const MAX_TRIES = 20;

/** What the select shows, and the parameters of each. */
const SHOWS = { all: {}, debt: { debt: true }, account_frozen: { gate: 'account_frozen' }, plan_required: { gate: 'plan_required' }, debt_outstanding: { gate: 'debt_outstanding' } };

function row({ account, name, labels, plan, gate, debt }) {
  return make('li', {}, make('a', { href: hrefOf(account) },
    make('strong', {}, theirs(account)), name && beside(theirs(name)), labels.map((text) => tag(theirs(text)))),
  make('span', { className: 'muted' }, named(plan), gate !== 'open' && beside(make('span', { className: 'warn' }, gateOf(gate))),
    debt !== '0' && beside(make('span', { className: 'warn' }, say('in_debt', { credits: number(debt) })))));
}

/** The view: the results of the search field, and of the select. */
export function find(opened) {
  const rows = make('ul', { className: 'results', id: 'results' });
  const said = make('p', { role: 'status', className: 'muted' });
  const show = make('select', { id: 'show', onchange: () => read() }, Object.keys(SHOWS).map((name) => make('option', { value: name }, t[`show_${name}`])));
  const more = onward(t.more, () => read(true));
  let [asked, cursor, running, timer] = [null, null, null, null];

  /** Whether the rows are now those that were asked for. */
  async function read(goesOn = false) {
    // Only the newest answer counts.
    running?.abort();
    const mine = (running = new AbortController());
    if (!goesOn) [asked, cursor] = [{ q: $('search').value.trim(), ...SHOWS[show.value], limit: LIMIT }, null];
    const fresh = [];
    try {
      // One answer looks at some accounts only, and may have found none among them.
      for (let tried = 0; tried < MAX_TRIES && (tried === 0 || (cursor && !fresh.length)); tried += 1) {
        const listing = await get(query('/v1/accounts', { ...asked, cursor }), mine.signal);
        if (mine !== running) return false;
        fresh.push(...listing.accounts.map(row));
        cursor = listing.next_cursor ?? null;
      }
      if (!goesOn) rows.replaceChildren();
      rows.append(...fresh);
      const n = rows.children.length;
      said.textContent = n === 0 && !cursor ? t.found_none : say(cursor ? 'found_more' : 'found', { n });
      if (goesOn) fresh[0]?.querySelector('a').focus();
    } catch (failure) {
      if (mine !== running || failure.name === 'AbortError') return false;
      rows.replaceChildren();
      cursor = null;
      said.replaceChildren(problem(failure));
    }
    more.hidden = !cursor;
    return true;
  }

  rows.addEventListener('keydown', (event) => {
    const links = [...rows.querySelectorAll('a')];
    const place = links.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    (place + step < 0 ? $('search') : links[Math.min(place + step, links.length - 1)]).focus();
  });

  read();
  return {
    shown: make('div', {}, make('h1', { className: 'heard', tabIndex: -1 }, t.accounts),
      make('div', { className: 'over' }, said, make('p', { className: 'filter' }, make('label', { for: 'show' }, t.show), show, make('button', { type: 'button', onclick: () => openAccount(opened) }, t.open_account))),
      rows, make('p', {}, more)),
    /** The text of the search field changed. */
    typed() {
      clearTimeout(timer);
      // What is read is no longer what is asked for.
      running?.abort();
      running = null;
      timer = setTimeout(read, PAUSE);
    },
    /** Goes to the first result, once the text that was typed has its results. */
    async enter() {
      clearTimeout(timer);
      if ((await read()) && rows.isConnected) rows.querySelector('a')?.click();
    },
    down: () => rows.querySelector('a')?.focus(),
  };
}
