/** Imports: a CSV file of one kind, wholly or not at all, once per file. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { MAX_UPLOAD_BYTES } from "../config.ts";
import type { Container } from "../container.ts";
import { MAX_ANNOUNCED_CHANGES, MAX_IMPORT_PROBLEMS, MAX_IMPORT_ROWS } from "../domain/import-file.ts";
import { IMPORT_FORMATS, IMPORT_KINDS } from "../domain/import-rows.ts";
import { actorOf } from "../domain/identity.ts";
import { importFile } from "../services/imports.ts";
import type { AppEnv } from "./app-env.ts";
import { KEYED, keyed, KEY_PROBLEMS, once } from "./idempotency.ts";
import { requires } from "./middleware/auth.ts";
import { bodyOf } from "./middleware/body.ts";
import { BEARER, createRoute, json, problems, z } from "./openapi.ts";
import { refused } from "./problem.ts";

const columns = IMPORT_KINDS.map((kind) => {
  const { columns: needed, optional } = IMPORT_FORMATS[kind];
  return `- ${kind}: \`${needed.join(",")}\`${optional.length === 0 ? "" : `, and if you like \`${optional.join(",")}\``}`;
}).join("\n");

const importCsv = createRoute({
  method: "post",
  path: "/api/imports/{kind}",
  tags: ["imports"],
  security: BEARER,
  description: [
    `A CSV file in UTF-8 (RFC 4180) with a header, at most ${MAX_IMPORT_ROWS} rows. It is imported wholly or not at all:`,
    `up to ${MAX_IMPORT_PROBLEMS} wrong cells are listed by line, with the count of all. The same file is imported once;`,
    "sent again it answers with the first result and `Idempotent-Replayed: true`. Money is in US dollars with up to",
    "four decimals, kept in cents, rounded half up. What exists is updated where it differs; a row of stock sets the",
    "quantity of its bin, and bins that the file doesn't name stay as they are. One file may change at most",
    `${MAX_ANNOUNCED_CHANGES} existing parts or rows of stock. Columns, in any order:\n\n${columns}`,
  ].join(" "),
  ...KEYED,
  middleware: [requires("imports.write"), keyed, bodyOf(["text/csv"], MAX_UPLOAD_BYTES)] as const,
  request: {
    params: z.object({ kind: z.enum(IMPORT_KINDS) }),
    query: z.strictObject({ dry_run: z.enum(["true", "false"]).default("false") }),
    body: { required: true, content: { "text/csv": { schema: z.string() } } },
  },
  responses: {
    200: json(
      z.object({
        kind: z.enum(IMPORT_KINDS),
        rows: z.int(),
        created: z.int(),
        updated: z.int(),
        unchanged: z.int(),
        dry_run: z.boolean(),
        file_hash: z.string(),
      }),
      "Imported; with dry_run=true what an import would do, and nothing is written",
    ),
    ...problems(
      ...KEY_PROBLEMS,
      "UNAUTHENTICATED",
      "FORBIDDEN",
      "NOT_FOUND",
      "VALIDATION",
      "CONFLICT",
      "INSUFFICIENT_STOCK",
      "PAYLOAD_TOO_LARGE",
      "UNSUPPORTED_MEDIA_TYPE",
    ),
  },
});

export function registerImports(app: OpenAPIHono<AppEnv>): void {
  app.openapi(importCsv, async (c) => {
    const file = {
      kind: c.req.valid("param").kind,
      body: new Uint8Array(await c.req.arrayBuffer()),
      dryRun: c.req.valid("query").dry_run === "true",
      actor: actorOf(c.get("principal")),
      trace: c.get("trace"),
    };
    const run = (deps: Container) => importFile({ ...deps, environment: deps.settings.ENVIRONMENT }, file);
    if (file.dryRun) {
      const tried = await run(c.get("container"));
      return tried.ok ? c.json(tried.answer, 200) : refused(c, tried);
    }
    return once(c, run, ({ answer, replayed }) => ({ status: 200, body: answer, replayed }));
  });
}
