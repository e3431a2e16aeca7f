/** Streams: what the reader took is charged, whatever becomes of the reader. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { Scrip, type Unpaid, type Work } from "scrip-client";
import { Answers, receipt } from "./answers.js";

const ASKED = { account: "acme", action: "rich_text", quantity: 10 };

function client(answers: Answers) {
  const unpaid: Unpaid[] = [];
  const onUnpaid = (charge: Unpaid) => void unpaid.push(charge);
  const options = { url: "https://credits.example", deadlineMs: 50, onUnpaid, ...answers.options };
  return { credits: new Scrip(options), unpaid };
}

/** Yields 1, 2, 3, ..., and reports each one. */
async function* numbers(work: Work, most: number) {
  for (let number = 1; number <= most; number++) {
    work.delivered(number);
    yield number;
  }
}

const last = ({ sent }: Answers) => ({
  path: new URL(sent.at(-1)!.url).pathname.split("/").at(-1),
  body: sent.at(-1)!.body,
});

test("a_stream_that_is_read_to_its_end_is_charged_for_all_of_it", async () => {
  const answers = new Answers(receipt);
  const read = [];
  for await (const number of await client(answers).credits.stream(ASKED, (work) =>
    numbers(work, 3),
  ))
    read.push(number);
  assert.deepEqual(read, [1, 2, 3]);
  assert.deepEqual(last(answers), { path: "capture", body: { quantity: 3 } });
  assert.equal(answers.sent.length, 2);
});

test("a_stream_whose_reader_leaves_is_charged_for_what_was_read", async () => {
  const answers = new Answers(receipt);
  const stream = await client(answers).credits.stream(ASKED, (work) => numbers(work, 9));
  for await (const number of stream) if (number === 4) break;
  // Leaving waits for the charge.
  assert.deepEqual(last(answers), { path: "capture", body: { quantity: 4 } });
});

test("a_stream_whose_signal_aborts_is_charged_for_what_was_delivered", async () => {
  const answers = new Answers(receipt);
  const gone = new AbortController();
  const stream = await client(answers).credits.stream(
    { ...ASKED, signal: gone.signal },
    async function* (work) {
      work.delivered(1);
      yield "a";
      gone.abort(new Error("gone"));
      await wait(10);
      work.delivered(9);
      yield "b";
    },
  );
  await assert.rejects(async () => {
    for await (const _ of stream);
  }, /gone/);
  assert.deepEqual(last(answers), { path: "capture", body: { quantity: 1 } });
});

test("a_stream_whose_work_fails_is_free_and_its_reader_gets_the_error", async () => {
  const answers = new Answers(receipt);
  const stream = await client(answers).credits.stream(ASKED, async function* (work) {
    yield "a";
    work.delivered(1);
    throw new Error("the model is out");
  });
  await assert.rejects(async () => {
    for await (const _ of stream);
  }, /the model is out/);
  assert.deepEqual(last(answers), { path: "release", body: {} });
});

test("a_stream_that_cannot_be_paid_does_not_begin", async () => {
  const answers = new Answers({ status: 402, body: { code: "insufficient_credits" } });
  let began = false;
  const stream = client(answers).credits.stream(ASKED, async function* () {
    began = true;
    yield "a";
  });
  await assert.rejects(stream, { code: "insufficient_credits" });
  assert.equal(began, false);
});

test("a_charge_that_fails_after_the_stream_is_handed_over", async () => {
  const answers = new Answers(receipt, { status: 500 });
  const { credits, unpaid } = client(answers);
  for await (const _ of await credits.stream(ASKED, (work) => numbers(work, 3)));
  assert.equal(unpaid.length, 1);
  assert.deepEqual(
    { quantity: unpaid[0]?.quantity, hold: unpaid[0]?.hold },
    { quantity: 3, hold: "01a20132-08b8-798a-966a-d864feea52cf" },
  );
});

test("waiting_for_a_stream_ends_once_it_is_charged", async () => {
  const answers = new Answers(receipt);
  let charged: Promise<void> | undefined;
  const waitUntil = (promise: Promise<void>) => void (charged = promise);
  const stream = await client(answers).credits.stream({ ...ASKED, waitUntil }, (work) =>
    numbers(work, 9),
  );
  const reader = stream.getReader();
  await reader.read();
  void reader.cancel();
  await charged;
  assert.deepEqual(last(answers), { path: "capture", body: { quantity: 1 } });
});

test("a_stream_that_nobody_reads_is_not_held_for_longer", async () => {
  const answers = new Answers(receipt);
  const request = { ...ASKED, expires_in_s: 0.1 };
  await client(answers).credits.stream(request, (work) => numbers(work, 9));
  await wait(400);
  assert.ok(answers.sent.length <= 3, `${answers.sent.length} requests`);
});

test("a_stream_whose_reader_waits_for_a_part_is_held_meanwhile", async () => {
  const answers = new Answers(receipt);
  const request = { ...ASKED, expires_in_s: 0.1 };
  const stream = await client(answers).credits.stream(request, async function* () {
    await wait(400);
    yield "a";
  });
  for await (const _ of stream);
  const extended = answers.sent.filter(({ url }) => url.endsWith("/extend"));
  assert.ok(extended.length >= 4, `${extended.length} times`);
});

test("a_left_stream_whose_charge_nobody_takes_is_logged", async (t) => {
  const log = t.mock.method(console, "error", () => {});
  const answers = new Answers(receipt, { status: 500 });
  const onUnpaid = () => Promise.reject(new Error("the table is full"));
  const options = { url: "https://credits.example", deadlineMs: 50, onUnpaid, ...answers.options };
  const stream = await new Scrip(options).stream(ASKED, (work) => numbers(work, 9));
  for await (const number of stream) if (number === 4) break;
  const [, unpaid, failure] = log.mock.calls[0]?.arguments ?? [];
  assert.equal(unpaid?.quantity, 4);
  assert.match(String(failure?.onUnpaidError), /the table is full/);
});
