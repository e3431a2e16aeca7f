// The driver of the conformance suite on Node, Deno and Bun: a case a line, and its answer a line.

import { createInterface } from "node:readline";
import { play } from "./play.js";

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await play(JSON.parse(line))));
}
