/** The chat endpoint on a stack that runs: SCRIP_URL and SCRIP_KEY say which. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { serve } from "@hono/node-server";
import { Scrip, type ClientOptions, type Entry } from "scrip-client";
import { chat } from "../src/app.js";
import { Parrot } from "../src/model.js";
import { UnpaidFile } from "../src/unpaid.js";

const { SCRIP_URL = "", SCRIP_KEY } = process.env;
assert.ok(SCRIP_URL && SCRIP_KEY, "SCRIP_URL and SCRIP_KEY say on which stack to test");
const STACK = { url: SCRIP_URL, key: SCRIP_KEY };
const stack = new Scrip(STACK);

interface Options extends Partial<ClientOptions> {
  plan?: string;
  msPerWord?: number;
}

/** A chat of its own, whose customer has 25 credits on the plan `free`. */
async function started(t: TestContext, { plan = "free", msPerWord = 1, ...client }: Options = {}) {
  const account = `chat|${crypto.randomUUID()}`;
  const opened = await fetch(`${SCRIP_URL}/v1/accounts/${encodeURIComponent(account)}`, {
    method: "PUT",
    headers: { authorization: `Bearer ${SCRIP_KEY}`, "idempotency-key": account },
    body: JSON.stringify({ plan }),
  });
  assert.ok(opened.ok, await opened.text());

  const folder = await mkdtemp(join(tmpdir(), "chat-"));
  const unpaid = new UnpaidFile(join(folder, "unpaid.jsonl"));
  const onUnpaid: ClientOptions["onUnpaid"] = (charge) => unpaid.store(charge);
  const credits = new Scrip({ ...STACK, onUnpaid, ...client });
  const signIn = (request: Request) =>
    request.headers.has("x-customer") ? { account, user: "ada" } : undefined;
  const app = chat(credits, new Parrot(msPerWord), signIn);
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 });
  await once(server, "listening");
  t.after(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/chat`;
  const ask = (body: unknown, signal?: AbortSignal) =>
    fetch(url, {
      method: "POST",
      headers: { "x-customer": "ada" },
      body: JSON.stringify(body),
      ...(signal && { signal }),
    });
  return { account, ask, url, unpaid };
}

/** What was captured on an account, once nothing is held any more. */
async function captured(account: string): Promise<Captured[]> {
  for (const until = Date.now() + 5_000; Date.now() < until; await wait(20)) {
    const { held } = await stack.balance({ account });
    if (held === "0") break;
  }
  const entries = [];
  for await (const entry of stack.ledger({ account })) {
    if (entry.kind === "captured") entries.push(entry);
  }
  return entries;
}

type Captured = Extract<Entry, { kind: "captured" }>;

test("an_answer_is_charged_by_its_words", async (t) => {
  const { account, ask } = await started(t);
  const answer = await ask({ prompt: "red green blue", words: 5 });
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), "red green blue red green ");
  const [entry] = await captured(account);
  assert.equal(entry?.user, "ada");
  assert.equal((await stack.balance({ account })).available, "20");
});

test("an_aborted_request_is_charged_for_what_was_delivered", async (t) => {
  const { account, ask } = await started(t, { msPerWord: 30 });
  const customer = new AbortController();
  const answer = await ask({ prompt: "red green blue", words: 25 }, customer.signal);
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("blue")) text += (await reader.read()).value;
  customer.abort();
  await reader.read().catch(() => {});

  assert.equal((await captured(account)).length, 1);
  const left = Number((await stack.balance({ account })).available);
  // A word or two were on their way as the customer left.
  assert.ok(left <= 22 && left >= 18, `${left} credits are left`);
  // And the model has stopped: nothing is charged later.
  await wait(200);
  assert.equal(Number((await stack.balance({ account })).available), left);
});

test("a_customer_without_enough_credits_is_told_so_before_the_model_begins", async (t) => {
  const { account, ask } = await started(t);
  const answer = await ask({ prompt: "red", words: 26 });
  assert.equal(answer.status, 402);
  const { message, top_up_url } = (await answer.json()) as { message: string; top_up_url: string };
  assert.match(message, /^This needs up to 26 credits, and you have 25\. New ones come on \d{4}-/);
  assert.equal(new URL(top_up_url).host, new URL(SCRIP_URL).host);
  assert.deepEqual(await captured(account), []);
});

test("a_customer_whose_limit_is_reached_is_told_what_is_left", async (t) => {
  const { account, ask } = await started(t);
  await stack.setLimit({ account, subject: "user:ada", at_most: "3", per: "day" });
  const answer = await ask({ prompt: "red", words: 26 });
  assert.equal(answer.status, 402);
  const { message } = (await answer.json()) as { message: string };
  assert.match(message, /^This needs up to 26 credits, and 3 of your 3 are left\. They come back on/);
});

test("a_customer_whose_plan_has_no_ai_is_told_so", async (t) => {
  const { ask } = await started(t, { plan: "standard" });
  const answer = await ask({ prompt: "red" });
  assert.equal(answer.status, 402);
  assert.deepEqual(await answer.json(), { message: "Your plan has no AI." });
});

test("a_request_that_is_wrong_charges_nothing", async (t) => {
  const { account, ask, url } = await started(t);
  assert.equal((await fetch(url, { method: "POST", body: "{}" })).status, 401);
  for (const body of [{}, { prompt: " " }, { prompt: "red", words: 0 }, { prompt: "red", words: 201 }])
    assert.equal((await ask(body)).status, 400);
  assert.deepEqual(await captured(account), []);
});

test("without_the_stack_the_chat_is_not_available", async (t) => {
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const { ask } = await started(t, { url: `http://127.0.0.1:${port}`, deadlineMs: 300 });
  const answer = await ask({ prompt: "red", words: 2 });
  assert.equal(answer.status, 503);
});

