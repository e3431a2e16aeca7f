// The driver of the suite on edge runtimes: `edge.js workerd` is Cloudflare's, `edge.js vercel` that of
// Vercel. They have no standard input, so each case is a request to a program that runs there.
// miniflare, edge-runtime and esbuild are those of the folder EDGE_RUNTIMES.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const installed = createRequire(`${process.env.EDGE_RUNTIMES}/`);
const program = fileURLToPath(new URL("play.js", import.meta.url));

/** The client and the player in one text, as an edge program is uploaded. */
async function bundled(answer) {
  const { build } = installed("esbuild");
  const contents = `import { play } from ${JSON.stringify(program)}; ${answer}`;
  const stdin = { contents, resolveDir: process.cwd() };
  const { outputFiles } = await build({ stdin, bundle: true, format: "esm", write: false });
  return outputFiles[0].text;
}

const runtimes = {
  async workerd() {
    const { Miniflare } = installed("miniflare");
    const answer = `export default {
      fetch: async (request) => Response.json(await play(await request.json()))
    }`;
    const compatibilityDate = "2026-01-01";
    const worker = new Miniflare({ modules: true, script: await bundled(answer), compatibilityDate });
    return async (body) => (await worker.dispatchFetch("http://worker/", { method: "POST", body })).text();
  },
  async vercel() {
    const { EdgeRuntime } = installed("edge-runtime");
    const answer = `addEventListener("fetch", (event) => event.respondWith(
      event.request.json().then(play).then((answer) => Response.json(answer))
    ))`;
    const edge = new EdgeRuntime({ initialCode: await bundled(answer) });
    return async (body) => (await edge.dispatchFetch("http://edge/", { method: "POST", body })).text();
  },
};

const play = await runtimes[process.argv[2]]();
for await (const line of createInterface({ input: process.stdin })) console.log(await play(line));
