/** A model on loopback that speaks as OpenAI's, and a stand-in for a Scrip that knows meters. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { Meters, Unpaid, UsageFormat } from "scrip-client";
import { Scrip } from "scrip-client";

/** A model of the default rate table. */
export const MODEL = "gpt-5-mini";
/** What the model used: 10 tokens of 1 000 are not cached, and 3 words are written. */
export const USAGE = {
  prompt_tokens: 1000,
  completion_tokens: 3,
  total_tokens: 1003,
  prompt_tokens_details: { cached_tokens: 990 },
};
export const RESPONSES_USAGE = { input_tokens: 10, output_tokens: 3, total_tokens: 13 };
const WORDS = ["a ", "gull ", "flies"];

export interface Behaviour {
  /** When a stream tells its usage. */
  usage?: "end" | "middle" | "never";
  /** So many requests fail first. */
  failures?: number;
  /** It stops after so many words, and says no more. */
  hangsAfter?: number;
  /** The connection ends after so many words. */
  breaksAfter?: number;
  /** It sends these parts before the words. */
  first?: object[];
  /** What it tells in place of its usage. */
  tells?: object;
}

/** Its address, and the bodies that it got. */
export async function model(t: TestContext, behaviour: Behaviour) {
  const { usage = "end", failures = 0, hangsAfter, breaksAfter, first = [] } = behaviour;
  const asked: Record<string, unknown>[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += part;
    const body = JSON.parse(text) as Record<string, unknown>;
    asked.push(body);
    if (asked.length <= failures) {
      response.writeHead(500, { "retry-after-ms": "1" }).end("{}");
      return;
    }
    const head = { id: "chat-1", created: 1, model: body.model };
    if (!body.stream) {
      const message = { role: "assistant", content: WORDS.join("") };
      const choices = [{ index: 0, message, finish_reason: "stop" }];
      const whole = { ...head, object: "chat.completion", choices, usage: USAGE };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(whole));
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    if (request.url?.endsWith("/responses")) {
      const events = WORDS.map((delta) => ({ type: "response.output_text.delta", delta }));
      const completed = { type: "response.completed", response: { usage: RESPONSES_USAGE } };
      for (const event of usage === "end" ? [...events, completed] : events) {
        response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
      }
      response.end();
      return;
    }
    const say = (part: object) => {
      const chunk = { ...head, object: "chat.completion.chunk", ...part };
      response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    };
    for (const part of first) say(part);
    for (const [index, content] of WORDS.entries()) {
      if (index === hangsAfter) return;
      // The words before it have to be on their way.
      if (index === breaksAfter) return void setTimeout(() => response.destroy(), 50);
      const choices = [{ index: 0, delta: { content }, finish_reason: null }];
      // As of vLLM with `continuous_usage_stats`: so far, in all.
      const sofar = { ...USAGE, completion_tokens: index + 1, total_tokens: 1001 + index };
      say({ choices, usage: usage === "middle" ? sofar : null });
    }
    say({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
    if (usage === "end") say({ choices: [], usage: behaviour.tells ?? USAGE });
    response.end("data: [DONE]\n\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, asked };
}

const UNREADABLE = { code: "invalid_request", detail: "usage.total_tokens is missing" };

/** The body of a hold or of a charge. */
export interface Sent {
  action?: string;
  model?: string;
  meters?: Meters;
  usage?: typeof USAGE | typeof RESPONSES_USAGE;
  usage_format?: UsageFormat;
  user?: string;
}

/** Credits in all, at 10 for a token of output, 1 of input and 0.1 of cached input. */
function price({ meters, usage }: Sent): number {
  if (usage && "input_tokens" in usage) return usage.input_tokens + usage.output_tokens * 10;
  if (usage) {
    const cached = usage.prompt_tokens_details.cached_tokens;
    const input = usage.prompt_tokens - cached;
    return input + cached / 10 + usage.completion_tokens * 10;
  }
  return (meters?.input ?? 0) + (meters?.cached_input ?? 0) / 10 + (meters?.output ?? 0) * 10;
}

/** Keeps what is held and charged: each key once, and never more than is held. */
export class StandIn {
  readonly holds: Sent[] = [];
  readonly captures: Sent[] = [];
  readonly unpaid: Unpaid[] = [];
  charged = 0;
  released = 0;
  readonly #answers = new Map<string, object>();
  /** Of every hold. */
  refusal: { code: string; status: number } | undefined;
  /** So many answers to captures are lost. */
  lost = 0;
  /** No capture is answered. */
  isAway = false;
  /** It cannot read any usage object. */
  isBlind = false;
  /** Of a capture, if they are set. */
  uncharged: string | undefined;
  /** Every hold lapses before it is captured. */
  lapses = false;
  readonly debits: Sent[] = [];

  readonly credits = new Scrip({
    url: "https://credits.example",
    deadlineMs: 500,
    onUnpaid: (unpaid) => void this.unpaid.push(unpaid),
    fetch: async (request) => {
      const answer = this.#answer(
        new URL(request.url).pathname,
        request.headers.get("idempotency-key") ?? "",
        (await request.json()) as Sent,
      );
      if (request.url.endsWith("/capture") && this.lapses) {
        return Response.json({ code: "hold_ended", ended: "lapsed" }, { status: 409 });
      }
      if (this.refusal) return Response.json(this.refusal, this.refusal);
      if (this.isBlind && answer === undefined) return Response.json(UNREADABLE, { status: 400 });
      return answer ? Response.json(answer, { status: 201 }) : new Response("", { status: 503 });
    },
  });

  #answer(path: string, key: string, sent: Sent): object | undefined {
    const [what, hold, of] = path.split("/").slice(4);
    if (of === "capture" && (this.isAway || this.lapses)) return undefined;
    if (this.isBlind && sent.usage) return undefined;
    if (what === "quotes") return { credits: String(price(sent)) };
    if (!this.#answers.has(key)) {
      const receipt = { id: String(this.holds.length) };
      const { uncharged } = this;
      this.#answers.set(key, of === "capture" && uncharged ? { ...receipt, uncharged } : receipt);
      if (what === "debits") this.debits.push(sent);
      if (of === "release") this.released++;
      else if (of === "capture") {
        this.captures.push(sent);
        this.charged += Math.min(price(sent), price(this.holds[Number(hold)]!));
      } else if (what === "holds" && !of) this.holds.push(sent);
    }
    return of === "capture" && this.lost-- > 0 ? undefined : this.#answers.get(key);
  }
}
