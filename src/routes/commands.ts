/** Commands: accepted with 202, executed from the queue; `GET` tells what became of them. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { LIST_WALK_ROWS, MAX_JSON_BYTES, MAX_REPLAY_COMMANDS } from "../config.ts";
import type { Container } from "../container.ts";
import { findCommandWalkEnd, findCommand, listApplied, listCommands, type CommandRow } from "../db/queries/commands.ts";
import type { Principal } from "../domain/identity.ts";
import { acceptCommand } from "../services/command-acceptance.ts";
import { resultOf } from "../services/command-answers.ts";
import { replayCommands } from "../services/command-replay.ts";
import { commandSchema } from "../services/commands/kinds.ts";
import type { AppEnv } from "./app-env.ts";
import { keyedUnless, KEYED_JSON_PROBLEMS, requiredKey } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { pageOf, pageQuery, pageSchema } from "./paging.ts";
import { problem, refused } from "./problem.ts";

const state = z.enum(["accepted", "applied", "rejected", "awaiting_approval", "dead"]);

const commandView = z.object({
  id: z.string(),
  type: z.string(),
  state,
  reason: z.string().nullable(),
  result: z.record(z.string(), z.unknown()).nullable(),
  created_at: z.string(),
  finished_at: z.string().nullable(),
  device_sequence: z.int().nullable(),
});

const answerView = z.object({
  id: z.string().nullable(),
  device_sequence: z.int().nullable(),
  status: z.enum(["accepted", "applied", "awaiting_approval", "rejected", "failed"]),
  duplicate: z.literal(true).optional(),
  code: z.string().optional(),
  reason: z.string().optional(),
  data: z.record(z.string(), z.unknown()).optional(),
});

const send = createRoute({
  method: "post",
  path: "/api/commands",
  tags: ["commands"],
  security: BEARER,
  middleware: [requires("commands.send"), bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  ...keyedUnless("the body has an `id`, which is then the key"),
  request: {
    body: { required: true, content: { "application/json": { schema: commandSchema } } },
  },
  responses: {
    202: json(commandView, "Accepted; Location says where to look"),
    ...problems(...KEYED_JSON_PROBLEMS, "UNKNOWN_REFERENCE", "CONFLICT"),
  },
});

const replay = createRoute({
  method: "post",
  path: "/api/commands/replay",
  tags: ["commands"],
  security: BEARER,
  middleware: [requires("commands.replay"), bodyOf(["application/json"], MAX_JSON_BYTES)] as const,
  ...keyedUnless("each command has an `id`, which is then its key"),
  request: {
    body: {
      required: true,
      content: {
        "application/json": {
          schema: z.strictObject({
            commands: z
              .array(z.unknown())
              .min(1)
              .max(MAX_REPLAY_COMMANDS)
              .openapi({ description: "Commands with `id` and `device_sequence`, in the order of their numbers" }),
          }),
        },
      },
    },
  },
  responses: {
    200: json(
      z.object({ data: z.array(answerView), meta: z.object({ count: z.int(), next_device_sequence: z.int() }) }),
      "How each command stands, in the order sent; send the same again to learn what became of the `accepted` ones",
    ),
    ...problems(...KEYED_JSON_PROBLEMS),
  },
});

/** In a list also who sent it and what it asks for. */
const listed = commandView.extend({ sender: z.string(), data: z.record(z.string(), z.unknown()) });

const list = createRoute({
  method: "get",
  path: "/api/commands",
  tags: ["commands"],
  security: BEARER,
  middleware: [requires("commands.read")] as const,
  request: {
    query: z.strictObject({
      state: state.optional(),
      sender: z
        .string()
        .regex(/^(device|person):.{1,100}$/, "device:{id} or person:{id}")
        .optional(),
      ...pageQuery,
    }),
  },
  responses: {
    200: json(
      pageSchema(listed),
      "Commands newest first: a device's own, a person's region. Without a state all but those that were applied. These come by id, and a page that isn't full, or empty, has more behind it while there is a next cursor",
    ),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "VALIDATION"),
  },
});

