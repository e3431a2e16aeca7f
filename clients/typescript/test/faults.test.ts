/** What a call of a model may do wrong: it is charged for what it used, and never more than is held. */

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import OpenAI from "openai";
import { Scrip } from "scrip-client";
import { chargedModel } from "scrip-client/ai-sdk";
import { chargedOpenAI } from "scrip-client/openai";
import { aiSdk, CHARGES, openai } from "./libraries.js";
import { MODEL, model, StandIn, USAGE } from "./model.js";

const LIBRARIES = Object.entries({ aiSdk, openai });
const MAXIMA = { input: 2000, output: 50 };

test("a_count_that_is_no_whole_number_is_a_mistake", async () => {
  const fetch = async () => Response.json({ id: "1" }, { status: 201 });
  const credits = new Scrip({ url: "https://credits.example", fetch });
  const call = { account: "acme", action: "chat", model: MODEL, meters: MAXIMA };
  for (const output of [NaN, undefined, null, -1, 0.5, "1"]) {
    const meters = { input: 1, output } as { output: number };
    const charge = credits.charge(call, (work) => work.delivered({ meters }));
    await assert.rejects(charge, TypeError, String(output));
  }
  const both = { meters: MAXIMA, usage: USAGE, usage_format: "openai" as const };
  for (const used of [{}, { meters: {} }, { usage: null }, both, null]) {
    const charge = credits.charge(call, (work) => work.delivered(used as typeof both));
    await assert.rejects(charge, TypeError, JSON.stringify(used));
  }
});

// Version 6 of the AI SDK tells no usage before the end.
test("openai: what_a_stream_told_before_it_broke_is_charged", async (t) => {
  const scrip = new StandIn();
  const { library: calls } = await openai(t, scrip, { usage: "middle", breaksAfter: 2 });
  await assert.rejects(calls.stream());
  const usage = { ...USAGE, completion_tokens: 2, total_tokens: 1002 };
  assert.deepEqual(scrip.captures, [{ user: "ada", usage, usage_format: "openai" }]);
});

for (const [name, library] of LIBRARIES) {
  test(`${name}: usage_without_numbers_that_scrip_cannot_read_costs_what_is_held`, async (t) => {
    const scrip = new StandIn();
    scrip.isBlind = true;
    t.mock.method(console, "error", () => {});
    // The SDK counts them as 0.
    const tells = name === "openai" ? { tokens: 7 } : { prompt_tokens: 0, total_tokens: 7 };
    const { library: calls } = await library(t, scrip, { tells });
    await calls.stream();
    const [{ meters } = {}] = scrip.captures;
    assert.deepEqual(meters, MAXIMA);
  });

  test(`${name}: a_call_whose_hold_lapsed_costs_no_more_than_was_held`, async (t) => {
    for (const [most, charged] of [
      [{}, { usage: USAGE, usage_format: "openai" }],
      [{ inputAtMost: 5, outputAtMost: 2 }, { meters: { input: 5, output: 2 } }],
    ] as const) {
      const scrip = new StandIn();
      scrip.lapses = true;
      const { library: calls } = await library(t, scrip, {}, most);
      await calls.stream();
      assert.deepEqual(scrip.debits, [{ action: "chat", model: MODEL, user: "ada", ...charged }]);
    }
  });

  test(`${name}: a_counter_that_fails_costs_what_is_held`, async (t) => {
    const log = t.mock.method(console, "error", () => {});
    for (const countTokens of [
      () => NaN,
      () => {
        throw new Error("no tokenizer");
      },
    ]) {
      const scrip = new StandIn();
      const { library: calls } = await library(t, scrip, { usage: "never" }, { countTokens });
      await calls.stream();
      assert.deepEqual(scrip.captures, [{ user: "ada", meters: MAXIMA }]);
    }
    assert.equal(log.mock.callCount(), 2);
  });

  test(`${name}: what_stays_uncharged_is_logged`, async (t) => {
    const log = t.mock.method(console, "warn", () => {});
    const scrip = new StandIn();
    scrip.uncharged = "9";
    const { library: calls } = await library(t, scrip, {}, { beyond: true });
    await calls.stream();
    assert.equal((scrip.captures[0] as { beyond?: boolean }).beyond, true);
    assert.match(String(log.mock.calls[0]?.arguments[0]), /^9 credits of /);
  });
}

/** Reads a stream that begins with these parts. */
async function reads(t: TestContext, scrip: StandIn, first: object[], usage: "end" | "never") {
  const { url: baseURL } = await model(t, { first, usage });
  const client = new OpenAI({ apiKey: "none", baseURL });
  const { chat } = chargedOpenAI(client, scrip.credits, CHARGES);
  const parts = await chat.completions.create({ model: MODEL, messages: [], stream: true });
  for await (const _ of parts);
}

