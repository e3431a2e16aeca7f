// The history of the page: older entries are loaded in place, and stay when newer ones arrive.

const rowsOf = (ledger) => [...ledger.querySelectorAll('tbody tr')];
/** The number of a row's entry. */
const seqOf = (row) => Number(row.querySelector('[data-seq]').dataset.seq);

/** Shows what a link to older entries leads to below those that are shown, and focuses the first. */
export async function loadOlder(event, read, localize) {
  // Another tab or window was asked for.
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const link = event.currentTarget;
  if (link.ariaBusy) return;
  link.ariaBusy = 'true';
  const text = await (await read(link.getAttribute('href'))).text();
  // A refresh has replaced the history meanwhile: the link of the new one continues it.
  if (!link.isConnected) return document.querySelector('#ledger #older')?.click();
  const next = new DOMParser().parseFromString(text, 'text/html').getElementById('ledger');
  localize(next);
  const ledger = document.getElementById('ledger');
  const rows = rowsOf(next);
  ledger.querySelector('tbody').append(...rows);
  ledger.dataset.more = '';
  endAs(ledger, next);
  const spot = rows[0] ?? ledger.querySelector('#older') ?? ledger;
  if (spot.tabIndex < 0) spot.tabIndex = -1;
  spot.focus({ preventScroll: true });
}

/** Keeps in a fresh history the older entries of the one before. */
export function keepOlder(old, fresh) {
  const [loaded, shown] = [rowsOf(old), rowsOf(fresh)];
  if (!('more' in old.dataset) || !shown.length) return;
  const last = seqOf(shown.at(-1));
  // So many entries are new that others are missing between the two.
  if (seqOf(loaded[0]) < last) return;
  fresh.querySelector('tbody').append(...loaded.filter((row) => seqOf(row) < last));
  fresh.dataset.more = '';
  endAs(fresh, old);
}

/** Gives a history the link to older entries that another one has. */
function endAs(ledger, other) {
  const [own, next] = [ledger, other].map((history) => history.querySelector('#older'));
  if (own && next) own.replaceWith(next);
  else own?.remove();
}
