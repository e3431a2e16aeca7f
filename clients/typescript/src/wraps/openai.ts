/** Charges the calls of OpenAI's client, and of those that are compatible with it. */

import type { OpenAI } from "openai";
import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionCreateParamsStreaming,
} from "openai/resources/chat/completions";
import type {
  Response as ModelResponse,
  ResponseCreateParamsNonStreaming,
  ResponseCreateParamsStreaming,
  ResponseStreamEvent,
} from "openai/resources/responses/responses";
import type { Stream } from "openai/streaming";
import type { Scrip } from "../client.js";
import {
  charged,
  chargedWhole,
  isText,
  most,
  needsInput,
  toldBy,
  totalsOf,
  type Charges,
  type Told,
} from "./call.js";

export type { Charges } from "./call.js";

type RequestOptions = Parameters<OpenAI["chat"]["completions"]["create"]>[1];

/** A `create` of the client whose calls are charged. */
interface Create<Whole, Streaming, Answer, Part> {
  (body: Whole, options?: RequestOptions): Promise<Answer>;
  (body: Streaming, options?: RequestOptions): Promise<Stream<Part>>;
}

/** The calls of a client that are charged. It has no others, so that none is free by mistake. */
export interface ChargedOpenAI {
  chat: {
    completions: {
      create: Create<
        ChatCompletionCreateParamsNonStreaming,
        ChatCompletionCreateParamsStreaming,
        ChatCompletion,
        ChatCompletionChunk
      >;
    };
  };
  responses: {
    create: Create<
      ResponseCreateParamsNonStreaming,
      ResponseCreateParamsStreaming,
      ModelResponse,
      ResponseStreamEvent
    >;
  };
}

/**
 * The client's calls, charged. One call is held and captured once, however often the client sends
 * it. Make one for each request of a customer: it is a few closures.
 */
export function chargedOpenAI(client: OpenAI, credits: Scrip, charges: Charges): ChargedOpenAI {
  const create = (surface: Surface, send: Send) => async (body: Body, options?: RequestOptions) => {
    if (!body.model) throw new TypeError("a call needs its model, whose rates are charged");
    const { tools } = body;
    const isRunByProvider = tools?.some(({ type }) => type !== "function" && type !== "custom");
    needsInput(surface.readsMore(body) || isRunByProvider === true, charges);
    const output = most(surface.output(body), charges);
    const asked = surface.asked(body, output);
    const { model, stream } = body;
    const input = JSON.stringify(surface.input(body));
    const hasTools = Boolean(tools?.length || body.functions?.length);
    const call = { model, input, hasTools, output, signal: options?.signal ?? undefined };
    if (!stream) {
      const begin = () => send(asked, options);
      return chargedWhole(credits, charges, call, begin, surface.told);
    }
    const begin = async () => {
      const answer = (await send(asked, options)) as Stream<object>;
      return { answer, parts: answer, stop: () => answer.controller.abort() };
    };
    const { answer, parts } = await charged(credits, charges, call, begin, surface.told);
    const Same = answer.constructor as typeof Stream<object>;
    const isShown = (part: object) => !surface.hides(body, part);
    return new Same(() => read(parts, isShown), answer.controller);
  };
  const { responses } = client;
  const { completions } = client.chat;
  return {
    chat: {
      completions: {
        create: create(COMPLETIONS, completions.create.bind(completions) as unknown as Send),
      },
    },
    responses: {
      create: create(RESPONSES, responses.create.bind(responses) as unknown as Send),
    },
  } as ChargedOpenAI;
}

type Send = (body: Body, options?: RequestOptions) => PromiseLike<object>;

/** What the bodies of both surfaces have. */
interface Body {
  model: string;
  stream?: boolean | null;
  tools?: { type: string }[];
  functions?: unknown[];
}

/** Where a surface of the API has what a charge needs. */
interface Surface<B = any> {
  /** Whether the model reads more than the text of the request. */
  readsMore(body: B): boolean;
  input(body: B): unknown;
  output(body: B): number | null | undefined;
  asked(body: B, output: number): Body;
  told(part: any): Told;
  /** Whether a part is for the charge alone. */
  hides(body: B, part: any): boolean;
}

