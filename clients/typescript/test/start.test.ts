/** The first hour: every block of docs/start/typescript.md, in an empty folder, on a local stack. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { localStack } from "./local.js";

const CHECKOUT = fileURLToPath(new URL("../../../../", import.meta.url));
const OF_THE_CHECKOUT = ["openapi.yaml", "LICENSE-APACHE", "LICENSE-MIT", "clients/typescript"];
/** What `npm ci` and the build make: a fresh checkout has none of it. */
const MADE = /\/(node_modules|dist|build|test|.*\.tgz)$/;

test("the_first_hour_prints_what_it_shows", async (t) => {
  const stack = await localStack();
  t.after(() => stack.end());
  const folder = await mkdtemp(join(tmpdir(), "scrip-start-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const path of OF_THE_CHECKOUT) {
    const filter = (path: string) => !MADE.test(path);
    await cp(join(CHECKOUT, path), join(folder, "scrip", path), { recursive: true, filter });
  }
  const document = await readFile(join(CHECKOUT, "docs/start/typescript.md"), "utf8");
  const here = document
    .replace("\ncargo run\n", "\ntrue\n")
    .replace("SCRIP=~/scrip", `SCRIP=${folder}/scrip`)
    .replace("SCRIP_KEY=scrip_sk_...", `SCRIP_KEY=${stack.key}`)
    .replaceAll("http://127.0.0.1:3000", stack.url);

  // One shell runs all blocks: each begins in the folder, and with the variables, of those before.
  const script = ["set -euo pipefail"];
  const shown: string[] = [];
  let count = 0;
  for (const { 1: language, 2: code = "", index } of here.matchAll(/```(\w+)\n(.*?)```/gs)) {
    if (language === "ts") {
      const [, name] = /`(\w+\.ts)`[^`]*$/.exec(here.slice(0, index)) ?? [];
      assert.ok(name, `no file is named before ${code}`);
      await writeFile(join(folder, name), code);
      script.push(`cp ${folder}/${name} .`);
    } else if (language === "sh") {
      shown[count] = "";
      script.push(`{ ${code}} > ${folder}/${count++}.txt`);
    } else {
      assert.equal(language, "text");
      shown[count - 1] = code;
    }
  }
  await promisify(execFile)("bash", ["-c", script.join("\n")], { cwd: folder });
  assert.equal(shown.filter((text) => text !== "").length, 3);
  for (const [index, text] of shown.entries()) {
    const printed = await readFile(join(folder, `${index}.txt`), "utf8");
    if (text !== "") assert.equal(printed, text);
  }
});
