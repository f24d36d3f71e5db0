import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, it } from "vitest";
import { importsOf, MAY_IMPORT, folderOf, violation } from "./import-rules.ts";

const SRC = fileURLToPath(new URL("../../../src/", import.meta.url));
const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter((path) => /\.tsx?$/.test(path));
const textOf = (path: string) => readFileSync(`${SRC}${path}`, "utf8");

describe("the imports of src", () => {
  it("go in the direction that the rules allow", ({ expect }) => {
    const all = files.flatMap((path) => importsOf(path, textOf(path)));
    expect(all.length).toBeGreaterThan(300);
    expect(all.map(violation).filter((found) => found !== null)).toEqual([]);
  });

  it("belong to folders that the rules name", ({ expect }) => {
    expect([...new Set(files.map(folderOf))].filter((folder) => !(folder in MAY_IMPORT))).toEqual([]);
  });
});

describe("the check bites: each forbidden import is found", () => {
  it.for([
    ["domain/order.ts", 'import { sql } from "../db/database.ts";'],
    ["domain/order.ts", 'import { commit } from "../services/orders.ts";'],
    ["domain/order.ts", 'import type { Env } from "../env.ts";'],
    ["resilience/retry.ts", 'import { AppError } from "../domain/errors.ts";'],
    ["services/orders.ts", 'import { createContainer } from "../container.ts";'],
    ["services/orders.ts", 'import { archiveStore } from "../integrations/archive.ts";'],
    ["services/orders.ts", 'import { sql } from "drizzle-orm";'],
    ["routes/orders.ts", 'import { consumeEvents } from "../queues/events.ts";'],
    ["routes/orders.ts", 'import { commit } from "../db/unit-of-work.ts";'],
    ["routes/orders.ts", 'import { findOrder, insertOrder } from "../db/queries/orders.ts";'],
    ["routes/orders.ts", 'import { DurableObject } from "cloudflare:workers";'],
    ["queues/events.ts", 'import { OrderSaga } from "../durable-objects/order-saga.ts";'],
    ["durable-objects/hub.ts", 'import { registerParts } from "../routes/parts.ts";'],
    ["db/queries/parts.ts", 'import { readThrough } from "../../cache/read-through.ts";'],
    ["cache/parts-cache.ts", 'import { findPart } from "../db/queries/parts.ts";'],
    ["events/relay.ts", 'import { openHubRows } from "../db/queries/outbox.ts";'],
    ["agents/orchestrator.ts", 'import { Hono } from "hono";'],
    ["integrations/http.ts", 'import { runWithTools } from "@cloudflare/ai-utils";'],
    ["container.ts", 'import { createApp } from "./routes/app.ts";'],
  ] as const)("%s: %s", ([path, text], { expect }) => {
    expect(importsOf(path, text).map(violation)).toEqual([expect.stringContaining(path)]);
  });

  it("and lets through what is allowed", ({ expect }) => {
    const allowed = [
      ["routes/orders.ts", 'import { findOrder, type OrderRow } from "../db/queries/orders.ts";'],
      ["routes/orders.ts", 'import type { Committed } from "../db/unit-of-work.ts";'],
      ["domain/order.ts", 'import { z } from "zod";'],
      ["services/orders.ts", 'import {\n  insertOrder,\n  type NewOrder,\n} from "../db/queries/orders.ts";'],
    ] as const;
    const found = allowed.flatMap(([path, text]) => importsOf(path, text));
    expect(found).toHaveLength(4);
    expect(found.map(violation)).toEqual([null, null, null, null]);
  });
});

describe("the files of src", () => {
  it("stay under 300 lines", ({ expect }) => {
    const long = files
      .map((path) => ({ path, lines: textOf(path).split("\n").length - 1 }))
      .filter(({ lines }) => lines >= 300);
    expect(long).toEqual([]);
  });

  it("have no default export but the Worker's", ({ expect }) => {
    const withDefault = files.filter((path) => /^export default /m.test(textOf(path)));
    expect(withDefault).toEqual(["worker.ts"]);
  });

  it("take no time, randomness or I/O of their own in domain and resilience", ({ expect }) => {
    const pure = files.filter((path) => /^(domain|resilience)\//.test(path));
    const impure = /\b(?:new Date\b|Date\.now|Math\.random|crypto\.|fetch\(|setTimeout|setInterval)/;
    const withoutComments = (text: string) => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    expect(pure.length).toBeGreaterThan(20);
    expect(pure.filter((path) => impure.test(withoutComments(textOf(path))))).toEqual([]);
  });

  it("never roll back a part of a batch by themselves: OR ROLLBACK and RAISE(ROLLBACK) break D1's transaction", ({
    expect,
  }) => {
    const banned = /\bOR\s+ROLLBACK\b|RAISE\s*\(\s*ROLLBACK/i;
    expect(files.filter((path) => banned.test(textOf(path)))).toEqual([]);
  });

  it("never reserve from the cache: what reserves doesn't import it", ({ expect }) => {
    const reserving = [
      "services/parts.ts",
      "services/order-steps.ts",
      "db/queries/order-stock.ts",
      "db/queries/sourcing.ts",
    ];
    const cached = reserving.filter((path) => importsOf(path, textOf(path)).some(({ to }) => to.startsWith("cache/")));
    expect(cached).toEqual([]);
  });
});
