/** A local stack of a test: `SCRIP_LOCAL` is its program, target/debug/local if that is not set. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BUILT = fileURLToPath(new URL("../../../../target/debug/local", import.meta.url));
/** It prints its key as it starts. */
const TIMEOUT_MS = 30_000;

export interface LocalStack {
  url: string;
  /** The service key that it printed. */
  key: string;
  end(): void;
}

/** Starts a stack in memory, with the accounts that `cargo run` has. */
export async function localStack(): Promise<LocalStack> {
  const program = process.env.SCRIP_LOCAL ?? BUILT;
  if (!existsSync(program)) {
    throw new Error(`${program} is not there: build it by "cargo build -p local"`);
  }
  const options = ["--memory", "--addr", "127.0.0.1:0"];
  const stack = spawn(program, options, { stdio: ["ignore", "pipe", "inherit"] });
  const end = () => void stack.kill();
  const timer = setTimeout(end, TIMEOUT_MS);
  const lines = createInterface({ input: stack.stdout });
  let url: string | undefined;
  let key: string | undefined;
  for await (const line of lines) {
    url ??= /^Scrip on (http:[^,]+),/.exec(line)?.[1];
    key = /scrip_sk_[\w.~-]+/.exec(line)?.[0];
    if (key !== undefined) break;
  }
  clearTimeout(timer);
  if (url === undefined || key === undefined) throw new Error("the stack printed no key");
  // What it prints later is not read, and must not stop it.
  stack.stdout.resume();
  return { url, key, end };
}
