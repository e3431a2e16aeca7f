/** The README's examples, which test/extract.js has taken out of it. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import type { Scrip } from "scrip-client";
import { localStack } from "./local.js";

const FIRST = new URL("../../test/readme/1.mjs", import.meta.url).pathname;

test("the_first_example_charges_three_of_four_images", async (t) => {
  const seen: string[] = [];
  const stack = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    seen.push(`${request.method} ${request.url} ${body}`);
    response.end(JSON.stringify({ id: "01a20132", available: "2498.5" }));
  });
  await new Promise<void>((resolve) => stack.listen(0, "127.0.0.1", resolve));
  t.after(() => stack.close());
  const url = `http://127.0.0.1:${(stack.address() as AddressInfo).port}`;
  const env = { ...process.env, SCRIP_URL: url };
  const { stdout } = await promisify(execFile)(process.execPath, [FIRST], { env });
  assert.match(stdout, /a lighthouse 3' \] 2498\.5/);
  assert.deepEqual(seen, [
    'POST /v1/accounts/acme/holds {"action":"custom_image","quantity":4,"user":"ada","expires_in_s":300}',
    'POST /v1/accounts/acme/holds/01a20132/capture {"quantity":3,"user":"ada"}',
    "GET /v1/accounts/acme/balance ",
  ]);
});

/** What an example prints that runs on a stack of its own. */
async function printed(t: TestContext, number: number): Promise<string> {
  const stack = await localStack();
  t.after(() => stack.end());
  const env = { ...process.env, SCRIP_URL: stack.url, SCRIP_KEY: stack.key };
  const example = new URL(`./readme/${number}.js`, import.meta.url).pathname;
  return (await promisify(execFile)(process.execPath, [example], { env })).stdout;
}

test("the_example_of_limits_is_refused_as_it_says", async (t) => {
  assert.deepEqual((await printed(t, 5)).split("\n"), [
    "run:7f has 2 of 5 left, per ever; 1 in all",
    "run:7f ever 3 null",
    "user:ada month 3 147",
    "",
  ]);
});

test("the_example_of_tokens_charges_what_it_shows", async (t) => {
  // 1200 of input at 390 a million, 350 of output at 1950; then 8000 cached at 39, too.
  assert.match(await printed(t, 9), /^1\.1505\na gull 1\.4625 [\d.]+\n$/);
});

test("both_signers_sign_as_aws_checks_it", async (t) => {
  process.env.AWS_ACCESS_KEY_ID = "AKIDEXAMPLE";
  process.env.AWS_SECRET_ACCESS_KEY = SECRET;
  let checked = 0;
  t.mock.method(globalThis, "fetch", async (request: Request) => {
    const body = await request.text();
    const [, names = "", signature] =
      /SignedHeaders=(\S+), Signature=(\w+)$/.exec(request.headers.get("authorization") ?? "") ??
      [];
    assert.equal(signature, expected(request, names.split(";"), body));
    if (request.method === "POST") assert.match(names, /idempotency-key/);
    checked++;
    if (checked % 2 === 0) assert.equal(request.headers.get("x-amz-date"), "20351127T000000Z");
    const headers = { date: "Tue, 27 Nov 2035 00:00:00 GMT" };
    return Response.json({ id: "01a20132", entries: [], next_cursor: null }, { headers });
  });
  for (const signer of ["./readme/7.js", "./readme/8.js"]) {
    const { credits } = (await import(signer)) as { credits: Scrip };
    await credits.debit({ account: "auth0|64f0", credits: "1", user: "å", key: "job 1" });
    const filters = { user: "a&b c", from: "2026-11-27T00:00:00+01:00" };
    for await (const _ of credits.ledger({ account: "acme", ...filters }));
  }
  assert.equal(checked, 4);
});

const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/** The signature that AWS expects: Signature Version 4, by its documentation. */
function expected({ method, url, headers }: Request, names: string[], body: string): string {
  const { host, pathname, searchParams } = new URL(url);
  const date = headers.get("x-amz-date") ?? "";
  const path = pathname.split("/").map(escaped).join("/");
  const query = [...searchParams]
    .map((pair) => pair.map(escaped).join("="))
    .sort()
    .join("&");
  const signed = names
    .map((name) => `${name}:${name === "host" ? host : headers.get(name)}\n`)
    .join("");
  const canonical = [method, path, query, signed, names.join(";"), sha256(body)].join("\n");
  const scope = [date.slice(0, 8), "us-east-1", "execute-api", "aws4_request"];
  const text = ["AWS4-HMAC-SHA256", date, scope.join("/"), sha256(canonical)].join("\n");
  const key = scope.reduce<string | Buffer>((key, part) => hmac(key, part), `AWS4${SECRET}`);
  return hmac(key, text).toString("hex");
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string) =>
  createHmac("sha256", key).update(text).digest();
const escaped = (text: string) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
