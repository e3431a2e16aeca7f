// Writes src/contract.ts: the types of the bodies that the contract's service routes take and answer.

import { readFile, writeFile } from "node:fs/promises";
import { parseYaml } from "@redocly/openapi-core";
import openapiTS, { astToString } from "openapi-typescript";

const contract = parseYaml(await readFile(new URL("../../openapi.yaml", import.meta.url), "utf8"));

const operations = Object.values(contract.paths)
  .flatMap((path) => Object.values(path))
  .filter((operation) => operation.tags?.includes("service"));

// Everything that they refer to, and what that refers to.
const found = new Map();
const left = [operations];
while (left.length > 0) {
  for (const [, reference] of JSON.stringify(left.pop()).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    if (found.has(reference)) continue;
    const value = reference.split("/").reduce((node, name) => node[name], contract);
    found.set(reference, value);
    left.push(value);
  }
}
const schemas = Object.fromEntries(
  [...found]
    .filter(([reference]) => reference.startsWith("components/schemas/"))
    .map(([reference, schema]) => [reference.slice("components/schemas/".length), schema])
    .sort(([one], [other]) => (one < other ? -1 : 1)),
);
// The routes are the client's own affair; its types are those of the bodies.
const types = await openapiTS(
  { ...contract, paths: {}, components: { schemas } },
  { silent: true, defaultNonNullable: false },
);
const head = "// Generated from openapi.yaml by generate.js. Do not edit.\n\n";
await writeFile(new URL("src/contract.ts", import.meta.url), head + astToString(types));
