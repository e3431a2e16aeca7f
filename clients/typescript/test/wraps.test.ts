/** The wraps, each on its library as installed: a call is held, and charged once, as was told. */

import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { chargedOpenAI } from "scrip-client/openai";
import { aiSdk, CHARGES, openai } from "./libraries.js";
import { MODEL, model, RESPONSES_USAGE, StandIn, USAGE } from "./model.js";

const HELD = {
  user: "ada",
  action: "chat",
  model: MODEL,
  meters: { input: 2000, output: 50 },
  expires_in_s: 300,
};
const TOLD = { user: "ada", usage: USAGE, usage_format: "openai" };
const TOTALS = { input: 1000, output: 3 };
const COUNTED = { input: 10, cached_input: 990, output: 3 };
/** 10 of input, 990 cached, 3 of output: 10 + 99 + 30. */
const CREDITS = 139;

const settled = async (scrip: StandIn) => {
  const until = performance.now() + 2000;
  while (scrip.captures.length + scrip.released < scrip.holds.length) {
    assert.ok(performance.now() < until, "it is not settled");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};

for (const [name, library] of Object.entries({ aiSdk, openai })) {
  test(`${name}: an_answer_is_held_by_maxima_and_charged_by_its_usage`, async (t) => {
    const scrip = new StandIn();
    const { library: calls, asked } = await library(t, scrip, {});
    assert.equal(await calls.whole(), "a gull flies");
    assert.deepEqual(scrip.holds, [HELD]);
    assert.deepEqual(scrip.captures, [TOLD]);
    assert.equal(asked[0]?.max_tokens ?? asked[0]?.max_completion_tokens, 50);
  });

  test(`${name}: a_call_counts_for_its_subjects_and_limits_by_its_hold_alone`, async (t) => {
    const scrip = new StandIn();
    const limited = { subjects: ["team:ops"], limits: [{ of: "run:7f", at_most: "50" }] };
    const { library: calls } = await library(t, scrip, {}, limited);
    await calls.whole();
    assert.deepEqual([scrip.holds, scrip.captures], [[{ ...HELD, ...limited }], [TOLD]]);
  });

  for (const usage of ["end", "middle"] as const) {
    test(`${name}: a_stream_that_tells_its_usage_at_the_${usage}_is_charged_by_it`, async (t) => {
      const scrip = new StandIn();
      const { library: calls } = await library(t, scrip, { usage });
      assert.equal(await calls.stream(), "a gull flies");
      assert.deepEqual(scrip.captures, [TOLD]);
      assert.equal(scrip.charged, CREDITS);
    });
  }

  test(`${name}: a_stream_that_never_tells_is_charged_by_its_text`, async (t) => {
    const scrip = new StandIn();
    const { library: calls } = await library(t, scrip, { usage: "never" });
    await calls.stream();
    const [{ meters }] = scrip.captures as [{ meters: { input: number; output: number } }];
    // "a gull flies" has 12 bytes.
    assert.equal(meters.output, 3);
    assert.ok(meters.input > 5 && meters.input < 50, `${meters.input}`);
  });

  test(`${name}: a_text_that_is_longer_than_what_is_held_is_charged_up_to_it`, async (t) => {
    const scrip = new StandIn();
    const most = { inputAtMost: 3, outputAtMost: 2 };
    const { library: calls } = await library(t, scrip, { usage: "never" }, most);
    await calls.stream();
    assert.deepEqual(scrip.captures, [{ user: "ada", meters: { input: 3, output: 2 } }]);
  });

  test(`${name}: a_stream_that_its_caller_aborts_is_charged_for_what_was_seen`, async (t) => {
    for (const usage of ["middle", "never"] as const) {
      const scrip = new StandIn();
      const { library: calls } = await library(t, scrip, { usage, hangsAfter: 2 });
      await calls.stream("a gull ", new AbortController()).catch(() => {});
      await settled(scrip);
      assert.equal(scrip.captures.length, 1);
      const [{ usage: told, meters }] = scrip.captures as [(typeof scrip.captures)[0]];
      if (name === "openai" && usage === "middle") {
        assert.deepEqual(told, { ...USAGE, completion_tokens: 2, total_tokens: 1002 });
      } else assert.equal(meters?.output, 2);
    }
  });

  test(`${name}: a_call_that_its_library_tries_again_is_charged_once`, async (t) => {
    const scrip = new StandIn();
    scrip.lost = 1;
    const { library: calls, asked } = await library(t, scrip, { failures: 1 });
    await calls.whole();
    assert.equal(asked.length, 2);
    assert.equal(scrip.captures.length, 1);
    assert.equal(scrip.charged, CREDITS);
    assert.equal(scrip.released, scrip.holds.length - 1);
  });

  test(`${name}: a_stream_that_breaks_is_free`, async (t) => {
    const scrip = new StandIn();
    const { library: calls } = await library(t, scrip, { breaksAfter: 1 });
    await calls.stream().catch(() => {});
    await settled(scrip);
    assert.equal(scrip.holds.length, 1);
    assert.equal(scrip.charged, 0);
  });

  test(`${name}: a_call_that_cannot_be_paid_does_not_begin`, async (t) => {
    const scrip = new StandIn();
    scrip.refusal = { code: "insufficient_credits", status: 402 };
    const { library: calls, asked } = await library(t, scrip, {});
    await assert.rejects(calls.whole(), { code: "insufficient_credits" });
    assert.equal(asked.length, 0);
  });

  test(`${name}: what_is_not_charged_is_handed_over_with_its_model`, async (t) => {
    const scrip = new StandIn();
    scrip.isAway = true;
    const { library: calls } = await library(t, scrip, {});
    assert.equal(await calls.whole(), "a gull flies");
    const { key, hold, otherwise, most, ...unpaid } = scrip.unpaid[0]!;
    assert.deepEqual(unpaid, { ...TOLD, account: "acme", action: "chat", model: MODEL });
    assert.deepEqual({ otherwise, most }, { otherwise: TOTALS, most: HELD.meters });
    scrip.isAway = false;
    await scrip.credits.pay(scrip.unpaid[0]!);
    await scrip.credits.pay(scrip.unpaid[0]!);
    assert.deepEqual(scrip.captures, [TOLD]);
  });
}

for (const [name, library] of Object.entries({ aiSdk, openai })) {
  test(`${name}: usage_that_scrip_cannot_read_is_charged_by_its_totals`, async (t) => {
    const scrip = new StandIn();
    scrip.isBlind = true;
    const log = t.mock.method(console, "error", () => {});
    const { library: calls } = await library(t, scrip, {});
    assert.equal(await calls.stream(), "a gull flies");
    await settled(scrip);
    assert.deepEqual(scrip.captures, [{ user: "ada", meters: TOTALS }]);
    assert.match(String(log.mock.calls[0]?.arguments[0]), /usage\.total_tokens is missing/);
    assert.deepEqual(scrip.unpaid, []);
  });
}

test("a_stream_whose_reader_leaves_is_charged_for_what_it_read", async (t) => {
  const scrip = new StandIn();
  const { library } = await openai(t, scrip, { usage: "never" });
  assert.equal(await library.stream("a gull "), "a gull ");
  assert.equal(scrip.captures[0]?.meters?.output, 2);
});

test("counts_of_a_provider_that_is_not_known_are_those_of_the_sdk", async (t) => {
  const scrip = new StandIn();
  const { library } = await aiSdk(t, scrip, {}, { usageFormat: undefined });
  await library.stream();
  assert.deepEqual(scrip.captures, [{ user: "ada", meters: COUNTED }]);
});

test("a_part_that_is_for_the_charge_alone_is_shown_to_who_asked_for_it", async (t) => {
  const scrip = new StandIn();
  const { url: baseURL, asked } = await model(t, {});
  const client = new OpenAI({ apiKey: "none", baseURL });
  const { chat } = chargedOpenAI(client, scrip.credits, CHARGES);
  const shown = async (options?: { include_usage: true }) => {
    const messages = [{ role: "user" as const, content: "birds" }];
    const body = { model: MODEL, messages, stream: true as const };
    const parts = await chat.completions.create({ ...body, stream_options: options ?? null });
    let count = 0;
    for await (const { usage } of parts) if (usage) count++;
    return count;
  };
  assert.equal(await shown(), 0);
  assert.equal(await shown({ include_usage: true }), 1);
  assert.deepEqual(asked[0]?.stream_options, { include_usage: true });
});

test("a_response_is_charged_as_a_completion_is", async (t) => {
  for (const [usage, used] of [
    ["end", { usage: RESPONSES_USAGE, usage_format: "openai" }],
    ["never", { meters: { input: 9, output: 3 } }],
  ] as const) {
    const scrip = new StandIn();
    const { url: baseURL, asked } = await model(t, { usage });
    const client = new OpenAI({ apiKey: "none", baseURL });
    const countTokens = (text: string) => (text.startsWith("[") ? 9 : text === "a gull flies" ? 3 : NaN);
    const charges = { ...CHARGES, countTokens };
    const { responses } = chargedOpenAI(client, scrip.credits, charges);
    const body = { model: MODEL, input: "birds", stream: true as const };
    const types = [];
    for await (const { type } of await responses.create(body)) types.push(type);
    assert.equal(types.length, usage === "end" ? 4 : 3);
    assert.equal(asked[0]?.max_output_tokens, 50);
    assert.deepEqual(scrip.captures, [{ user: "ada", ...used }]);
  }
});

test("a_call_without_a_maximum_does_not_begin", async (t) => {
  const scrip = new StandIn();
  const { library, asked } = await openai(t, scrip, {}, { outputAtMost: undefined });
  await assert.rejects(library.whole(), TypeError);
  assert.equal(asked.length + scrip.holds.length, 0);
});

test("a_response_whose_input_or_usage_is_elsewhere_does_not_begin", async () => {
  const client = new OpenAI({ apiKey: "none", baseURL: "http://127.0.0.1:9" });
  const scrip = new StandIn();
  const charges = { account: "acme", outputAtMost: 50 };
  const { responses } = chargedOpenAI(client, scrip.credits, charges);
  for (const more of [{ background: true }, { previous_response_id: "resp-1" }]) {
    await assert.rejects(responses.create({ model: MODEL, input: "birds", ...more }), TypeError);
  }
  assert.equal(scrip.holds.length, 0);
});
