/** Dead letters, read: the list, the groups of one cause, one letter with its body. What is done with them: dead-letter-decisions.ts. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { DEAD_LETTER_GROUPS_MAX } from "../config.ts";
import { listLetterGroups, listLetters, type DeadLetterRow, type LetterFilter } from "../db/queries/dead-letters.ts";
import { DEAD_LETTER_STATES } from "../domain/dead-letter.ts";
import { visibleLetter } from "../services/dead-letters.ts";
import type { AppEnv } from "./app-env.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";
import { requires } from "./middleware/auth.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageLimit, pageSchema } from "./paging.ts";
import { problem } from "./problem.ts";

export const letterView = z.object({
  id: z.string(),
  kind: z.enum(["event", "command", "message"]),
  queue: z.string(),
  type: z.string().nullable(),
  subject: z.string().nullable(),
  subscriber: z.string().nullable(),
  event_id: z.string().nullable(),
  command_id: z.string().nullable(),
  region: z.string().nullable(),
  error: z.string(),
  fingerprint: z.string(),
  attempts: z.int(),
  deaths: z.int(),
  edited: z.boolean(),
  state: z.enum(DEAD_LETTER_STATES),
  first_died_at: z.string(),
  last_died_at: z.string(),
  closed_at: z.string().nullable(),
  closed_by: z.string().nullable(),
  reason: z.string().nullable(),
});

const detailView = letterView.extend({
  body: z.unknown().openapi({ description: "As it died: never changed" }),
  edited_event: z
    .record(z.string(), z.unknown())
    .nullable()
    .openapi({ description: "What the subscriber gets in its place" }),
});

const MAX_AGE_S = 10 * 365 * 24 * 60 * 60;
const ageSeconds = z.coerce.number().int().min(0).max(MAX_AGE_S).optional();
const filters = z.strictObject({
  state: z.enum([...DEAD_LETTER_STATES, "any"]).default("open"),
  type: z.string().min(1).max(100).optional(),
  subscriber: z.string().min(1).max(100).optional(),
  fingerprint: z.string().min(1).max(64).optional(),
  older_than_s: ageSeconds.openapi({ description: "Last died at least so many seconds ago" }),
  newer_than_s: ageSeconds,
});

const list = createRoute({
  method: "get",
  path: "/api/dead-letters",
  tags: ["dead letters"],
  security: BEARER,
  middleware: [requires("ops.read")] as const,
  request: {
    query: filters.extend({
      cursor: z.string().max(500).optional(),
      limit: pageLimit,
    }),
  },
  responses: {
    200: json(pageSchema(letterView), "Newest first; the open ones, unless another state is asked for"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const groups = createRoute({
  method: "get",
  path: "/api/dead-letters/groups",
  tags: ["dead letters"],
  security: BEARER,
  middleware: [requires("ops.read")] as const,
  request: { query: filters },
  responses: {
    200: json(
      z.object({
        data: z.array(
          z.object({
            fingerprint: z.string(),
            queue: z.string(),
            type: z.string().nullable(),
            subscriber: z.string().nullable(),
            count: z.int(),
            first_died_at: z.string(),
            last_died_at: z.string(),
            sample: z.object({ id: z.string(), error: z.string() }),
          }),
        ),
        meta: z.object({ count: z.int() }),
      }),
      "Letters of one cause together, the largest group first",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/dead-letters/{id}",
  tags: ["dead letters"],
  security: BEARER,
  middleware: [requires("ops.read")] as const,
  request: { params: z.object({ id: z.string().min(1).max(100) }) },
  responses: {
    200: json(detailView, "The letter with its body; its trail is at /api/audit?subject=dead_letter/{id}"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

export function registerDeadLetters(app: OpenAPIHono<AppEnv>): void {
  app.openapi(list, async (c) => {
    const { cursor, limit, ...asked } = c.req.valid("query");
    const olderThan = cursor === undefined ? null : decodeCursor(cursor);
    if (cursor !== undefined && olderThan === null) {
      return problem(c, { code: "VALIDATION", detail: "the cursor is none of ours" });
    }
    const rows = await listLetters(c.get("container").db, filterOf(asked, c), { olderThan, limit: limit + 1 });
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const next = rows.length > limit && last ? encodeCursor(last.id) : null;
    return c.json({ data: page.map(viewOf), meta: { count: page.length, next_cursor: next } }, 200);
  });

  app.openapi(groups, async (c) => {
    const asked = filterOf(c.req.valid("query"), c);
    const found = await listLetterGroups(c.get("container").db, asked, DEAD_LETTER_GROUPS_MAX);
    const data = found.map(({ first_at, last_at, sample_id, sample_error, ...group }) => ({
      ...group,
      first_died_at: first_at,
      last_died_at: last_at,
      sample: { id: sample_id, error: sample_error },
    }));
    return c.json({ data, meta: { count: data.length } }, 200);
  });

  app.openapi(one, async (c) => {
    const letter = await visibleLetter(c.get("container"), c.get("principal"), c.req.valid("param").id);
    if (!letter) return problem(c, { code: "NOT_FOUND", detail: "no such dead letter" });
    const edited = letter.edited === null ? null : (JSON.parse(letter.edited) as Record<string, unknown>);
    return c.json({ ...viewOf(letter), body: JSON.parse(letter.body) as unknown, edited_event: edited }, 200);
  });
}

function filterOf(
  { state, older_than_s, newer_than_s, ...same }: z.output<typeof filters>,
  c: Context<AppEnv>,
): LetterFilter {
  const { clock } = c.get("container");
  const { region } = c.get("principal");
  const ago = (seconds?: number) =>
    seconds === undefined ? undefined : new Date(clock.now() - seconds * 1000).toISOString();
  const times = { before: ago(older_than_s), after: ago(newer_than_s) };
  return { ...same, ...times, region, state: state === "any" ? null : state };
}

export function viewOf(letter: DeadLetterRow): z.output<typeof letterView> {
  return {
    id: letter.id,
    kind: letter.kind,
    queue: letter.queue,
    type: letter.type,
    subject: letter.subject,
    subscriber: letter.subscriber,
    event_id: letter.eventId,
    command_id: letter.commandId,
    region: letter.region,
    error: letter.error,
    fingerprint: letter.fingerprint,
    attempts: letter.attempts,
    deaths: letter.deaths,
    edited: letter.edited !== null,
    state: letter.state,
    first_died_at: letter.firstAt,
    last_died_at: letter.lastAt,
    closed_at: letter.closedAt,
    closed_by: letter.closedBy,
    reason: letter.reason,
  };
}