test("parts_without_text_are_no_mistake", async (t) => {
  const log = t.mock.method(console, "error");
  const scrip = new StandIn();
  const odd = [{ choices: [{ index: 0 }] }, { choices: null }, { choices: [null] }, {}];
  await reads(t, scrip, odd, "never");
  assert.deepEqual([scrip.captures[0]?.meters?.output, log.mock.callCount()], [3, 0]);
});

test("a_part_that_cannot_be_read_costs_what_is_held_unless_usage_is_told", async (t) => {
  t.mock.method(console, "error", () => {});
  for (const [usage, used] of [
    ["never", { meters: MAXIMA }],
    ["end", { usage: USAGE, usage_format: "openai" }],
  ] as const) {
    const scrip = new StandIn();
    await reads(t, scrip, [{ choices: 7 }], usage);
    assert.deepEqual(scrip.captures, [{ user: "ada", ...used }]);
  }
});

const nobody = new OpenAI({ apiKey: "none", baseURL: "http://127.0.0.1:9" });
const OF_TEXT = { account: "acme", outputAtMost: 50 };
const IMAGE = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };

for (const [name, surface, body] of [
  ["image", "completions", { messages: [{ role: "user", content: [IMAGE] }] }],
  ["audio", "completions", { messages: [{ role: "assistant", audio: { id: "audio-1" } }] }],
  ["search", "completions", { messages: [], web_search_options: {} }],
  ["tool", "completions", { messages: [], tools: [{ type: "web_search" }] }],
  ["file", "responses", { input: [{ role: "user", content: [{ type: "input_file" }] }] }],
  ["reference", "responses", { input: [{ type: "item_reference", id: "1" }] }],
  ["output", "responses", { input: [{ type: "function_call_output", output: [IMAGE] }] }],
  ["mcp", "responses", { input: "birds", tools: [{ type: "mcp" }] }],
  ["model", "responses", { input: "birds", model: undefined }],
  ["choices", "completions", { messages: [], n: 51 }],
] as const) {
  test(`openai: a_call_with_more_than_its_text_does_not_begin: ${name}`, async () => {
    const scrip = new StandIn();
    const calls = chargedOpenAI(nobody, scrip.credits, OF_TEXT);
    const { create } = surface === "responses" ? calls.responses : calls.chat.completions;
    const call = create as (body: object) => Promise<object>;
    await assert.rejects(call({ model: MODEL, ...body }), TypeError);
    assert.equal(scrip.captures.length, 0);
  });
}

/** The hold of a call of the AI SDK's. */
async function held(params: object, charges: object = {}) {
  const scrip = new StandIn();
  const { wrapGenerate } = chargedModel(scrip.credits, { ...OF_TEXT, ...charges });
  const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
  const doGenerate = async () => ({ content: [], usage: usage as never });
  const called = { provider: "openai.chat", modelId: MODEL };
  await wrapGenerate({ doGenerate, params: { prompt: [], ...params } as never, model: called });
  return scrip.holds[0]!.meters!;
}
const asks = (...content: object[]) => ({ prompt: [{ role: "user", content }] });

for (const [name, params] of [
  ["binary", asks({ type: "file", mediaType: "image/png", data: new Uint8Array(9) })],
  ["base64", asks({ type: "file", mediaType: "application/pdf", data: "AAAA" })],
  ["url", asks({ type: "file", mediaType: "image/*", data: new URL("https://a.example/b") })],
  [
    "result",
    asks({ type: "tool-result", output: { type: "content", value: [{ type: "file-data" }] } }),
  ],
  ["tool", { tools: [{ type: "provider", id: "openai.web_search" }] }],
  ["stored", { providerOptions: { openai: { previousResponseId: "resp-1" } } }],
  ["conversation", { providerOptions: { azure: { conversation: "conv-1" } } }],
] as const) {
  test(`aiSdk: a_call_with_more_than_its_text_does_not_begin: ${name}`, async () => {
    await assert.rejects(async () => held(params), TypeError);
    assert.equal((await held(params, { inputAtMost: 7 })).input, 7);
  });
}

test("text_of_every_kind_is_held_by_its_bytes", async () => {
  const text = asks(
    { type: "text", text: "birds" },
    { type: "tool-result", output: { type: "json", value: { type: "image" } } },
  );
  const { input = 0 } = await held(text);
  assert.equal(input, JSON.stringify([text.prompt, []]).length + ",null".length);
  const schema = { type: "json", schema: {} };
  const { input: withSchema = 0 } = await held({ ...text, responseFormat: schema });
  assert.equal(withSchema - input, JSON.stringify(schema).length - "null".length + 1000);
});

test("a_budget_for_thinking_is_held_with_the_output", async () => {
  const thinking = { type: "enabled", budgetTokens: 4000 };
  const output = async (thinking: object) =>
    (await held({ providerOptions: { anthropic: { thinking } } })).output;
  assert.equal(await output(thinking), 4050);
  assert.equal(await output({ type: "enabled" }), 50 + 1024);
  assert.equal(await output({ type: "disabled" }), 50);
});
