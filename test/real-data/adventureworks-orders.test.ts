/** Ten purchase orders of the AdventureWorks sample, spread over their amounts, as request files through the whole job. */
import { env } from "cloudflare:workers";
import { beforeAll, describe, it } from "vitest";
import { importSample, sampleFiles, sampleRows, TRUCK } from "../support/adventureworks-world.ts";
import { approveAll, as, quiet, requestIs } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";

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

/** Ten orders at the tenths of the amounts: the smallest, the largest, and eight between. */
function tenOrders(): { order: PurchaseOrder; lines: Line[] }[] {
  const byTotal = sampleRows<PurchaseOrder>("purchase_orders").toSorted((a, b) => Number(a.total) - Number(b.total));
  const lines = Map.groupBy(sampleRows<Line>("purchase_order_lines"), (line) => line.purchase_order_id);
  return Array.from({ length: 10 }, (_, tenth) => {
    const order = byTotal[Math.round((tenth * (byTotal.length - 1)) / 9)];
    if (!order) throw new Error("no purchase orders in the data");
    return { order, lines: lines.get(order.purchase_order_id) ?? [] };
  });
}

describe.skipIf(!sampleFiles)("ten real purchase orders", () => {
  beforeAll(() => importSample(), 60_000);

  it.for(sampleFiles ? tenOrders() : [])(
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
