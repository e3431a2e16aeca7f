/** Charges that could not be sent when their work was done: kept in a file, and paid later. */

import { appendFile, readFile, rename, rm } from "node:fs/promises";
import type { Scrip, Unpaid } from "scrip-client";

export class UnpaidFile {
  constructor(readonly path: string) {}

  async store(unpaid: Unpaid): Promise<void> {
    await appendFile(this.path, `${JSON.stringify(unpaid)}\n`);
  }

  /** Pays what is stored. Each is charged once, however often this program dies on the way. */
  async pay(credits: Scrip): Promise<void> {
    const taken = `${this.path}.taken`;
    // What is stored from now on goes to a new file. One that was taken and not paid comes first.
    const isTaken = await exists(taken);
    if (!isTaken && !(await exists(this.path))) return;
    if (!isTaken) await rename(this.path, taken);
    for (const line of (await readFile(taken, "utf8")).split("\n").filter(Boolean)) {
      const unpaid = JSON.parse(line) as Unpaid;
      try {
        await credits.pay(unpaid);
      } catch (error) {
        // A refusal may pass, too, once there are credits or the key is right.
        await this.store(unpaid);
        console.error(`${unpaid.account} is not charged yet:`, error);
      }
    }
    await rm(taken);
  }
}

function exists(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    () => false,
  );
}
