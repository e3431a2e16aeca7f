/** Serves the chat on 127.0.0.1:8080. */

import { serve } from "@hono/node-server";
import { Scrip } from "scrip-client";
import { chat, type SignIn } from "./app.js";
import { Parrot } from "./model.js";
import { UnpaidFile } from "./unpaid.js";

const { SCRIP_URL, SCRIP_KEY, PORT, MS_PER_WORD } = process.env;
if (!SCRIP_URL) throw new Error("SCRIP_URL is not set: it is the address of a Scrip stack");

const unpaid = new UnpaidFile("unpaid.jsonl");
const credits = new Scrip({
  url: SCRIP_URL,
  key: SCRIP_KEY,
  // Nobody waits for a chat for longer.
  deadlineMs: 8_000,
  onUnpaid: (charge) => unpaid.store(charge),
});

/** Stands for your sign-in: the header `X-Customer: ada@acme` is believed. */
const signIn: SignIn = (request) => {
  const [user, account] = request.headers.get("x-customer")?.split("@") ?? [];
  return user && account ? { user, account } : undefined;
};

const app = chat(credits, new Parrot(Number(MS_PER_WORD || 50)), signIn);
// A variable that is set and empty is not set: port 0 would be any free one.
const port = Number(PORT || 8080);
serve({ fetch: app.fetch, hostname: "127.0.0.1", port }, ({ port }) => {
  console.log(`Chat on http://127.0.0.1:${port}/chat`);
});

/** Pays what is unpaid, now and every minute. */
async function payUnpaid(): Promise<void> {
  await unpaid.pay(credits).catch((error: unknown) => console.error(error));
  setTimeout(payUnpaid, 60_000);
}
void payUnpaid();
