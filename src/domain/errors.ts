/**
 * The closed set of error codes. An expected refusal is a value `Refusal`; a fault is a thrown `AppError`.
 * One exhaustive table (`routes/problem.ts`) maps a code to an HTTP status.
 */
export const ERROR_CODES = [
  "BAD_JSON",
  "VALIDATION",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "NOT_FOUND",
  "METHOD_NOT_ALLOWED",
  "UNKNOWN_REFERENCE",
  "PAYLOAD_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
  "UPGRADE_REQUIRED",
  "DUPLICATE",
  "KEY_REQUIRED",
  "KEY_REUSED",
  "CONFLICT",
  "ALREADY_DECIDED",
  "PAYLOAD_CHANGED",
  "INSUFFICIENT_STOCK",
  "RESERVATION_GONE",
  "FENCED",
  "OVER_LIMIT",
  "CIRCUIT_OPEN",
  "DEADLINE_EXCEEDED",
  "DEPENDENCY_FAILED",
  "SUPPLIER_REFUSED",
  "INTERNAL",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** One thing wrong with an input: `pointer` is a JSON pointer (RFC 6901) into the body, or a line of a file. */
export interface InputProblem {
  readonly pointer?: string;
  readonly line?: number;
  readonly column?: string;
  readonly value?: string;
  readonly detail: string;
}

/** An expected refusal: nothing was written, `reason` says what to do. */
export interface Refusal {
  readonly ok: false;
  readonly code: ErrorCode;
  readonly reason: string;
  readonly problems?: readonly InputProblem[];
  /** Facts for the caller, such as the winner of a decision race. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

export function refuse(
  code: ErrorCode,
  reason: string,
  more: { problems?: readonly InputProblem[]; facts?: Readonly<Record<string, unknown>> } = {},
): Refusal {
  return { ok: false, code, reason, ...more };
}

/** A fault: something that should not happen, or a dependency that failed. `retryable`: the same call may succeed later. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** Seconds after which a retry makes sense, when the dependency said so (`Retry-After`). */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: { retryable?: boolean; cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AppError";
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/**
 * What was thrown, without the query builder's wrapping: that one quotes the statement and the caller's values, and hides
 * what the database threw (our own 504 too). Any other error speaks for itself, whatever its cause.
 */
export function originOf(error: unknown): unknown {
  const wrapped = error instanceof Error && error.cause instanceof Error && error.message.startsWith("Failed query:");
  return wrapped ? originOf(error.cause) : error;
}

/** The message of whatever was thrown, in one line of at most 500 characters. */
export function messageOf(error: unknown): string {
  const origin = originOf(error);
  const text = origin instanceof Error ? origin.message : String(origin);
  return text.replaceAll(/\s+/g, " ").slice(0, 500);
}