/** An answer of chat completions, or a part of one. */
interface ChatPart {
  usage?: object | null;
  choices?: ({ delta?: object | null; message?: object | null } | null)[] | null;
}

/** An answer of the surface `responses`, or an event of one. */
interface ResponsesPart {
  type?: string;
  usage?: object | null;
  response?: { usage?: object | null };
  delta?: unknown;
  output_text?: string;
}

type ChatBody = ChatCompletionCreateParamsNonStreaming | ChatCompletionCreateParamsStreaming;

const COMPLETIONS: Surface<ChatBody> = {
  readsMore: (body) => !isText(body.messages) || Boolean(body.web_search_options),
  input: (body) => [
    body.messages,
    body.tools,
    body.functions,
    body.response_format,
    body.prediction,
    body.web_search_options,
  ],
  // The maximum holds for each choice.
  output: (body) => timesChoices(body.max_completion_tokens ?? body.max_tokens, body.n),
  asked: (body, output) => ({
    ...body,
    ...(body.max_completion_tokens == null &&
      body.max_tokens == null && { max_completion_tokens: ofEach(output, body.n ?? 1) }),
    // Without it a stream of OpenAI's never tells its usage.
    ...(body.stream && { stream_options: { ...body.stream_options, include_usage: true } }),
  }),
  told: ({ usage, choices }: ChatPart) => ({
    ...told(usage),
    text: (choices ?? []).map((choice) => text(choice?.delta ?? choice?.message)).join(""),
  }),
  // Who did not ask for the usage of a stream does not expect a part without a choice.
  hides: ({ stream_options }, { usage, choices }: ChatPart) =>
    !stream_options?.include_usage && usage != null && !choices?.length,
};

type ResponsesBody = ResponseCreateParamsNonStreaming | ResponseCreateParamsStreaming;

const RESPONSES: Surface<ResponsesBody> = {
  readsMore: ({ background, previous_response_id, conversation, prompt, input }) => {
    if (background) throw new TypeError("the usage of a background response comes after the call");
    return Boolean(previous_response_id || conversation || prompt) || !isText(input);
  },
  input: ({ input, instructions, tools, text }) => [input, instructions, tools, text],
  output: (body) => body.max_output_tokens,
  asked: ({ model, ...body }, output) => ({ model: model!, ...body, max_output_tokens: output }),
  told: ({ type = "", usage, response, delta, output_text }: ResponsesPart) => ({
    ...told(usage ?? response?.usage),
    text: output_text ?? (type.endsWith(".delta") && typeof delta === "string" ? delta : ""),
    failed: type === "error" || type === "response.failed",
  }),
  hides: () => false,
};

const timesChoices = (most: number | null | undefined, n: number | null | undefined) =>
  most == null ? most : most * (n ?? 1);

/** The maximum of each of `n` choices. */
function ofEach(output: number, n: number): number {
  if (output < n) throw new TypeError(`outputAtMost ${output} is not enough for ${n} choices`);
  return Math.floor(output / n);
}

/** The usage that a part tells. Some providers count thinking in the total alone. */
function told(usage: object | null | undefined): Told {
  const counts = (usage ?? {}) as Record<string, number | undefined>;
  const input = counts.prompt_tokens ?? counts.input_tokens;
  const output = counts.completion_tokens ?? counts.output_tokens;
  const most = Math.max(output ?? 0, (counts.total_tokens ?? 0) - (input ?? 0));
  return { used: toldBy(usage, "openai"), totals: totalsOf(input, most) };
}

/** All that a model wrote in a message, or in a part of one. */
function text(message: object | null | undefined): string {
  const { role: _, ...written } = { role: "", ...message };
  return Object.values(written)
    .map((value) => (typeof value === "string" ? value : value ? JSON.stringify(value) : ""))
    .join("");
}

/** Reads a stream; who stops reading cancels it. */
async function* read<T>(
  parts: ReadableStream<T>,
  isShown: (part: T) => boolean,
): AsyncGenerator<T> {
  const reader = parts.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (isShown(value)) yield value;
    }
  } finally {
    await reader.cancel();
  }
}
