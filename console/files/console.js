// The console's views, by the address, and its keys.
import { account } from './account.js';
import './api.js';
import { offer } from './dialog.js';
import { $, hrefOf } from './dom.js';
import t from './en.js';
import { find } from './find.js';
import { count, parked } from './payments.js';
import { say } from './say.js';

const [place, search] = [$('view'), $('search')];
/** The view of the search, while it is shown. */
let finding = null;
/** How many views were shown: an answer for an earlier one is dropped. */
let shown = 0;

const FIND = '#/';
const PAYMENTS = '#/payments';

/** Shows the view of the address. `moves`: the focus goes to its heading. */
async function show(moves) {
  const mine = (shown += 1);
  const [, name, id] = /^#\/(\w*)(?:\/(.*))?$/.exec(location.hash) ?? [];
  finding = null;
  for (const [link, is] of [['nav-accounts', name !== 'payments'], ['nav-payments', name === 'payments']]) {
    if (is) $(link).setAttribute('aria-current', 'page');
    else $(link).removeAttribute('aria-current');
  }
  if (name === 'account' && id) {
    await account(decodeURIComponent(id), place, again, () => mine === shown);
  } else if (name === 'payments') {
    place.replaceChildren(parked(again));
  } else {
    finding = find((opened) => { location.hash = hrefOf(opened); });
    place.replaceChildren(finding.shown);
  }
  const heading = place.querySelector('h1');
  document.title = heading && name ? `${heading.textContent} · ${t.title}` : t.title;
  if (moves && mine === shown) heading?.focus();
}

/** Reads the view again after a change, and keeps the focus near. */
function again() {
  count();
  show(true);
}

function filled() {
  document.title = t.title;
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t[node.dataset.t];
  search.placeholder = t.search_hint;
  $('nav').ariaLabel = t.nav;
  const { stack } = document.body.dataset;
  $('stack').textContent = stack && say('stack', { stack });
}

search.addEventListener('input', () => {
  if (finding) return finding.typed();
  history.pushState(null, '', FIND);
  show(false);
});
search.addEventListener('keydown', (event) => {
  if (event.key === 'ArrowDown') {
    event.preventDefault();
    finding?.down();
  }
  if (event.key === 'Enter') {
    event.preventDefault();
    finding?.enter();
  }
  if (event.key === 'Escape' && search.value) {
    event.preventDefault();
    search.value = '';
    finding?.typed();
  }
});
document.addEventListener('keydown', (event) => {
  // Nothing begins with it: in the empty search it only means the search, as everywhere.
  const begins = event.target === search && !search.value;
  const typing = (event.target.matches('input, select, textarea') && !begins) || $('dialog').open;
  if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  search.select();
  search.focus();
});
addEventListener('hashchange', () => {
  $('news').replaceChildren();
  show(true);
});

filled();
$('nav-accounts').href = FIND;
$('nav-payments').href = PAYMENTS;
offer(again);
count();
show(false);
if (!location.hash || location.hash === FIND) search.focus();