test("an_answer_whose_charge_has_no_outcome_is_paid_later_and_once", async (t) => {
  let isBroken = true;
  const { account, ask, unpaid } = await started(t, {
    deadlineMs: 300,
    fetch: async (request, init) => {
      const answer = await fetch(request, init);
      if (isBroken && request.url.endsWith("/capture")) throw new Error("the reply is lost");
      return answer;
    },
  });
  const answer = await ask({ prompt: "red green", words: 2 });
  assert.equal(await answer.text(), "red green ");
  while ((await readFile(unpaid.path, "utf8").catch(() => "")) === "") await wait(20);
  isBroken = false;
  await unpaid.pay(stack);
  await unpaid.pay(stack);
  assert.equal((await captured(account)).length, 1);
  assert.equal((await stack.balance({ account })).available, "23");
});

test("an_answer_whose_charge_is_refused_stays_unpaid_until_it_is_charged", async (t) => {
  const { account, unpaid } = await started(t);
  await unpaid.store({ key: crypto.randomUUID(), account, action: "rich_text", quantity: 2 });
  const refused = new Scrip({ ...STACK, key: "scrip_sk_revoked" });
  await unpaid.pay(refused);
  await unpaid.pay(refused);
  assert.equal((await stack.balance({ account })).available, "25");
  await unpaid.pay(stack);
  await unpaid.pay(stack);
  assert.equal((await stack.balance({ account })).available, "23");
});

test("with_an_empty_port_the_server_takes_its_default", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "chat-"));
  t.after(() => rm(folder, { recursive: true }));
  const program = fileURLToPath(new URL("../src/server.js", import.meta.url));
  const env = { ...process.env, PORT: "" };
  const server = spawn(process.execPath, [program], { cwd: folder, env });
  t.after(() => server.kill());
  let said = "";
  for (const output of [server.stdout, server.stderr]) output.on("data", (part) => (said += part));
  for (const until = Date.now() + 5_000; !said.includes("127.0.0.1") && Date.now() < until; )
    await wait(20);
  // Another program may have it: then the error names it.
  assert.match(said, /127\.0\.0\.1:8080/);
});
