/** What operations decide about dead letters: redrive one, a group or all (or only look what that would do), discard, edit. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { DEAD_LETTERS_AT_ONCE, MAX_JSON_BYTES } from "../config.ts";
import type { DeadLetterRow } from "../db/queries/dead-letters.ts";
import type { Refusal } from "../domain/errors.ts";
import {
  discard,
  edit,
  redriveMany,
  redriveOne,
  type By,
  type RedriveDeps,
  type Redriven,
} from "../services/dead-letters.ts";
import { redriveDeps } from "../wiring/dead-letters.ts";
import type { AppEnv } from "./app-env.ts";
import { letterView, viewOf } from "./dead-letters.ts";
import { KEYED, KEYED_JSON_PROBLEMS, KEY_PROBLEMS, keyed, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { problem, refused } from "./problem.ts";

const params = z.object({ id: z.string().min(1).max(100) });
const dryRun = z
  .enum(["true", "false"])
  .default("false")
  .openapi({ description: "true: tells what would happen, writes nothing" });

const redriveView = z.object({
  dry_run: z.boolean(),
  data: z.array(
    z.object({
      id: z.string(),
      queue: z.string(),
      type: z.string().nullable(),
      subject: z.string().nullable(),
      subscriber: z.string().nullable(),
      does: z.string(),
    }),
  ),
  meta: z.object({ count: z.int(), remaining: z.int() }),
});

const redriven = createRoute({
  method: "post",
  path: "/api/dead-letters/{id}/redrive",
  tags: ["dead letters"],
  security: BEARER,
  ...KEYED,
  middleware: [requires("ops.repair"), keyed] as const,
  request: { params, query: z.strictObject({ dry_run: dryRun }) },
  responses: {
    200: json(redriveView, "It is sent again, under its own id; 409 when it was decided already"),
    ...problems(
      ...KEY_PROBLEMS,
      "UNAUTHENTICATED",
      "FORBIDDEN",
      "NOT_FOUND",
      "CONFLICT",
      "VALIDATION",
      "DEPENDENCY_FAILED",
    ),
  },
});

const redrivenGroup = createRoute({
  method: "post",
  path: "/api/dead-letters/redrive",
  tags: ["dead letters"],
  security: BEARER,
  ...KEYED,
  description: `Those of one cause (fingerprint), or all of them (all=true); at most ${DEAD_LETTERS_AT_ONCE} a call, the oldest first: while \`remaining\` isn't 0, ask again.`,
  middleware: [requires("ops.repair"), keyed] as const,
  request: {
    query: z.strictObject({
      fingerprint: z.string().min(1).max(64).optional(),
      all: z.literal("true").optional(),
      dry_run: dryRun,
    }),
  },
  responses: {
    200: json(redriveView, "They are sent again"),
    ...problems(...KEY_PROBLEMS, "UNAUTHENTICATED", "FORBIDDEN", "CONFLICT", "VALIDATION", "DEPENDENCY_FAILED"),
  },
});

const discarded = createRoute({
  method: "post",
  path: "/api/dead-letters/{id}/discard",
  tags: ["dead letters"],
  security: BEARER,
  ...KEYED,
  middleware: [requires("ops.repair"), keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    params,
    body: {
      required: true,
      content: { "application/json": { schema: z.strictObject({ reason: z.string().trim().min(1).max(500) }) } },
    },
  },
  responses: {
    200: json(letterView, "It is never sent again; the letter is kept as the evidence"),
    ...problems(...KEYED_JSON_PROBLEMS, "NOT_FOUND", "CONFLICT"),
  },
});

const edited = createRoute({
  method: "post",
  path: "/api/dead-letters/{id}/edit",
  tags: ["dead letters"],
  security: BEARER,
  ...KEYED,
  description:
    "The event as this one subscriber is to get it once the letter is redriven. Id, type, subject and sequence stay; the original is kept.",
  middleware: [requires("ops.repair"), keyed, bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  request: {
    params,
    body: {
      required: true,
      content: {
        "application/json": { schema: z.strictObject({ event: z.record(z.string(), z.unknown()) }) },
      },
    },
  },
  responses: {
    200: json(letterView, "The edit is kept; redrive the letter to send it"),
    ...problems(...KEYED_JSON_PROBLEMS, "NOT_FOUND", "CONFLICT"),
  },
});

export function registerDeadLetterDecisions(app: OpenAPIHono<AppEnv>): void {
  app.openapi(redrivenGroup, async (c) => {
    const { fingerprint, all, dry_run } = c.req.valid("query");
    if ((fingerprint === undefined) === (all === undefined)) {
      return problem(c, { code: "VALIDATION", detail: "say which: fingerprint=… of a group, or all=true" });
    }
    return redriveOnce(c, dry_run === "true", (deps, by) => redriveMany(deps, fingerprint ?? null, by));
  });

  app.openapi(redriven, (c) =>
    redriveOnce(c, c.req.valid("query").dry_run === "true", (deps, by) =>
      redriveOne(deps, c.req.valid("param").id, by),
    ),
  );

  app.openapi(discarded, (c) => {
    const { reason } = c.req.valid("json");
    return once(
      c,
      (deps) => discard(deps, c.req.valid("param").id, reason, whoOf(c)),
      ({ letter }) => ({ status: 200, body: viewOf(letter) }),
    );
  });

  app.openapi(edited, (c) => {
    const { event } = c.req.valid("json");
    return once(
      c,
      (deps) => edit(deps, c.req.valid("param").id, event, whoOf(c)),
      ({ letter }) => ({ status: 200, body: viewOf(letter) }),
    );
  });
}

function whoOf(c: Context<AppEnv>) {
  return { principal: c.get("principal"), trace: c.get("trace") };
}

/** A dry run writes nothing, not even its answer: it is a read, and another one may find more. */
async function redriveOnce(
  c: Context<AppEnv>,
  dryRun: boolean,
  redrive: (deps: RedriveDeps, by: By) => Promise<Redriven | Refusal>,
) {
  const by = { ...whoOf(c), dryRun };
  if (!dryRun) {
    return once(
      c,
      (deps) => redrive(redriveDeps(deps), by),
      (done) => ({ status: 200, body: redriveAnswer(done, false) }),
    );
  }
  const would = await redrive(redriveDeps(c.get("container")), by);
  return would.ok ? c.json(redriveAnswer(would, true), 200) : refused(c, would);
}

function redriveAnswer({ letters, remaining }: Redriven, isDryRun: boolean): z.output<typeof redriveView> {
  const data = letters.map((letter) => ({
    id: letter.id,
    queue: letter.queue,
    type: letter.type,
    subject: letter.subject,
    subscriber: letter.subscriber,
    does: effectOf(letter),
  }));
  return { dry_run: isDryRun, data, meta: { count: data.length, remaining } };
}

function effectOf({ kind, queue, eventId, subscriber, commandId, edited: changed }: DeadLetterRow): string {
  if (kind === "event")
    return `${eventId}${changed === null ? "" : " as edited"} goes to ${subscriber} again, to nobody else`;
  return kind === "command" ? `${commandId} is accepted again` : `the message goes to the queue ${queue} again`;
}
