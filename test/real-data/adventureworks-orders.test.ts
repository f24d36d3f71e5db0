/** Ten purchase orders of the AdventureWorks sample, spread over their amounts, as request files through the whole job. */
import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { parse } from "csv-parse/sync";
import { beforeAll, describe, it } from "vitest";
import { IMPORT_KINDS, type ImportKind } from "../../src/domain/import-rows.ts";
import { approveAll, as, quiet, requestIs } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";

const files = env.TEST_DATA as Readonly<Record<ImportKind, string>> | null;
const REGION = "northwest";
const TRUCK = "truck-901";

interface PurchaseOrder {
  readonly purchase_order_id: string;
  readonly total: string;
}

interface Line {
  readonly purchase_order_id: string;
  readonly line: string;
  readonly sku: string;
  readonly quantity: string;
}

const rows = <T>(kind: ImportKind) => parse(files?.[kind] ?? "", { columns: true }) as T[];

/** Ten orders at the tenths of the amounts: the smallest, the largest, and eight between. */
function tenOrders(): { order: PurchaseOrder; lines: Line[] }[] {
  const byTotal = rows<PurchaseOrder>("purchase_orders").toSorted((a, b) => Number(a.total) - Number(b.total));
  const lines = Map.groupBy(rows<Line>("purchase_order_lines"), (line) => line.purchase_order_id);
  return Array.from({ length: 10 }, (_, tenth) => {
    const order = byTotal[Math.round((tenth * (byTotal.length - 1)) / 9)];
    if (!order) throw new Error("no purchase orders in the data");
    return { order, lines: lines.get(order.purchase_order_id) ?? [] };
  });
}

/** Those who ask and decide aren't in the sample: a truck, two managers whose limits reach, an admin, operations. */
async function addPeople(): Promise<void> {
  const people = [
    ["ops", "operations", null, 0],
    ["admin", "admin", null, 0],
    ["manager-northwest", "manager", REGION, 5_000_000],
    ["director", "manager", null, 500_000_000],
  ] as const;
  await env.DB.batch([
    env.DB.prepare("INSERT INTO regions(id, name) VALUES (?, 'Northwest') ON CONFLICT DO NOTHING").bind(REGION),
    env.DB.prepare("INSERT INTO locations(id, kind, name, region) VALUES (?, 'truck', 'Truck 901', ?)").bind(
      TRUCK,
      REGION,
    ),
    env.DB.prepare(
      "INSERT INTO devices(id, type, region, location, secret_hash) VALUES (?1, 'truck', ?2, ?1, '')",
    ).bind(TRUCK, REGION),
    ...people.map(([id, role, region, limit]) =>
      env.DB.prepare(
        "INSERT INTO people(id, name, email, role, region, approval_limit) VALUES (?1, ?1, ?1 || '@example.com', ?2, ?3, ?4)",
      ).bind(id, role, region, limit),
    ),
  ]);
}

describe.skipIf(!files)("ten real purchase orders", () => {
  beforeAll(async () => {
    await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
    await addPeople();
    for (const kind of IMPORT_KINDS) {
      const imported = await as("admin", "POST", `/api/imports/${kind}`, files?.[kind], { "content-type": "text/csv" });
      if (imported.status !== 200) throw new Error(`${kind}: ${JSON.stringify(imported.body)}`);
    }
  }, 60_000);

  it.for(files ? tenOrders() : [])(
    "order $order.purchase_order_id over $order.total reaches completed",
    { timeout: 60_000 },
    async ({ order, lines }, { expect }) => {
      const file = ["sku,quantity,unit,note", ...lines.map((line) => `${line.sku},${line.quantity},,`)].join("\n");
      const number = `AW-${order.purchase_order_id}`;
      const sent = await as(TRUCK, "POST", `/api/uploads?request_number=${number}`, file, {
        "content-type": "text/csv",
      });
      expect(sent.status).toBe(202);
      const id = sent.body.request_id;
      await requestIs(
        id,
        "awaiting_approval",
        "ordering",
        "completed",
        "needs_clarification",
        "needs_attention",
        "failed",
        "rejected",
      );
      await approveAll(id);
      const ended = await requestIs(id, "completed", "needs_clarification", "needs_attention", "failed", "rejected");
      const why = `${ended.reason} ${JSON.stringify(ended.problems)} of ${JSON.stringify(lines)}`;
      expect(ended.status, why).toBe("completed");

      const response = await as(TRUCK, "GET", `/api/requests/${id}/response`);
      const asked = Map.groupBy(lines, (line) => line.sku);
      for (const [sku, wanted] of asked) {
        const granted = response.body.lines.filter((line: { sku: string }) => line.sku === sku);
        const sum = granted.reduce((total: number, line: { granted: number }) => total + line.granted, 0);
        expect(sum, sku).toBe(wanted.reduce((total, line) => total + Number(line.quantity), 0));
      }
      await quiet();
      expect(await violations(env.DB)).toEqual([]);
    },
  );
});
