/** The package: what is in it, and what it needs. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

test("the_package_has_its_code_and_types_and_nothing_else", async () => {
  const pack = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const { stdout } = await promisify(execFile)("npm", pack, { cwd: ROOT });
  const listed: unknown = JSON.parse(stdout);
  const [tarball] = Object.values(listed as object) as {
    files: { path: string }[];
    size: number;
  }[];
  const others = tarball!.files
    .map(({ path }) => path)
    .filter((path) => !/^dist\/(wraps\/)?[\w-]+\.(js|d\.ts)$/.test(path));
  const known = new Set(["README.md", "package.json", "LICENSE-MIT", "LICENSE-APACHE"]);
  assert.deepEqual(
    others.filter((path) => !known.has(path)),
    [],
  );
  assert.ok(tarball!.size < 60_000, `${tarball!.size} bytes`);
});

test("the_code_needs_nothing_but_what_every_runtime_has", async () => {
  const description = JSON.parse(await readFile(`${ROOT}/package.json`, "utf8"));
  assert.equal(description.dependencies, undefined);
  const core = ["batch", "charge", "client", "coalesce", "errors", "key", "send", "stream"];
  for (const name of [...core, "wraps/ai-sdk", "wraps/call", "wraps/openai"]) {
    const code = await readFile(`${ROOT}/dist/${name}.js`, "utf8");
    const imports = [...code.matchAll(/^import .* from "(.*)";$/gm)].map(([, from]) => from);
    assert.deepEqual(
      imports.filter((from) => !from?.startsWith(".")),
      [],
      name,
    );
    assert.doesNotMatch(code, /\b(process|Buffer|require)\b/, name);
  }
});