const one = createRoute({
  method: "get",
  path: "/api/commands/{id}",
  tags: ["commands"],
  security: BEARER,
  middleware: [requires("commands.read")] as const,
  request: { params: z.object({ id: z.string().min(1).max(100) }) },
  responses: {
    200: json(commandView, "The command and what became of it"),
    ...problems("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND"),
  },
});

export function registerCommands(app: OpenAPIHono<AppEnv>): void {
  app.openapi(send, async (c) => {
    const container = c.get("container");
    const principal = c.get("principal");
    const body = c.req.valid("json");
    const header = c.req.header("idempotency-key");
    const key = header === undefined && body.id !== undefined ? body.id : requiredKey(header);
    const id = body.id ?? (await idOf(container, principal, key));
    const accepted = await acceptCommand(container, principal, { ...body, id }, c.get("trace"));
    if (!accepted.ok) return refused(c, accepted);
    c.header("location", `/api/commands/${accepted.row.id}`);
    if (accepted.replayed) c.header("idempotent-replayed", "true");
    // The answer is that it was accepted, however often it is asked; what became of it stands at its Location.
    return c.json(
      { ...view(accepted.row), state: "accepted" as const, reason: null, result: null, finished_at: null },
      202,
    );
  });

  app.openapi(replay, async (c) => {
    const { commands } = c.req.valid("json");
    const key = c.req.header("idempotency-key");
    if (key !== undefined || !commands.every(hasId)) requiredKey(key);
    const replayed = await replayCommands(c.get("container"), c.get("principal"), commands, c.get("trace"));
    if (!replayed.ok) return refused(c, replayed);
    const { answers, next } = replayed;
    return c.json({ data: [...answers], meta: { count: answers.length, next_device_sequence: next } }, 200);
  });

  app.openapi(list, async (c) => {
    const { kind, subject, region } = c.get("principal");
    const { cursor, limit, sender, state } = c.req.valid("query");
    const own = `${kind}:${subject}`;
    if (kind === "device" && sender !== undefined && sender !== own) return c.json(pageOf([], limit, String), 200);
    const scope = kind === "device" ? { sender: own, region: null } : { sender, region };
    const page = { ...scope, limit: limit + 1 };
    const { db } = c.get("container");
    const after = cursor?.[1] ?? null;
    const until = state === "applied" ? await findCommandWalkEnd(db, after, LIST_WALK_ROWS) : null;
    const rows =
      state === "applied"
        ? await listApplied(db, { ...page, after, until: until?.[1] ?? null })
        : await listCommands(db, { ...page, state, after: cursor ?? null });
    const items = rows.map((row) => ({
      ...view(row),
      sender: row.sender,
      data: JSON.parse(row.data) as Record<string, unknown>,
    }));
    return c.json(
      pageOf(items, limit, ({ id }) => id, until),
      200,
    );
  });

  app.openapi(one, async (c) => {
    const principal = c.get("principal");
    const row = await findCommand(c.get("container").db, c.req.valid("param").id);
    const own = row?.sender === `${principal.kind}:${principal.subject}`;
    const inScope =
      row && principal.kind === "person" && (principal.region === null || principal.region === row.region);
    if (!row || (!own && !inScope)) return problem(c, { code: "NOT_FOUND", detail: "no such command" });
    return c.json(view(row), 200);
  });
}

/** The command's id is its own key: a caller that only has a header key gets an id made of it. */
async function idOf(container: Container, { kind, subject }: Principal, key: string): Promise<string> {
  return `cmd_${(await container.sha256(`${kind}:${subject}:${key}`)).slice(0, 32)}`;
}

function hasId(command: unknown): boolean {
  return typeof (command as { readonly id?: unknown } | null)?.id === "string";
}

function view(row: CommandRow) {
  return {
    id: row.id,
    type: row.type,
    state: row.state,
    reason: row.reason,
    result: resultOf(row),
    created_at: row.createdAt,
    finished_at: row.finishedAt,
    device_sequence: row.deviceSequence,
  };
}
