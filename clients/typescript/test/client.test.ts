/** The client against answers that a test gives: what it sends, and what it makes of an answer. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { OutcomeUnknown, Refused, Scrip, ScripError, Unavailable, type Unpaid } from "scrip-client";
import { Answers, receipt } from "./answers.js";

const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const UUID_V7 = /^0[0-9A-F]{11}7[0-9A-F]{3}[89AB][0-9A-F]{15}$/;

test("a_request_has_the_bearer_key_and_an_id_that_is_a_time", async () => {
  const answers = new Answers(receipt);
  const credits = new Scrip({
    url: "https://credits.example/",
    key: "scrip_sk_1",
    ...answers.options,
  });
  await credits.debit({ account: "auth0|64f0", action: "rich_text", quantity: 1, user: "ada" });
  const [sent] = answers.sent;
  assert.equal(sent?.url, "https://credits.example/v1/accounts/auth0%7C64f0/debits");
  assert.equal(sent?.headers.get("authorization"), "Bearer scrip_sk_1");
  assert.deepEqual(sent?.body, { action: "rich_text", quantity: 1, user: "ada" });
  const key = sent?.headers.get("idempotency-key") ?? "";
  assert.match(key, ULID);
  assert.match(bits(key), UUID_V7);
});

test("options_that_cannot_work_are_refused_at_once", () => {
  for (const url of ["", "credits.example", "ftp://credits.example", "https://"]) {
    assert.throws(() => new Scrip({ url }), /^TypeError: url: "/);
  }
  for (const key of ["", "scrip_sk_1\n", "scrip_sk_1 2"]) {
    const isHidden = (error: Error) => /^key: /.test(error.message) && !/scrip/.test(error.message);
    assert.throws(() => new Scrip({ url: "https://credits.example", key }), isHidden);
  }
});

test("a_signer_signs_every_try", async () => {
  const answers = new Answers({ status: 503 }, receipt);
  let signed = 0;
  const sign = (request: Request) => {
    // As signers do: they make a request of their own.
    const { url, method, body } = request;
    const headers = new Headers(request.headers);
    headers.set("authorization", `AWS4-HMAC-SHA256 ${++signed}`);
    return new Request(url, { method, headers, body, duplex: "half" } as RequestInit);
  };
  const credits = new Scrip({ url: "https://credits.example", sign, ...answers.options });
  await credits.debit({ account: "acme", credits: "1" });
  const authorizations = answers.sent.map(({ headers }) => headers.get("authorization"));
  assert.deepEqual(authorizations, ["AWS4-HMAC-SHA256 1", "AWS4-HMAC-SHA256 2"]);
  assert.deepEqual(answers.sent[1]?.body, { credits: "1" });
});

test("a_refusal_is_narrowed_to_its_fields", async () => {
  const problem = {
    type: "urn:scrip:problem:insufficient_credits",
    title: "Insufficient credits",
    status: 402,
    detail: "This needs 1000 credits and 25 are available.",
    code: "insufficient_credits",
    required: "1000",
    available: "25",
    shortfall: "975",
    recharges_at: null,
    recharge_credits: null,
    top_up_url: "https://credits.example/",
  };
  const credits = new Scrip({
    url: "https://credits.example",
    ...new Answers({ status: 402, body: problem }).options,
  });
  const error = await credits
    .debit({ account: "acme", credits: "1000" })
    .catch((error: unknown) => error);
  assert.ok(error instanceof Refused && error instanceof ScripError);
  assert.ok(error.is("insufficient_credits"));
  const shortfall: string = error.problem.shortfall;
  assert.equal(shortfall, "975");
  assert.equal(error.code, "insufficient_credits");
  assert.deepEqual(error.problem, problem);
  assert.equal(
    error.message,
    "insufficient_credits: This needs 1000 credits and 25 are available.",
  );
});

test("an_answer_of_the_gateway_has_a_code_of_its_status", async () => {
  const answers = new Answers({ status: 403, body: { message: "Forbidden" } });
  const credits = new Scrip({ url: "https://credits.example", ...answers.options });
  await assert.rejects(credits.balance({ account: "acme" }), {
    code: "http_403",
    status: 403,
    message: "http_403: Forbidden",
  });
});

test("a_read_without_an_answer_is_unavailable_and_an_operation_unknown", async () => {
  const answers = new Answers({ status: 500 });
  const credits = new Scrip({ url: "https://credits.example", deadlineMs: 50, ...answers.options });
  await assert.rejects(credits.balance({ account: "acme" }), Unavailable);
  const error = await credits
    .batch({ account: "acme", debits: [{ credits: "1" }, { credits: "2", id: "job-2" }] })
    .catch((error: unknown) => error);
  assert.ok(error instanceof OutcomeUnknown);
  assert.deepEqual(error.keys.length, 2);
  assert.equal(error.keys[1], "job-2");
  assert.equal(error.key, error.keys[0]);
});

test("a_signal_stops_the_tries", async () => {
  const stop = new AbortController();
  const answers = new Answers(() => {
    stop.abort();
    return { status: 500 };
  });
  const credits = new Scrip({ url: "https://credits.example", ...answers.options });
  const request = { account: "acme", credits: "1", signal: stop.signal };
  await assert.rejects(credits.debit(request), OutcomeUnknown);
  assert.equal(answers.sent.length, 1);
  // Nothing is sent once it has aborted, so nothing is unknown.
  await assert.rejects(credits.debit(request), { name: "AbortError" });
  assert.equal(answers.sent.length, 1);
});

test("an_id_that_a_url_would_drop_is_refused_before_it_is_sent", async () => {
  const answers = new Answers(receipt);
  const credits = new Scrip({ url: "https://credits.example", ...answers.options });
  for (const id of ["", ".", ".."]) {
    await assert.rejects(credits.balance({ account: id }), TypeError);
    await assert.rejects(credits.debit({ account: id, credits: "1" }), TypeError);
    await assert.rejects(credits.release({ account: "acme", hold: id }), TypeError);
    await assert.rejects(
      credits.charge({ account: id, credits: "1" }, () => "text"),
      TypeError,
    );
  }
  assert.equal(answers.sent.length, 0);
});

test("a_ledger_is_read_page_by_page_with_its_filters", async () => {
  const answers = new Answers(
    { body: { entries: [{ seq: 3 }, { seq: 2 }], next_cursor: "c1" } },
    { body: { entries: [], next_cursor: "c2" } },
    { body: { entries: [{ seq: 1 }], next_cursor: null } },
  );
  const credits = new Scrip({ url: "https://credits.example", ...answers.options });
  const seqs = [];
  for await (const entry of credits.ledger({
    account: "acme",
    kind: "debit",
    user: "a&b",
    limit: 2,
  })) {
    seqs.push(entry.seq);
  }
  assert.deepEqual(seqs, [3, 2, 1]);
  const queries = answers.sent.map(({ url }) => new URL(url).search);
  const filters = "?kind=debit&user=a%26b&limit=2";
  assert.deepEqual(queries, [filters, `${filters}&cursor=c1`, `${filters}&cursor=c2`]);
});

test("a_charge_that_is_allowed_needs_somebody_who_takes_it", async () => {
  const answers = new Answers(receipt);
  const credits = new Scrip({ url: "https://credits.example", ...answers.options });
  const request = { account: "acme", credits: "1", onUnreachable: "allow" } as const;
  await assert.rejects(credits.debit(request), TypeError);
  await assert.rejects(
    credits.charge(request, () => "text"),
    TypeError,
  );
  await assert.rejects(
    credits.stream({ account: "acme", credits: "1" }, async function* () {}),
    TypeError,
  );
  assert.equal(answers.sent.length, 0);
});

test("a_charge_without_an_outcome_has_what_is_unpaid_and_the_value", async () => {
  const answers = new Answers(receipt, { status: 500 });
  const credits = new Scrip({ url: "https://credits.example", deadlineMs: 50, ...answers.options });
  const request = { account: "acme", action: "custom_image", quantity: 4, user: "ada" };
  const error = await credits
    .charge(request, (work) => {
      work.delivered(3);
      return ["image"];
    })
    .catch((error: unknown) => error);
  assert.ok(error instanceof OutcomeUnknown);
  assert.deepEqual(error.value, ["image"]);
  const { key, hold } = error.unpaid as Unpaid;
  assert.deepEqual(error.unpaid, {
    account: "acme",
    action: "custom_image",
    quantity: 3,
    user: "ada",
    key,
    hold,
  });
  assert.equal(answers.sent.at(-1)?.headers.get("idempotency-key"), key);
});

test("a_charge_that_is_refused_after_its_work_has_the_value", async () => {
  const ended = { code: "hold_ended", status: 409, ended: "lapsed" };
  const answers = new Answers(
    receipt,
    { status: 409, body: ended },
    { status: 402, body: { code: "insufficient_credits", status: 402 } },
  );
  const credits = new Scrip({ url: "https://credits.example", ...answers.options });
  const error = await credits
    .charge({ account: "acme", action: "rich_text", quantity: 2 }, () => "text")
    .catch((error: unknown) => error);
  assert.ok(error instanceof Refused);
  assert.equal(error.value, "text");
  assert.equal(error.unpaid?.quantity, 2);
});

test("a_report_that_is_no_amount_is_a_mistake", async () => {
  const credits = new Scrip({ url: "https://credits.example", ...new Answers(receipt).options });
  for (const total of [-1, 0.5, NaN, "1"]) {
    const charge = credits.charge({ account: "acme", action: "rich_text", quantity: 2 }, (work) =>
      work.delivered(total),
    );
    await assert.rejects(charge, TypeError, String(total));
  }
  for (const total of [1, "1.0000001", "-1", "one"]) {
    const charge = credits.charge({ account: "acme", credits: "2" }, (work) =>
      work.delivered(total),
    );
    await assert.rejects(charge, TypeError, String(total));
  }
});

test("a_clock_that_goes_ahead_during_the_work_costs_nobody_a_charge", async () => {
  let aheadMs = 0;
  const problem = { code: "key_ahead", status: 400, server_time: new Date().toISOString() };
  const answers = new Answers(receipt, { status: 400, body: problem }, receipt);
  const credits = new Scrip({
    url: "https://credits.example",
    ...answers.options,
    now: () => Date.now() + aheadMs,
  });
  await credits.charge(
    { account: "acme", action: "rich_text", quantity: 1 },
    () => void (aheadMs = 3_600_000),
  );
  assert.equal(answers.sent.length, 3);
  assert.ok(seconds(answers.sent[2]?.headers.get("idempotency-key")) - Date.now() / 1000 < 10);
});

test("debits_of_a_refused_batch_are_sent_alone_under_the_same_keys", async () => {
  const answers = new Answers({ status: 400, body: { code: "invalid_request" } }, receipt);
  const options = { url: "https://credits.example", coalesceMs: 1, ...answers.options };
  const credits = new Scrip(options);
  const debit = { account: "acme", credits: "1" };
  const debits = [{ ...debit, key: "job-1" }, { ...debit, key: "job-2" }, debit];
  await Promise.all(debits.map((one) => credits.debit(one)));
  const [batch, ...alone] = answers.sent;
  const ids = (batch?.body as { debits: { id: string }[] }).debits.map(({ id }) => id);
  assert.deepEqual(ids.slice(0, 2), ["job-1", "job-2"]);
  const keys = alone.map(({ headers }) => headers.get("idempotency-key"));
  assert.deepEqual(keys, ids);
});

test("in_a_batch_of_mode_each_only_a_key_that_is_ahead_is_made_anew", async () => {
  const at = Date.now();
  const passed = { status: 201, replayed: false, receipt: receipt.body };
  const ahead = {
    status: 400,
    problem: { code: "key_ahead", status: 400, server_time: new Date(at).toISOString() },
  };
  const answers = new Answers(
    { body: { account: "acme", results: [passed, ahead, ahead] } },
    { body: { account: "acme", results: [passed] } },
  );
  const credits = new Scrip({
    url: "https://credits.example",
    ...answers.options,
    now: () => Date.now() + 600_000,
  });
  const debits = [{ credits: "1" }, { credits: "2", id: "job-2" }, { credits: "3" }];
  const { results } = await credits.batch({ account: "acme", mode: "each", debits });
  assert.deepEqual(
    results.map(({ status }) => status),
    [201, 400, 201],
  );
  const [first, second] = answers.sent.map(
    ({ body }) => (body as { debits: { id: string; credits: string }[] }).debits,
  );
  assert.equal(first?.length, 3);
  assert.deepEqual(
    second?.map(({ credits }) => credits),
    ["3"],
  );
  assert.notEqual(second?.[0]?.id, first?.[2]?.id);
  assert.ok(Math.abs(seconds(second?.[0]?.id) - at / 1000) < 10);
});

test("a_coalesced_debit_has_its_answer_while_another_one_is_not_final", async () => {
  const passed = { status: 201, replayed: false, receipt: receipt.body };
  const refused = { status: 402, problem: { code: "insufficient_credits", status: 402 } };
  const answers = new Answers({ status: 500 }, { body: { results: [passed, refused, passed] } });
  const credits = new Scrip({
    url: "https://credits.example",
    coalesceMs: 1,
    deadlineMs: 2_000,
    ...answers.options,
  });
  const debits = ["1", "50", "2"].map((amount) =>
    credits.debit({ account: "acme", credits: amount, key: `job-${amount}` }),
  );
  const unknown = assert.rejects(debits[1]!, (error) => {
    assert.ok(error instanceof OutcomeUnknown);
    return error.key === "job-50";
  });
  await Promise.all([debits[0], debits[2], unknown]);
  // The refusal would be final after the deadline.
  assert.equal(answers.sent.length, 2);
});

test("a_charge_beyond_its_hold_says_what_stayed_uncharged", async () => {
  const charged = { ...receipt.body, credits: "4", uncharged: "2" };
  const answers = new Answers(receipt, { status: 201, body: charged });
  const credits = new Scrip({ url: "https://credits.example", ...answers.options });
  const receipts: object[] = [];
  const request = { account: "acme", action: "rich_text", quantity: 4, beyond: true };
  await credits.charge({ ...request, onCharged: (receipt) => receipts.push(receipt) }, (work) =>
    work.delivered(6),
  );
  assert.deepEqual(answers.sent[0]?.body, {
    action: "rich_text",
    quantity: 4,
    expires_in_s: 300,
  });
  assert.deepEqual(answers.sent[1]?.body, { quantity: 6, beyond: true });
  assert.deepEqual(receipts, [charged]);
});

test("debits_with_one_key_are_no_batch", async () => {
  const answers = new Answers(receipt);
  const options = { url: "https://credits.example", coalesceMs: 1, ...answers.options };
  const credits = new Scrip(options);
  const debit = { account: "acme", credits: "1", key: "job-1" };
  await Promise.all([debit, debit, debit].map((one) => credits.debit(one)));
  assert.ok(answers.sent.every(({ url }) => url.endsWith("/debits")));
  assert.equal(answers.sent.length, 3);
});

test("a_debit_with_a_deadline_of_its_own_travels_alone", async () => {
  const passed = { status: 201, replayed: false, receipt: receipt.body };
  const answers = new Answers(receipt, { body: { results: [passed, passed, passed] } });
  const options = { url: "https://credits.example", coalesceMs: 1, ...answers.options };
  const credits = new Scrip(options);
  const debit = { account: "acme", credits: "1" };
  const debits = [debit, { ...debit, deadlineMs: 100 }, debit, debit];
  await Promise.all(debits.map((one) => credits.debit(one)));
  const paths = answers.sent.map(({ url }) => new URL(url).pathname.split("/").at(-1));
  assert.deepEqual(paths, ["debits", "batch"]);
});

/** A ULID's 128 bits in hexadecimal. */
function bits(key: string): string {
  const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const value = [...key].reduce(
    (value, letter) => value * 32n + BigInt(letters.indexOf(letter)),
    0n,
  );
  return value.toString(16).toUpperCase().padStart(32, "0");
}

function seconds(key: string | null | undefined): number {
  return Number.parseInt(bits(key ?? "").slice(0, 12), 16) / 1000;
}
