/** Charges by meters: the tokens that a model used, as counts or as its provider told them. */

import type { Limited } from "./limits.js";

/** Tokens by meter: whole numbers. A token is counted by one meter alone. */
export interface Meters {
  input?: number;
  /** Read from the provider's cache. */
  cached_input?: number;
  /** Written to it for 5 minutes. */
  cache_write?: number;
  /** Written to it for an hour. */
  cache_write_1h?: number;
  /** With those of thinking. */
  output?: number;
  input_audio?: number;
  cached_input_audio?: number;
  output_audio?: number;
  input_image?: number;
  output_image?: number;
}

/** Whose usage object it is. */
export type UsageFormat = "openai" | "anthropic" | "google";

/** What a call of a model used: by meter, or the object in which its provider told it. */
export type Used = { meters: Meters } | { usage: object; usage_format: UsageFormat };

/** What work reports of a model. If Scrip refuses to charge that, it charges `otherwise`. */
export type Reported = Used & { otherwise?: Meters | undefined };

/** Calls of a model, by the action that has the rates of models. */
export type OfModel = Limited & {
  action: string;
  /** The provider's own name of it. */
  model: string;
  user?: string;
  reference?: string;
};

/** The fields of a charge by meters, in a record that may be of another charge. */
export interface MeteredFields {
  model?: string;
  meters?: Meters;
  /** In place of `meters`. */
  usage?: object;
  usage_format?: UsageFormat;
}

/** Whether all are whole numbers of 0 or more, and there is one. */
export function areCounts(meters: unknown): boolean {
  const counts: unknown[] = Object.values(meters ?? {});
  return counts.length > 0 && counts.every((n) => Number.isInteger(n) && (n as number) >= 0);
}

/** Whether nothing was used. */
export const isNothing = (meters: Meters) => Object.values(meters).every((count) => !count);
