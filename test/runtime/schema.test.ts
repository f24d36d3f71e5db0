import { getTableColumns, getTableName, is } from "drizzle-orm";
import { SQLiteTable } from "drizzle-orm/sqlite-core";
import { beforeAll, it } from "vitest";
import * as audit from "../../src/db/schema/audit.ts";
import * as breakers from "../../src/db/schema/breakers.ts";
import * as catalogue from "../../src/db/schema/catalogue.ts";
import * as deadLetters from "../../src/db/schema/dead-letters.ts";
import * as messaging from "../../src/db/schema/messaging.ts";
import * as orders from "../../src/db/schema/orders.ts";
import * as requests from "../../src/db/schema/requests.ts";
import * as stock from "../../src/db/schema/stock.ts";
import * as webhooks from "../../src/db/schema/webhooks.ts";
import { env, startWorld } from "../support/harness.ts";

beforeAll(startWorld);

const tables = [audit, breakers, catalogue, deadLetters, messaging, orders, requests, stock, webhooks]
  .flatMap((group) => Object.values(group))
  .filter((table) => is(table, SQLiteTable));

it("types exactly the tables that the migrations make", async ({ expect }) => {
  const { results } = await env.DB.prepare(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'parts\\_search%' ESCAPE '\\' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'd1_migrations'",
  ).all<{ name: string }>();
  expect(tables.map(getTableName).toSorted()).toEqual(results.map((row) => row.name).toSorted());
});

it.for(tables.map((table) => [getTableName(table), table] as const))(
  "types the columns of %s as they are",
  async ([name, table], { expect }) => {
    const { results } = await env.DB.prepare('SELECT name, type, "notnull" AS required, pk FROM pragma_table_xinfo(?)')
      .bind(name)
      .all<{ name: string; type: string; required: number; pk: number }>();
    const migrated = results.map((c) => `${c.name} ${c.type.split(" ")[0]}${c.required || c.pk ? " required" : ""}`);
    const typed = Object.values(getTableColumns(table)).map((c) => {
      const composite = results.some((row) => row.name === c.name && row.pk > 0);
      return `${c.name} ${c.getSQLType().toUpperCase()}${c.notNull || c.primary || composite ? " required" : ""}`;
    });
    expect(typed.toSorted()).toEqual(migrated.toSorted());
  },
);
