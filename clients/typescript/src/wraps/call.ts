/** Charges one call of a model: holds its maxima, and captures what its provider says it used. */

import type { Work } from "../charge.js";
import type { Scrip } from "../client.js";
import type { Limited } from "../limits.js";
import { areCounts, type Meters, type UsageFormat, type Used } from "../metered.js";
import type { ForAccount, Reach, StreamRequest } from "../types.js";

/** Who pays for the calls of a wrapped model, and the most that one may use. */
export interface Charges extends ForAccount, Limited, Reach {
  /** The action that has the rates of models: `chat` if left out. */
  action?: string;
  user?: string;
  reference?: string;
  expires_in_s?: number;
  /**
   * The most tokens that the input of a call may have. If it is left out, there is one held for
   * each byte of the request's text, and some for what a provider adds to tools. A call that reads
   * more than its text needs it: files, images, what is stored, what the provider's own tools find.
   */
  inputAtMost?: number;
  /** The most output of a call that sets no maximum of its own; it is then sent with the call. */
  outputAtMost?: number;
  /**
   * Counts the tokens of a whole text, where the provider told no usage: a quarter of its bytes, if
   * it is left out.
   */
  countTokens?: (text: string) => number;
  /** Whether more than what is held may be charged, of a call that used more. */
  beyond?: boolean;
  onCharged?: StreamRequest["onCharged"];
  waitUntil?: StreamRequest["waitUntil"];
}

/** One call, as far as its charge depends on it. */
export interface Call {
  model: string;
  /** All that the model reads, as text. */
  input: string;
  /** Whether the provider adds an explanation of tools to it. */
  hasTools: boolean;
  /** The most output that it may have. */
  output: number;
  signal?: AbortSignal | undefined;
}

/** What is known of a call that has begun. */
export interface Begun<Answer, Part> {
  answer: Answer;
  parts: AsyncIterable<Part>;
  /** Ends the provider's work. */
  stop?: () => void;
}

/** The meaning of a part: the provider's usage so far, if it has it, and the model's text. */
export interface Told {
  used?: Used | undefined;
  /** The same as plain input and output, which is charged if Scrip refuses `used`. */
  totals?: Meters | undefined;
  text?: string | undefined;
  /** It is an error that a stream has as a part: the call is free, unless usage is told. */
  failed?: boolean;
}

/**
 * Holds the maxima of a call, begins it, and answers with a stream of its parts. What they told is
 * charged when they end, or when their reader or the call's signal stops them. A call that fails is
 * free, unless it has told its usage. Whatever cannot be charged goes to `onUnpaid`.
 *
 * @throws `Refused` or `OutcomeUnknown`, before the call; the call's own error.
 */
export async function charged<Answer, Part>(
  credits: Scrip,
  { action = "chat", inputAtMost, outputAtMost: _, countTokens, ...charges }: Charges,
  { model, input, hasTools, output, signal }: Call,
  begin: () => PromiseLike<Begun<Answer, Part>>,
  read: (part: Part) => Told,
): Promise<{ answer: Answer; parts: ReadableStream<Part> }> {
  const most = inputAtMost ?? bytes(input) + (hasTools ? EXPLAINS_TOOLS : 0);
  const maxima = { input: most, output };
  const request = { ...charges, action, model, meters: maxima, signal };
  let answer!: Answer;
  let failure: { error: unknown } | undefined;
  const work = async function* ({ delivered, signal }: Work): AsyncGenerator<Part | undefined> {
    const begun = await begin();
    ({ answer } = begun);
    if (begun.stop) signal.addEventListener("abort", begun.stop);
    if (signal.aborted) begun.stop?.();
    const seen = new Seen(maxima, input, countTokens, read);
    // Before the charge reads what was reported.
    signal.addEventListener("abort", () => seen.isEmpty || seen.report(delivered));
    yield undefined;
    try {
      for await (const part of begun.parts) {
        seen.add(part);
        yield part;
      }
    } catch (error) {
      if (!seen.hasTold) throw error;
      failure = { error };
    }
    seen.report(delivered);
  };
  const all = await credits.stream(request, work);
  const reader = all.getReader();
  // The first part stands for the beginning, so an error of it is thrown here, where a library that
  // tries again expects it.
  await reader.read();
  const pull = async (parts: ReadableStreamDefaultController<Part>) => {
    const { done, value } = await reader.read();
    if (!done) parts.enqueue(value as Part);
    // Of a call that failed after it told its usage: that is charged by now.
    else if (failure) parts.error(failure.error);
    else parts.close();
  };
  const cancel = (reason: unknown) => reader.cancel(reason);
  return { answer, parts: new ReadableStream({ pull, cancel }, { highWaterMark: 0 }) };
}

/** As {@link charged}, for a call whose answer is one piece. */
export async function chargedWhole<Answer>(
  credits: Scrip,
  charges: Charges,
  call: Call,
  begin: () => PromiseLike<Answer>,
  read: (answer: Answer) => Told,
): Promise<Answer> {
  const whole = async () => {
    const answer = await begin();
    return { answer, parts: one(answer) };
  };
  const { answer, parts } = await charged(credits, charges, call, whole, read);
  const reader = parts.getReader();
  while (!(await reader.read()).done);
  return answer;
}

