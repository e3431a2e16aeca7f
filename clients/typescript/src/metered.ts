/**
 * Charges by meters: what the contract will say of models and their tokens. Once `openapi.yaml` has
 * them, these types are its.
 */

/** Tokens by meter. A token is counted by one meter alone. */
export interface Meters {
  input?: number;
  /** Read from the provider's cache. */
  cached_input?: number;
  /** Written to it for 5 minutes. */
  cache_write?: number;
  cache_write_1h?: number;
  /** With those of thinking. */
  output?: number;
  input_audio?: number;
  cached_input_audio?: number;
  output_audio?: number;
}

/** Whose usage object it is. */
export type UsageFormat = "openai" | "anthropic" | "google";

/** What a call of a model used: by meter, or as its provider told it. */
export type Used = { meters: Meters } | { usage: object; usage_format: UsageFormat };

/** Holds the most that a call of a model may use. */
export interface HoldByMeters {
  action: string;
  /** The provider's own name of it. */
  model: string;
  meters: Meters;
  user?: string;
  reference?: string;
  expires_in_s?: number;
}

/** The fields of {@link Used} in a record of a charge. */
export interface UsedFields {
  model?: string;
  meters?: Meters;
  usage?: object;
  usage_format?: UsageFormat;
}
