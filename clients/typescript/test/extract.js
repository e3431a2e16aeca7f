// Writes the README's examples to test/readme, where they are compiled with the tests: 1.mjs, 2.ts, ...

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";

const folder = new URL("readme/", import.meta.url);
await rm(folder, { recursive: true, force: true });
await mkdir(folder);
const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
const examples = [...readme.matchAll(/```(js|ts)\n(.*?)```/gs)];
for (const [index, [, language, code]] of examples.entries()) {
  const name = `${index + 1}.${language === "js" ? "mjs" : "ts"}`;
  await writeFile(new URL(name, folder), code);
}
