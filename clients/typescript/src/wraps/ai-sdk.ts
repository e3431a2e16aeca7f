/** Charges the calls of a model of the Vercel AI SDK. */

import type { Scrip } from "../client.js";
import type { Meters, UsageFormat } from "../metered.js";
import {
  charged,
  chargedWhole,
  isText,
  most,
  needsInput,
  toldBy,
  totalsOf,
  type Call,
  type Charges,
  type Told,
} from "./call.js";

export type { Charges } from "./call.js";

/** Charges of a model of the AI SDK. */
export interface ModelCharges extends Charges {
  /**
   * The format of the usage objects of a provider that the wrap does not know by its name, such as
   * one that is compatible with OpenAI. Without it, the SDK's own counts are charged.
   */
  usageFormat?: UsageFormat;
}

/** The parts of the SDK's types that a charge needs: they are the same in its versions 6 and 7. */
interface Params {
  prompt: unknown;
  tools?: { type: string }[] | undefined;
  responseFormat?: { type: string } | undefined;
  providerOptions?: Record<string, Options | undefined> | undefined;
  maxOutputTokens?: number | undefined;
  abortSignal?: AbortSignal | undefined;
}
/** The options of a provider that a charge depends on. */
interface Options {
  thinking?: { type?: unknown; budgetTokens?: unknown };
  [name: string]: unknown;
}
interface Model {
  provider: string;
  modelId: string;
}
interface Usage {
  inputTokens: {
    total: number | undefined;
    noCache: number | undefined;
    cacheRead: number | undefined;
    cacheWrite: number | undefined;
  };
  outputTokens: { total: number | undefined };
  raw?: object;
}
interface Part {
  type: string;
  delta?: unknown;
  usage?: Usage;
}

/** The middleware that {@link chargedModel} makes. */
export interface Middleware {
  specificationVersion: "v3";
  transformParams<P extends Params>(call: { params: P }): Promise<P>;
  wrapGenerate<R extends { content: unknown; usage: Usage }>(call: {
    doGenerate: () => PromiseLike<R>;
    params: Params;
    model: Model;
  }): Promise<R>;
  wrapStream<P extends { type: string }, R extends { stream: ReadableStream<P> }>(call: {
    doStream: () => PromiseLike<R & { stream: ReadableStream<P> }>;
    params: Params;
    model: Model;
  }): Promise<R>;
}

/**
 * Middleware for `wrapLanguageModel`. Each call of the model is held, begun and charged; one that
 * the SDK tries again after an error is held again, because the first one was free.
 */
export function chargedModel(credits: Scrip, charges: ModelCharges): Middleware {
  const { usageFormat, ...terms } = charges;
  const call = (params: Params, model: Model): Call => {
    const { prompt, tools = [], responseFormat, providerOptions = {} } = params;
    needsInput(readsMore(params), charges);
    return {
      model: model.modelId,
      input: JSON.stringify([prompt, tools, responseFormat]),
      // An answer in JSON may be asked for as a tool.
      hasTools: tools.length > 0 || responseFormat?.type === "json",
      output: most(params.maxOutputTokens, charges) + thinking(providerOptions.anthropic),
      signal: params.abortSignal,
    };
  };
  const format = (model: Model) => usageFormat ?? formatOf(model.provider);
  return {
    specificationVersion: "v3",
    transformParams: async ({ params }) => ({
      ...params,
      maxOutputTokens: most(params.maxOutputTokens, charges),
    }),
    wrapGenerate: ({ doGenerate, params, model }) =>
      chargedWhole(credits, terms, call(params, model), doGenerate, ({ content, usage }) => ({
        ...told(usage, format(model)),
        text: JSON.stringify(content),
      })),
    wrapStream: async ({ doStream, params, model }) => {
      const begin = async () => {
        const answer = await doStream();
        const reader = answer.stream.getReader();
        const stop = () => void reader.cancel().catch(() => {});
        return { answer, parts: read(reader), stop };
      };
      const look = ({ usage, type, delta }: Part) => ({
        ...(usage && told(usage, format(model))),
        ...(type.endsWith("-delta") && typeof delta === "string" && { text: delta }),
        failed: type === "error",
      });
      const { answer, parts } = await charged(credits, terms, call(params, model), begin, look);
      return { ...answer, stream: parts };
    },
  };
}

/** The options of a call by which the model reads what the request does not have. */
const STORED = ["previousResponseId", "conversation", "cachedContent", "container", "mcpServers"];

/** Whether the model reads more than the text of the request. */
function readsMore({ prompt, tools = [], providerOptions = {} }: Params): boolean {
  const options = Object.values(providerOptions);
  const isStored = options.some((given) => STORED.some((name) => given?.[name]));
  return isStored || !isText(prompt) || tools.some(({ type }) => type !== "function");
}

/** The budget for thinking, which Anthropic's provider adds to the maximum of the output. */
function thinking({ thinking }: Options = {}): number {
  if (thinking?.type !== "enabled") return 0;
  return typeof thinking.budgetTokens === "number" ? thinking.budgetTokens : 1024;
}

async function* read<P>(reader: ReadableStreamDefaultReader<P>): AsyncGenerator<P> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** The usage that the provider told: in its own form where Scrip knows that, and as the SDK counts. */
function told({ raw, inputTokens, outputTokens }: Usage, format: UsageFormat | undefined): Told {
  const used = format && toldBy(raw, format);
  const { total, cacheRead, cacheWrite } = inputTokens;
  const totals = totalsOf(total, outputTokens.total ?? 0);
  if (used || total === undefined || !totals) return { used, totals };
  const counted: Meters = {
    input: inputTokens.noCache ?? total - (cacheRead ?? 0) - (cacheWrite ?? 0),
    ...(cacheRead && { cached_input: cacheRead }),
    ...(cacheWrite && { cache_write: cacheWrite }),
    output: outputTokens.total ?? 0,
  };
  return { used: { meters: counted }, totals };
}

/** By the names that the SDK's own providers have. */
function formatOf(provider: string): UsageFormat | undefined {
  if (/^(openai|azure|azure-openai)\./.test(provider)) return "openai";
  if (/^((vertex|bedrock)\.)?anthropic\./.test(provider)) return "anthropic";
  return /^google\.(generative-ai|vertex)/.test(provider) ? "google" : undefined;
}
