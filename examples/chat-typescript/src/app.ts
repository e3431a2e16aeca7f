/** The chat endpoint: POST /chat streams an answer, and charges a credit for each word of it. */

import { Hono } from "hono";
import { OutcomeUnknown, Refused, type Scrip } from "scrip-client";
import type { Model } from "./model.js";

/** The customer's account, and the person in it. */
export interface Customer {
  account: string;
  user: string;
}

/** Who sent a request; undefined if nobody is signed in. The real one looks at your session. */
export type SignIn = (request: Request) => Customer | undefined;

/** The longest answer; a chat may ask for less. So many credits are held while it is made. */
const MAX_WORDS = 200;

export function chat(credits: Scrip, model: Model, signIn: SignIn): Hono {
  const app = new Hono();
  app.post("/chat", async (context) => {
    const customer = signIn(context.req.raw);
    if (!customer) return context.json({ message: "Please sign in." }, 401);
    const asked = question(await context.req.json().catch(() => undefined));
    if (typeof asked === "string") return context.json({ message: asked }, 400);

    const charge = { ...customer, action: "rich_text", quantity: asked.words };
    try {
      const answer = await credits.stream(charge, async function* (work) {
        let count = 0;
        for await (const word of model.words(asked.prompt, asked.words, work.signal)) {
          work.delivered(++count);
          yield word;
        }
      });
      // When the customer closes the page, the server cancels this stream: the words until then
      // are charged, and the model stops.
      return context.body(answer.pipeThrough(new TextEncoderStream()), 200, {
        "content-type": "text/plain; charset=utf-8",
      });
    } catch (error) {
      if (error instanceof Refused) return context.json(shown(error), refusedStatus(error));
      if (!(error instanceof OutcomeUnknown)) throw error;
      return context.json({ message: "The chat is not available. Try again in a minute." }, 503);
    }
  });
  return app;
}

/** The request's body, or what is wrong with it. */
function question(body: unknown): { prompt: string; words: number } | string {
  const { prompt, words = MAX_WORDS } = (body ?? {}) as { prompt?: unknown; words?: unknown };
  if (typeof prompt !== "string" || prompt.trim() === "") return "Write a prompt.";
  if (typeof words !== "number" || !Number.isInteger(words) || words < 1 || words > MAX_WORDS) {
    return `Ask for 1 to ${MAX_WORDS} words.`;
  }
  return { prompt, words };
}

/** What the customer sees of a refusal. */
function shown(refused: Refused): { message: string; top_up_url?: string | null } {
  if (refused.is("insufficient_credits")) {
    const { required, available, recharges_at, top_up_url } = refused.problem;
    const more = recharges_at === null ? "" : ` New ones come on ${recharges_at.slice(0, 10)}.`;
    const message = `This needs up to ${required} credits, and you have ${available}.${more}`;
    return { message, top_up_url };
  }
  if (refused.is("limit_reached")) {
    const { required, left, at_most, resets_at } = refused.problem;
    const more = resets_at === null ? "" : ` They come back on ${resets_at.slice(0, 10)}.`;
    const credits = `${required} credits, and ${left} of your ${at_most} are left`;
    return { message: `This needs up to ${credits}.${more}` };
  }
  if (refused.is("debt_outstanding")) {
    const { debt, top_up_url } = refused.problem;
    return { message: `Your account owes ${debt} credits.`, top_up_url };
  }
  if (refused.is("plan_required")) return { message: "Your plan has no AI." };
  if (refused.is("account_frozen")) return { message: "Your account is frozen. Please ask us." };
  if (refused.is("too_many_holds")) {
    return { message: "Your team has too many chats at once. Try again in a moment." };
  }
  // The rest is a mistake of this program: it must not look like the customer's.
  throw refused;
}

function refusedStatus(refused: Refused): 402 | 429 {
  return refused.is("too_many_holds") ? 429 : 402;
}
