/** The wrapped libraries, as a product calls them. */

import type { TestContext } from "node:test";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText, wrapLanguageModel } from "ai";
import OpenAI from "openai";
import type { Scrip } from "scrip-client";
import { chargedModel, type ModelCharges } from "scrip-client/ai-sdk";
import { chargedOpenAI } from "scrip-client/openai";
import { MODEL, model, type Behaviour } from "./model.js";

export const CHARGES = { account: "acme", user: "ada", inputAtMost: 2000, outputAtMost: 50 };

/** A caller of a wrapped library. It reads a stream until it has seen this text, or all of it. */
export interface Library {
  whole(): Promise<unknown>;
  stream(until?: string, gone?: AbortController): Promise<string>;
}

export async function aiSdk(t: TestContext, { credits }: { credits: Scrip }, does: Behaviour, more = {}) {
  const { url: baseURL, asked } = await model(t, does);
  const provider = createOpenAICompatible({ name: "gulls", baseURL, includeUsage: true });
  const charges: ModelCharges = { ...CHARGES, usageFormat: "openai", ...more };
  const middleware = chargedModel(credits, charges);
  const wrapped = wrapLanguageModel({ model: provider(MODEL), middleware });
  const library: Library = {
    whole: async () => (await generateText({ model: wrapped, prompt: "birds" })).text,
    stream: async (until, gone) => {
      const { signal: abortSignal } = gone ?? new AbortController();
      const onError = () => {};
      const result = streamText({ model: wrapped, prompt: "birds", abortSignal, onError });
      return take(result.textStream, (text) => text, until, gone);
    },
  };
  return { library, asked };
}

export async function openai(t: TestContext, { credits }: { credits: Scrip }, does: Behaviour, more = {}) {
  const { url: baseURL, asked } = await model(t, does);
  const client = new OpenAI({ apiKey: "none", baseURL });
  const { chat } = chargedOpenAI(client, credits, { ...CHARGES, ...more });
  const body = { model: MODEL, messages: [{ role: "user", content: "birds" }] } as const;
  const library: Library = {
    whole: async () => {
      const answer = await chat.completions.create({ ...body, messages: [...body.messages] });
      return answer.choices[0]?.message.content;
    },
    stream: async (until, gone) => {
      const parts = await chat.completions.create(
        { ...body, messages: [...body.messages], stream: true },
        { signal: gone?.signal },
      );
      return take(parts, ({ choices }) => choices[0]!.delta.content ?? "", until, gone);
    },
  };
  return { library, asked };
}

/** Reads until there is this text; then it aborts, or leaves. */
async function take<P>(
  parts: AsyncIterable<P>,
  text: (part: P) => string,
  until?: string,
  gone?: AbortController,
) {
  let read = "";
  for await (const part of parts) {
    read += text(part);
    if (read !== until) continue;
    if (!gone) break;
    gone.abort();
  }
  return read;
}
