/** An account on a stack, and what it was charged. */

import assert from "node:assert/strict";
import { Scrip, type Entry, type Unpaid } from "scrip-client";
import type { LocalStack } from "./local.js";

/** A client of the stack, and the account that pays; so many answers to captures are lost. */
export async function customer(stack: LocalStack, name: string, lost = 0) {
  const account = name.replace(/\W/g, "-");
  const headers = { "content-type": "application/json", "idempotency-key": account };
  const put = { method: "PUT", headers, body: JSON.stringify({ plan: "free" }) };
  assert.ok((await fetch(`${stack.url}/v1/accounts/${account}`, put)).ok);
  const unpaid: Unpaid[] = [];
  const credits = new Scrip({
    url: stack.url,
    key: stack.key,
    onUnpaid: (charge) => void unpaid.push(charge),
    fetch: async (request, init) => {
      const answer = await fetch(request, init);
      if (request.url.endsWith("/capture") && lost-- > 0) throw new Error("the answer is lost");
      return answer;
    },
  });
  const entries = async () => {
    const found: Entry[] = [];
    for await (const entry of credits.ledger({ account })) found.unshift(entry);
    return found.filter(({ kind }) => kind !== "opened" && kind !== "granted");
  };
  /** The entry of the charge, once nothing is held. */
  const charge = async () => {
    for (const until = performance.now() + 5000; ; ) {
      const { held } = await credits.balance({ account });
      if (held === "0") break;
      assert.ok(performance.now() < until, `${held} are held`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const captured = (await entries()).filter(({ kind }) => kind === "captured");
    assert.equal(captured.length, 1);
    assert.deepEqual(unpaid, []);
    return captured[0] as Entry & { model?: string; meters?: Record<string, number> };
  };
  return { credits, account, entries, charge };
}
