/** Providers of the AI SDK whose usage has forms of its own: each is charged as it was told. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test, type TestContext } from "node:test";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { streamText, wrapLanguageModel, type LanguageModel } from "ai";
import { chargedModel } from "scrip-client/ai-sdk";
import { customer } from "./customer.js";
import { localStack, type LocalStack } from "./local.js";

/** The first event counts the input, the last one the output. */
const CLAUDE = [
  {
    type: "message_start",
    message: {
      id: "msg-1",
      type: "message",
      role: "assistant",
      model: "claude-sonnet-4-5",
      content: [],
      usage: {
        input_tokens: 10,
        cache_read_input_tokens: 990,
        cache_creation_input_tokens: 30,
        cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
        output_tokens: 1,
      },
    },
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "a gull" } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } },
  { type: "message_stop" },
];

/** Thinking is beside the output, and what is cached within the input. */
const GEMINI = [
  {
    candidates: [
      { content: { role: "model", parts: [{ text: "a gull" }] }, finishReason: "STOP", index: 0 },
    ],
    usageMetadata: {
      promptTokenCount: 1000,
      cachedContentTokenCount: 990,
      candidatesTokenCount: 3,
      thoughtsTokenCount: 4,
      totalTokenCount: 1007,
    },
  },
];

let stack: LocalStack;
before(async () => void (stack = await localStack()));
after(() => stack.end());

/** A server that streams these events to everybody. */
async function streaming(t: TestContext, events: object[]) {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n`);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Wrapped = Exclude<LanguageModel, string> & { specificationVersion: "v3" };

for (const [name, model, events, make, meters] of [
  [
    "anthropic",
    "claude-sonnet-4-5",
    CLAUDE,
    (baseURL: string) => createAnthropic({ baseURL, apiKey: "none" }),
    { input: 10, cached_input: 990, cache_write: 10, cache_write_1h: 20, output: 3 },
  ],
  [
    "google",
    "gemini-2.5-flash",
    GEMINI,
    (baseURL: string) => createGoogleGenerativeAI({ baseURL, apiKey: "none" }),
    { input: 10, cached_input: 990, output: 7 },
  ],
] as const) {
  test(`${name}: a_stream_is_charged_by_the_usage_of_its_provider`, async (t) => {
    const log = t.mock.method(console, "error");
    const paying = await customer(stack, t.name);
    const provider = make(await streaming(t, [...events]));
    const charges = { account: paying.account, inputAtMost: 5000, outputAtMost: 50 };
    const middleware = chargedModel(paying.credits, charges);
    const wrapped = wrapLanguageModel({ model: provider(model) as Wrapped, middleware });
    let text = "";
    for await (const part of streamText({ model: wrapped, prompt: "birds" }).textStream) text += part;
    assert.equal(text, "a gull");
    const charge = await paying.charge();
    assert.deepEqual({ model: charge.model, meters: charge.meters }, { model, meters });
    assert.deepEqual(log.mock.calls, []);
  });
}
