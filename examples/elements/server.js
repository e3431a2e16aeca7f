// A product on an origin of its own: its pages, a route that makes sessions, and one that charges.
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const STACK = 'http://127.0.0.1:3000';
const HERE = 'http://127.0.0.1:8080';
const ACCOUNT = `${STACK}/v1/accounts/acme`;

async function ask(method, path, body) {
  // A product sends the same key again if it gets no answer.
  const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': randomUUID() };
  const reply = await fetch(`${ACCOUNT}${path}`, { method, headers, body: JSON.stringify(body) });
  return { status: reply.status, body: await reply.json() };
}

// A product knows from its own login who the customer is.
const session = () => ask('POST', '/sessions', { subject: 'ada', scopes: ['buy'], return_url: `${HERE}/` });

async function answer(request, reply) {
  const { pathname } = new URL(request.url, HERE);
  const send = (status, type, body) => reply.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);
  if (pathname === '/session') {
    const { status, body } = await session();
    return send(status === 201 || status === 200 ? 200 : status, 'application/json', JSON.stringify(body));
  }
  if (pathname === '/credits') return reply.writeHead(303, { Location: (await session()).body.url }).end();
  if (pathname === '/make' && request.method === 'POST') {
    let quantity = '';
    for await (const part of request) quantity += part;
    const { status, body } = await ask('POST', '/debits', { action: 'dynamic_video', quantity: Number(quantity), user: 'ada' });
    return send(status, 'application/json', JSON.stringify(body));
  }
  const built = pathname.match(/^\/built\/(react|vue)\.js$/);
  if (built) return send(200, 'text/javascript', await readFile(new URL(`built/${built[1]}.js`, import.meta.url)));
  const framework = pathname.match(/^\/(react|vue)$/);
  if (framework) {
    const page = await readFile(new URL('page.html', import.meta.url), 'utf8');
    return send(200, 'text/html; charset=utf-8', page.replace('NAME', framework[1]));
  }
  if (pathname === '/') return send(200, 'text/html; charset=utf-8', await readFile(new URL('plain.html', import.meta.url)));
  return send(404, 'text/plain', '');
}

await ask('PUT', '', { plan: 'free' });
createServer((request, reply) => {
  answer(request, reply).catch((error) => {
    console.error(error);
    reply.writeHead(500).end();
  });
}).listen(8080, '127.0.0.1', () => console.log(`${HERE}/, ${HERE}/react and ${HERE}/vue`));
