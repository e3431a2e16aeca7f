/** The caller's own functions fail: what was charged, or is unpaid, is not lost. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { OutcomeUnknown, Scrip, type Unpaid } from "scrip-client";
import { Answers, receipt } from "./answers.js";

test("what_is_allowed_and_taken_by_nobody_is_in_the_error", async () => {
  const full = new Error("the table is full");
  const onUnpaid = () => Promise.reject(full);
  const options = { url: "https://credits.example", deadlineMs: 50, onUnpaid };
  const request = { account: "acme", credits: "2", onUnreachable: "allow" } as const;
  const caught = (failing: Promise<unknown>) => failing.catch((error: unknown) => error);

  const down = new Scrip({ ...options, ...new Answers({ status: 500 }).options });
  const debit = await caught(down.debit({ ...request, key: "job-1" }));
  assert.ok(debit instanceof OutcomeUnknown);
  assert.deepEqual(debit.unpaid, { key: "job-1", account: "acme", credits: "2" });
  assert.equal(debit.onUnpaidError, full);
  for (const answers of [new Answers({ status: 500 }), new Answers(receipt, { status: 500 })]) {
    const credits = new Scrip({ ...options, ...answers.options });
    const error = await caught(credits.charge(request, () => "text"));
    assert.ok(error instanceof OutcomeUnknown);
    assert.equal(error.unpaid?.credits, "2");
    assert.equal(error.value, "text");
    assert.equal(error.onUnpaidError, full);
  }
});

test("a_receipt_whose_taker_fails_does_not_take_the_value", async (t) => {
  const log = t.mock.method(console, "error", () => {});
  const credits = new Scrip({ url: "https://credits.example", ...new Answers(receipt).options });
  const onCharged = () => {
    throw new Error("no place for it");
  };
  const request = { account: "acme", credits: "2", onCharged };
  assert.equal(await credits.charge(request, () => "text"), "text");
  assert.equal(log.mock.callCount(), 1);
});

test("a_signer_that_fails_is_no_unreachable_stack", async () => {
  const noRole = new Error("no role");
  let signable = 0;
  const sign = (request: Request) => {
    if (signable-- > 0) return request;
    throw noRole;
  };
  const unpaid: Unpaid[] = [];
  const onUnpaid = (charge: Unpaid) => void unpaid.push(charge);
  const options = { url: "https://credits.example", coalesceMs: 1, sign, onUnpaid };
  const client = (answers: Answers) => new Scrip({ ...options, ...answers.options });
  const request = { account: "acme", credits: "2", onUnreachable: "allow" } as const;

  const answers = new Answers(receipt);
  await assert.rejects(client(answers).balance({ account: "acme" }), noRole);
  await assert.rejects(client(answers).debit(request), noRole);
  const work = () => assert.fail("it must not begin");
  await assert.rejects(client(answers).charge(request, work), noRole);
  const credits = client(answers);
  const debits = [request, request, request].map((debit) => credits.debit(debit));
  await Promise.all(debits.map((debit) => assert.rejects(debit, noRole)));
  assert.equal(answers.sent.length, 0);
  assert.equal(unpaid.length, 0);

  // After a try that may have happened, and after the work, the outcome is open.
  signable = 1;
  const open = { account: "acme", credits: "2", key: "job-1" };
  await assert.rejects(client(new Answers({ status: 500 })).debit(open), {
    name: "OutcomeUnknown",
    key: "job-1",
  });
  signable = 1;
  assert.equal(await client(new Answers(receipt)).charge(request, () => "text"), "text");
  assert.equal(unpaid[0]?.credits, "2");
});
