// The driver of the conformance suite on Node, Deno and Bun: a case a line, and its answer a line.

import { createInterface } from "node:readline";
import { play } from "./play.js";

// Deno's own `fetch` sends a POST again if a connection that it used before ends without an answer.
// The client would not learn of the lost try, after which no refusal is final for 5 s.
const client = globalThis.Deno?.createHttpClient({ poolMaxIdlePerHost: 0 });
const options = client && { fetch: (request, init) => fetch(request, { ...init, client }) };

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await play(JSON.parse(line), options)));
}
