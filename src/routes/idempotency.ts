/**
 * Idempotency keys of writes: `Idempotency-Key` names one intent of one caller on one route, and its first answer is given
 * for 14 days. Source: draft-ietf-httpapi-idempotency-key-header.
 *
 * A POST that writes takes part in three places; a test walks all routes and fails where one doesn't:
 *
 *   createRoute({ method: "post", …, ...KEYED, middleware: [requires("…"), keyed, bodyOf(…)] as const,
 *     responses: { …, ...problems(...KEYED_JSON_PROBLEMS, …) } })
 *   app.openapi(route, (c) => once(c, (deps) => placeIt(deps, …), (done) => ({ status: 202, location, body })));
 *
 * and in the service the batch that has the effect says what `done` will be: `deps.commit({ answers: done, writes, … })`.
 * Use the `deps` that are handed in: their commit() stores the answer with the effect. Without such a batch (nothing was to
 * be done, or several batches did it, each safe to repeat) the answer is stored at the end, in a batch of its own. What is
 * answered is what is stored, so `done` holds nothing that may differ a moment later, such as a status that moves on.
 */
import type { RouteConfig } from "@hono/zod-openapi";
import type { Context, TypedResponse } from "hono";
import { createMiddleware } from "hono/factory";
import { routePath } from "hono/route";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { sha256Bytes, type Container } from "../container.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import { AppError, type ErrorCode, type Refusal } from "../domain/errors.ts";
import { answerOnce, type Intent } from "../services/answer-once.ts";
import type { AppEnv } from "./app-env.ts";
import { problemDocument, refused, statusOf, untyped, type UntypedResponse } from "./problem.ts";

const KEY = /^[\x21-\x7e]{1,255}$/;
const KEY_DEMAND =
  "send the header Idempotency-Key with 1 to 255 visible ASCII characters without spaces, such as a random UUID: a new " +
  "one for each new intent, the same one to send the same again";

const HEADER = {
  name: "Idempotency-Key",
  in: "header",
  required: true,
  description:
    "Names this one intent. Sent again under the same key, it gets the first answer and `Idempotent-Replayed: true`, for " +
    "14 days; the same key with another body is refused. A refusal with 409 is an answer too: to try again, make a new key.",
  schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[!-~]+$" },
} as const;

type Parameters = Pick<RouteConfig, "parameters">;

/** The header in the contract. It is checked by `keyed`, so that a missing one is a 400 of its own. */
export const KEYED: Parameters = { parameters: [HEADER] };

/** The same for a route whose body can name the intent instead; its handler asks for `requiredKey` where it doesn't. */
export function keyedUnless(exception: string): Parameters {
  const description = `Required unless ${exception}. ${HEADER.description}`;
  return { parameters: [{ ...HEADER, required: false, description }] };
}

export const KEY_PROBLEMS = ["KEY_REQUIRED", "KEY_REUSED"] as const satisfies readonly ErrorCode[];

/** Of every keyed write that takes a JSON body. */
export const KEYED_JSON_PROBLEMS = [
  ...KEY_PROBLEMS,
  "BAD_JSON",
  "UNAUTHENTICATED",
  "FORBIDDEN",
  "VALIDATION",
  "PAYLOAD_TOO_LARGE",
  "UNSUPPORTED_MEDIA_TYPE",
] as const satisfies readonly ErrorCode[];

/** The key of the request; KEY_REQUIRED says what to do when there is none, or none that can be one. */
export function requiredKey(header: string | undefined): string {
  if (header !== undefined && KEY.test(header)) return header;
  const why = header === undefined ? "this writes, so it needs a key" : "the Idempotency-Key can't be one";
  throw new AppError("KEY_REQUIRED", `${why}: ${KEY_DEMAND}`);
}

/** Lets the request on only with a key. After `requires(…)`: who may not write learns that first. */
export const keyed = createMiddleware<AppEnv>(async (c, next) => {
  c.set("idempotencyKey", requiredKey(c.req.header("idempotency-key")));
  await next();
});

interface Answer<Status extends ContentfulStatusCode, Body> {
  readonly status: Status;
  readonly location?: string;
  readonly body: Body;
  /** True when it is an earlier answer though the key is new. */
  readonly replayed?: boolean;
}

type Answered<Status extends ContentfulStatusCode, Body> = Response & TypedResponse<Body, Status, "json">;

/**
 * Does the write once per key and answers; every later ask gets the same bytes. A refusal by the state of things (409, or a
 * limit) is an answer like any other. Whatever says that the input is wrong or the caller may not, keeps nothing.
 */
export async function once<Done extends { readonly ok: true }, Status extends ContentfulStatusCode, Body>(
  c: Context<AppEnv>,
  write: (deps: Container, intent: Intent) => Promise<Done | Refusal>,
  answer: (done: Done) => Answer<Status, Body>,
): Promise<Answered<Status, Body> | UntypedResponse> {
  const intent = await intentOf(c);
  const answered = await answerOnce<Container, Done>(c.get("container"), {
    intent,
    trace: c.get("trace"),
    write: (deps) => write(deps, intent),
    textOf: (done) => JSON.stringify(answer(done)),
    textOfRefusal: (refusal) => (isKept(refusal.code) ? refusalText(c, refusal) : null),
  });
  if (!answered.ok) return refused(c, answered);
  return untyped(responseOf(answered.text, answered.replayed));
}

function isKept(code: ErrorCode): boolean {
  return statusOf(code) === 409 || code === "OVER_LIMIT";
}

function refusalText(c: Context<AppEnv>, { code, reason, problems, facts }: Refusal): string {
  const body = problemDocument(c, { code, detail: reason, ...(problems && { problems }), ...(facts && { facts }) });
  return JSON.stringify({ status: statusOf(code), body });
}

function responseOf(text: string, replayed: boolean): Response {
  const kept = JSON.parse(text) as Answer<ContentfulStatusCode, unknown>;
  return new Response(JSON.stringify(kept.body), {
    status: kept.status,
    headers: {
      "content-type": kept.status >= 400 ? "application/problem+json" : "application/json",
      ...(kept.location === undefined ? {} : { location: kept.location }),
      ...(replayed || kept.replayed ? { "idempotent-replayed": "true" } : {}),
    },
  });
}

async function intentOf(c: Context<AppEnv>): Promise<Intent> {
  const { kind, subject } = c.get("principal");
  const { pathname, searchParams } = new URL(c.req.url);
  const query = [...searchParams].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const sent = canonicalJson({ method: c.req.method, path: pathname, query, body: await sentBody(c) });
  return {
    scope: `${c.req.method} ${routePath(c)} ${kind}:${subject}`,
    id: c.get("idempotencyKey"),
    bodyHash: await c.get("container").sha256(sent),
  };
}

/** JSON as its value, whatever the order of its keys; anything else by its type and its bytes. */
async function sentBody(c: Context<AppEnv>): Promise<unknown> {
  const value: unknown = c.req.valid("json" as never);
  if (value !== undefined) return value;
  return { type: c.req.header("content-type"), sha256: await sha256Bytes(new Uint8Array(await c.req.arrayBuffer())) };
}