/** The maximum of a call's output. */
export function most(output: number | null | undefined, { outputAtMost }: Charges): number {
  const most = output ?? outputAtMost;
  if (most === undefined) {
    throw new TypeError("a call without a maximum of output needs outputAtMost, which is held");
  }
  return most;
}

/** The usage object of a provider, unless it says nothing yet: null, or all of it 0. */
export function toldBy(usage: object | null | undefined, format: UsageFormat): Used | undefined {
  const counts: unknown[] = Object.values(usage ?? {});
  const hasTold = counts.some((count) => typeof count === "number" && count > 0);
  return hasTold ? { usage: usage!, usage_format: format } : undefined;
}

/** Refuses a call that reads more than the text of its request, unless its input is told. */
export function needsInput(readsMore: boolean, { inputAtMost }: Charges): void {
  if (!readsMore || inputAtMost !== undefined) return;
  throw new TypeError(
    "a call that reads more than its text (files, images, what is stored, what the provider's own " +
      "tools find) needs inputAtMost, which is held",
  );
}

/** The types of messages, parts and results that are text, in all libraries. */
const TEXTS = new Set(
  (
    "message text reasoning refusal input_text output_text reasoning_text summary_text " +
    "function_call function_call_output custom_tool_call custom_tool_call_output tool-call " +
    "tool-result tool-approval-request tool-approval-response content json error-text error-json " +
    "execution-denied"
  ).split(" "),
);

/** Whether a message, or a part of one, is text and nothing else. */
export function isText(part: unknown): boolean {
  if (Array.isArray(part)) return part.every(isText);
  if (typeof part !== "object" || part === null) return true;
  if (ArrayBuffer.isView(part)) return false;
  const { type = "message", content, output, value, audio } = part as Record<string, unknown>;
  if (audio || !TEXTS.has(type as string)) return false;
  return isText(content) && isText(output) && (type !== "content" || isText(value));
}

/** Input and output in all, if both are counts. All of it 0 is what a provider has not told. */
export function totalsOf(input: unknown, output: unknown): Meters | undefined {
  const totals = { input, output } as Meters;
  return areCounts(totals) && (input || output) ? totals : undefined;
}

/** What was seen of a call so far. */
class Seen<Part> {
  #told: Used | undefined;
  #totals: Meters | undefined;
  #bytes = 0;
  readonly #texts: string[] = [];
  #isUnclear = false;
  #failed = false;

  constructor(
    readonly maxima: Required<Pick<Meters, "input" | "output">>,
    readonly input: string,
    /** By bytes, if there is none. */
    readonly count: ((text: string) => number) | undefined,
    readonly read: (part: Part) => Told,
  ) {}

  add(part: Part): void {
    try {
      const { used, totals, text, failed } = this.read(part);
      this.#failed ||= failed ?? false;
      // Usage is told as it is so far, in all: the latest counts.
      if (used) [this.#told, this.#totals] = [used, totals];
      if (!text) return;
      this.#bytes += bytes(text);
      if (this.count) this.#texts.push(text);
    } catch (error) {
      this.#isUnclear = true;
      console.error("a part of an answer cannot be read:", error);
    }
  }

  get hasTold(): boolean {
    return this.#told !== undefined;
  }

  get isEmpty(): boolean {
    return !this.hasTold && !this.#isUnclear && this.#bytes === 0;
  }

  /** Reports what the provider has told; else the text, and not more than is held. */
  report(delivered: Work["delivered"]): void {
    if (this.#told) {
      try {
        return delivered({ ...this.#told, otherwise: this.#totals });
      } catch (error) {
        console.error("the usage of an answer cannot be charged:", error);
        return delivered({ meters: this.#totals ?? this.maxima });
      }
    }
    delivered({ meters: this.#failed ? { input: 0, output: 0 } : this.#ofText() });
  }

  /** By the text; the maxima, if that cannot be counted. */
  #ofText(): Meters {
    if (this.#isUnclear) return this.maxima;
    try {
      const [input, output] = this.count
        ? [this.count(this.input), this.#texts.length && this.count(this.#texts.join(""))]
        : [bytes(this.input) / 4, this.#bytes / 4];
      const { maxima } = this;
      const meters = {
        input: Math.min(Math.ceil(input), maxima.input),
        output: Math.min(Math.ceil(output), maxima.output),
      };
      if (areCounts(meters)) return meters;
      throw new TypeError(`countTokens: ${input} and ${output} are no counts`);
    } catch (error) {
      console.error("the text of a call cannot be counted:", error);
      return this.maxima;
    }
  }
}

/** Tokens that a provider may add to a request that has tools: Anthropic adds 300 to 600. */
const EXPLAINS_TOOLS = 1000;
const bytes = (text: string) => new TextEncoder().encode(text).length;

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
