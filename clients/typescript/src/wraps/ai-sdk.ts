/** Charges the calls of a model of the Vercel AI SDK. */

import type { Scrip } from "../client.js";
import type { Meters, UsageFormat } from "../metered.js";
import { charged, chargedWhole, most, toldBy, type Charges, type Told } from "./call.js";

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
  tools?: unknown;
  maxOutputTokens?: number | undefined;
  abortSignal?: AbortSignal | undefined;
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
  const call = ({ prompt, tools, maxOutputTokens, abortSignal }: Params, model: Model) => ({
    model: model.modelId,
    input: JSON.stringify([prompt, tools]),
    output: most(maxOutputTokens, charges),
    signal: abortSignal,
  });
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
  if (total === undefined || total + (outputTokens.total ?? 0) === 0) return { used };
  const counted: Meters = {
    input: inputTokens.noCache ?? total - (cacheRead ?? 0) - (cacheWrite ?? 0),
    ...(cacheRead && { cached_input: cacheRead }),
    ...(cacheWrite && { cache_write: cacheWrite }),
    output: outputTokens.total ?? 0,
  };
  return { used: used ?? { meters: counted }, counted };
}

/** By the names that the SDK's own providers have. */
function formatOf(provider: string): UsageFormat | undefined {
  if (/^(openai|azure|azure-openai)\./.test(provider)) return "openai";
  if (/^(vertex\.)?anthropic\./.test(provider)) return "anthropic";
  return /^google\.(generative-ai|vertex)/.test(provider) ? "google" : undefined;
}
