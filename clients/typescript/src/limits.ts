/** Limits: what a charge counts for, and how much may be charged of it. */

import type { components } from "./contract.js";

type Schemas = components["schemas"];

/** The windows of limits. Those of the calendar are in UTC; a week begins on Monday. */
export type Per = Schemas["Per"];

/** A limit that a request brings: `per` is `ever` if it is left out. */
export type LimitAsked = Schemas["LimitsAsked"][number];

/** What a charge counts for beside its `user`. */
export interface Limited {
  /** At most 3, such as `team:ops`. They are part of what a key stands for. */
  subjects?: Schemas["Subjects"];
  /** At most 4. The charge counts for each `of`; the numbers are not part of what a key stands for. */
  limits?: Schemas["LimitsAsked"];
}
