// A product's own screen: see docs/guides/show-credits.md.

const [ai, text, log, said] = ['ai', 'text', 'log', 'said'].map((id) => document.getElementById(id));
const credits = document.querySelector('scrip-credits');
const { account } = document.body.dataset;
const MAX_ENTRIES = 12;

async function post(path, body) {
  const headers = { 'Content-Type': 'application/json' };
  const reply = await fetch(path, { method: 'POST', headers, body: JSON.stringify({ account, ...body }) });
  return { ok: reply.ok, body: await reply.json() };
}

function hear(words) {
  const row = document.createElement('li');
  row.textContent = words;
  log.prepend(row);
  if (log.children.length > MAX_ENTRIES) log.lastElementChild.remove();
}

async function renew() {
  const { ok, body } = await post('/session');
  // As a property it is nowhere in the document.
  if (ok) credits.token = body.token;
  else said.textContent = body.detail;
}

addEventListener('scrip-balance', ({ detail }) => hear(`scrip-balance: ${detail.available} available`));
addEventListener('scrip-exhausted', ({ detail }) => {
  ai.disabled = true;
  hear(`scrip-exhausted: ${detail.why}, the AI button waits`);
});
addEventListener('scrip-restored', ({ detail }) => {
  ai.disabled = false;
  hear(`scrip-restored: no longer ${detail.why}, the AI button works again`);
});
addEventListener('scrip-session', () => {
  hear('scrip-session: the token ended, here is a new one');
  renew();
});

let busy = false;
ai.addEventListener('click', async () => {
  if (busy) return;
  busy = true;
  // One press is one key: sent again it is the same debit.
  const silent = { ok: false, body: { detail: 'The stack does not answer. Try again.' } };
  const { ok, body } = await post('/write', { key: crypto.randomUUID() }).catch(() => silent);
  if (ok) text.value += body.text;
  said.textContent = ok ? '' : body.detail;
  busy = false;
  // Says whether there is another credit: if not, its event disables the button.
  credits.refresh();
});

renew();
