/** Charges one call of a model: holds its maxima, and captures what its provider says it used. */

import type { Work } from "../charge.js";
import type { Scrip } from "../client.js";
import type { Meters, UsageFormat, Used } from "../metered.js";
import type { ForAccount, Reach, StreamRequest } from "../types.js";

/** Who pays for the calls of a wrapped model, and the most that one may use. */
export interface Charges extends ForAccount, Reach {
  /** The action that has the rates of models: `chat` if left out. */
  action?: string;
  user?: string;
  reference?: string;
  expires_in_s?: number;
  /**
   * The most tokens that the input of a call may have. If it is left out, there is one held for
   * each byte of the request's text: no text has more, but images and files that are named by URL
   * may.
   */
  inputAtMost?: number;
  /** The most output of a call that sets no maximum of its own; it is then sent with the call. */
  outputAtMost?: number;
  /**
   * Counts the tokens of a text, where the provider told no usage: a quarter of its bytes, if it is
   * left out.
   */
  countTokens?: (text: string) => number;
  onCharged?: StreamRequest["onCharged"];
  waitUntil?: StreamRequest["waitUntil"];
}

/** One call, as far as its charge depends on it. */
export interface Call {
  model: string;
  /** All that the model reads, as text. */
  input: string;
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
  /** The same in meters, if somebody has counted them. */
  counted?: Meters | undefined;
  text?: string | undefined;
  /** It is an error that a stream has as a part: the call is free, unless usage is told. */
  failed?: boolean;
}

/**
 * Holds the maxima of a call, begins it, and answers with a stream of its parts. What they told is
 * charged when they end, or when their reader or the call's signal stops them. A call that fails is
 * free. Whatever cannot be charged goes to `onUnpaid`.
 *
 * @throws `Refused` or `OutcomeUnknown`, before the call; the call's own error.
 */
export async function charged<Answer, Part>(
  credits: Scrip,
  { action = "chat", inputAtMost, outputAtMost: _, countTokens = quarter, ...charges }: Charges,
  { model, input, output, signal }: Call,
  begin: () => PromiseLike<Begun<Answer, Part>>,
  read: (part: Part) => Told,
): Promise<{ answer: Answer; parts: ReadableStream<Part> }> {
  const maxima = { input: inputAtMost ?? bytes(input), output };
  const request = { ...charges, action, model, meters: maxima, signal };
  let answer!: Answer;
  const work = async function* ({ delivered, signal }: Work): AsyncGenerator<Part | undefined> {
    const begun = await begin();
    ({ answer } = begun);
    if (begun.stop) signal.addEventListener("abort", begun.stop);
    if (signal.aborted) begun.stop?.();
    yield undefined;
    const seen = new Seen(maxima, input, countTokens);
    for await (const part of begun.parts) {
      seen.add(read(part));
      if (!seen.isEmpty) seen.report(delivered);
      yield part;
    }
    seen.report(delivered);
  };
  const all = await credits.stream(request, work);
  const reader = all.getReader();
  // The first part stands for the beginning, so an error of it is thrown here, where a library that
  // tries again expects it.
  await reader.read();
  reader.releaseLock();
  return { answer, parts: all as ReadableStream<Part> };
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

/** What was seen of a call so far. */
class Seen {
  #told: Used | undefined;
  #counted: Meters | undefined;
  #output = 0;
  #input: number | undefined;
  #failed = false;

  constructor(
    readonly maxima: Required<Pick<Meters, "input" | "output">>,
    readonly input: string,
    readonly count: (text: string) => number,
  ) {}

  add({ used, counted, text, failed }: Told): void {
    this.#failed ||= failed ?? false;
    // Usage is told as it is so far, in all: the latest counts.
    this.#told = used ?? this.#told;
    this.#counted = counted ?? this.#counted;
    if (text) this.#output += this.count(text);
  }

  get isEmpty(): boolean {
    return this.#told === undefined && this.#output === 0;
  }

  /** Reports what the provider has told; else the text, and not more than is held. */
  report(delivered: Work["delivered"]): void {
    const isFree = this.#failed && !this.#told;
    const meters = isFree ? { input: 0, output: 0 } : (this.#counted ?? this.#ofText());
    // The meters first: they are charged if Scrip cannot read the usage.
    delivered({ meters });
    if (this.#told) delivered(this.#told);
  }

  #ofText(): Meters {
    const { input, output } = this.maxima;
    this.#input ??= Math.ceil(this.count(this.input));
    return {
      input: Math.min(this.#input, input),
      output: Math.min(Math.ceil(this.#output), output),
    };
  }
}

const bytes = (text: string) => new TextEncoder().encode(text).length;
const quarter = (text: string) => Math.ceil(bytes(text) / 4);

async function* one<T>(value: T): AsyncGenerator<T> {
  yield value;
}
