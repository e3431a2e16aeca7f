/** Scrip's client: it gates work before it begins, and charges what was delivered, once. */

export { Scrip } from "./client.js";
export { OutcomeUnknown, Refused, ScripError, Unavailable } from "./errors.js";
export type { Work } from "./charge.js";
export type { LimitAsked, Limited, Per } from "./limits.js";
export type { MeteredFields, Meters, OfModel, Reported, UsageFormat, Used } from "./metered.js";
export type { ClientOptions } from "./send.js";
export type * from "./types.js";
