/** RFC 9457 problem documents for every 4xx and 5xx, the framework's own included. Never a stack. */
import type { Context, TypedResponse } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "@hono/zod-openapi";
import { AppError, messageOf, originOf, type ErrorCode, type InputProblem, type Refusal } from "../domain/errors.ts";
import { traceIdOf } from "../domain/trace.ts";
import { log } from "../log.ts";
import type { AppEnv } from "./app-env.ts";

/** The one exhaustive table: code → status and title. */
const STATUS_OF = {
  BAD_JSON: [400, "The body isn't valid JSON"],
  VALIDATION: [422, "The input isn't valid"],
  UNAUTHENTICATED: [401, "No valid token"],
  FORBIDDEN: [403, "Not allowed"],
  NOT_FOUND: [404, "Not found"],
  METHOD_NOT_ALLOWED: [405, "Method not allowed"],
  UNKNOWN_REFERENCE: [422, "The input names something that doesn't exist"],
  PAYLOAD_TOO_LARGE: [413, "The body is too large"],
  UNSUPPORTED_MEDIA_TYPE: [415, "Unsupported media type"],
  UPGRADE_REQUIRED: [426, "A WebSocket upgrade is required"],
  DUPLICATE: [409, "Already exists"],
  KEY_REQUIRED: [400, "The write needs an Idempotency-Key"],
  KEY_REUSED: [422, "The idempotency key was used for another body"],
  CONFLICT: [409, "Conflicts with the current state"],
  ALREADY_DECIDED: [409, "Already decided"],
  PAYLOAD_CHANGED: [409, "What was to be decided has changed"],
  INSUFFICIENT_STOCK: [409, "Not enough stock"],
  RESERVATION_GONE: [409, "The reservation is no longer open"],
  FENCED: [409, "Superseded"],
  OVER_LIMIT: [403, "Above your limit"],
  CIRCUIT_OPEN: [503, "A dependency is unavailable"],
  DEADLINE_EXCEEDED: [504, "Took too long"],
  DEPENDENCY_FAILED: [502, "A dependency failed"],
  SUPPLIER_REFUSED: [409, "The supplier refused"],
  INTERNAL: [500, "Internal error"],
} as const satisfies Record<ErrorCode, readonly [number, string]>;

const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  "CIRCUIT_OPEN",
  "DEADLINE_EXCEEDED",
  "DEPENDENCY_FAILED",
  "INTERNAL",
]);

export function statusOf(code: ErrorCode): number {
  return STATUS_OF[code][0];
}

export function titleOf(code: ErrorCode): string {
  return STATUS_OF[code][1];
}

export function problemTypeOf(code: ErrorCode): string {
  return `/docs/errors#${code}`;
}

/** The schema of a problem whose `code` is one of these. */
export function problemSchema(codes: readonly ErrorCode[]) {
  const [first, ...rest] = codes;
  if (!first) throw new Error("a problem schema needs a code");
  return z.object({
    type: z.enum([problemTypeOf(first), ...rest.map(problemTypeOf)]),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum([first, ...rest]),
    retryable: z.boolean(),
    trace_id: z.string(),
    errors: z
      .array(
        z.object({
          pointer: z.string().optional(),
          line: z.int().optional(),
          column: z.string().optional(),
          value: z.string().optional(),
          detail: z.string(),
        }),
      )
      .optional(),
  });
}

/** An answer that a handler may give beside its typed ones: each route lists its problems in its description. */
export type UntypedResponse = Response & TypedResponse<never, never, never>;

export function untyped(answer: Response): UntypedResponse {
  return answer as UntypedResponse;
}

interface ProblemFacts {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly problems?: readonly InputProblem[];
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The document itself, as it is sent and kept. */
export function problemDocument(c: Context<AppEnv>, { code, detail, problems, facts }: ProblemFacts) {
  const [status, title] = STATUS_OF[code];
  const trace = c.get("trace");
  return {
    type: problemTypeOf(code),
    title,
    status,
    detail,
    instance: new URL(c.req.url).pathname,
    code,
    retryable: RETRYABLE.has(code),
    trace_id: trace ? traceIdOf(trace.traceparent) : "",
    ...(problems && problems.length > 0 ? { errors: problems } : {}),
    ...facts,
  };
}

export function problem(c: Context<AppEnv>, facts: ProblemFacts): UntypedResponse {
  const answer = new Response(JSON.stringify(problemDocument(c, facts)), {
    status: statusOf(facts.code),
    headers: {
      "content-type": "application/problem+json",
      ...(facts.code === "UNAUTHENTICATED" ? { "www-authenticate": "Bearer" } : {}),
      ...facts.headers,
    },
  });
  return untyped(answer);
}

export function refused(c: Context<AppEnv>, refusal: Refusal): UntypedResponse {
  return problem(c, { ...refusal, detail: refusal.reason });
}

/** The last handler: turns whatever was thrown into a problem. */
export function onError(error: Error, c: Context<AppEnv>): Response {
  const origin = originOf(error);
  const thrown = origin instanceof Error ? origin : error;
  if (thrown instanceof AppError) {
    if (thrown.code === "INTERNAL") logFault(thrown, c);
    const detail = thrown.code === "INTERNAL" ? "something went wrong on our side; try again" : thrown.message;
    const headers: Record<string, string> =
      thrown.retryAfterSeconds === undefined ? {} : { "retry-after": String(thrown.retryAfterSeconds) };
    return problem(c, { code: thrown.code, detail, headers });
  }
  if (error instanceof HTTPException) {
    const code = codeOfStatus(error.status);
    return problem(c, { code, detail: error.message || titleOf(code) });
  }
  logFault(thrown, c);
  return problem(c, { code: "INTERNAL", detail: "something went wrong on our side; try again" });
}

function logFault(error: Error, c: Context<AppEnv>): void {
  log("error", "http.fault", {
    path: new URL(c.req.url).pathname,
    method: c.req.method,
    trace: c.get("trace")?.traceparent,
    error: messageOf(error),
    stack: error.stack?.slice(0, 2000),
  });
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 400) return "BAD_JSON";
  if (status === 401) return "UNAUTHENTICATED";
  if (status === 403) return "FORBIDDEN";
  if (status === 404) return "NOT_FOUND";
  if (status === 413) return "PAYLOAD_TOO_LARGE";
  if (status === 415) return "UNSUPPORTED_MEDIA_TYPE";
  return status < 500 ? "VALIDATION" : "INTERNAL";
}
