/** The wraps on a stack: each call is held and charged once, by its usage, never above what is held. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { customer } from "./customer.js";
import { aiSdk, openai } from "./libraries.js";
import { localStack, type LocalStack } from "./local.js";
import { MODEL } from "./model.js";

/** 2 000 of input at 32.5 a million, 50 of output at 260. */
const HELD = "0.078";
/** 10 of input, 990 cached at 3.25, 3 of output: 0.0043225, and up. */
const TOLD = { meters: { input: 10, cached_input: 990, output: 3 }, available: "0.073677" };

let stack: LocalStack;
before(async () => void (stack = await localStack()));
after(() => stack.end());

for (const [name, library] of Object.entries({ aiSdk, openai })) {
  for (const usage of ["end", "middle"] as const) {
    test(`${name}: usage_told_at_the_${usage}_is_charged_to_the_last_token`, async (t) => {
      const paying = await customer(stack, t.name);
      const { library: calls } = await library(t, paying, { usage }, { account: paying.account });
      assert.equal(await calls.stream(), "a gull flies");
      const { model, meters, available, held } = await paying.charge();
      assert.deepEqual({ model, meters, available, held }, { model: MODEL, ...TOLD, held: `-${HELD}` });
    });
  }

  test(`${name}: a_stream_that_never_tells_is_charged_by_its_text`, async (t) => {
    const paying = await customer(stack, t.name);
    const terms = { account: paying.account };
    const { library: calls } = await library(t, paying, { usage: "never" }, terms);
    await calls.stream();
    // "a gull flies" has 12 bytes.
    assert.equal((await paying.charge()).meters?.output, 3);
  });

  test(`${name}: usage_above_what_is_held_is_charged_up_to_it`, async (t) => {
    const paying = await customer(stack, t.name);
    const terms = { account: paying.account, inputAtMost: 1, outputAtMost: 1 };
    const { library: calls } = await library(t, paying, {}, terms);
    await calls.stream();
    const { available, held } = await paying.charge();
    assert.deepEqual({ available, held }, { available: "0", held: "-0.000293" });
  });

  test(`${name}: an_aborted_stream_is_charged_for_what_was_seen`, async (t) => {
    for (const usage of ["middle", "never"] as const) {
      const paying = await customer(stack, `${t.name} ${usage}`);
      const terms = { account: paying.account };
      const { library: calls } = await library(t, paying, { usage, hangsAfter: 2 }, terms);
      await calls.stream("a gull ", new AbortController()).catch(() => {});
      const { meters } = await paying.charge();
      // Of 7 bytes; as told, or as counted, it is 2.
      assert.equal(meters?.output, 2);
    }
  });

  test(`${name}: a_call_that_its_library_tries_again_is_charged_once`, async (t) => {
    const paying = await customer(stack, t.name, 1);
    const terms = { account: paying.account };
    const { library: calls, asked } = await library(t, paying, { failures: 1 }, terms);
    await calls.whole();
    assert.equal(asked.length, 2);
    assert.deepEqual((await paying.charge()).meters, TOLD.meters);
    const tries = (await paying.entries()).filter(({ kind }) => kind === "held").length;
    const released = (await paying.entries()).filter(({ kind }) => kind === "released").length;
    assert.equal(released, tries - 1);
  });
}
