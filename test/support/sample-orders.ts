/**
 * The purchase orders of the AdventureWorks sample as orders for a truck: the same lines, quantities and prices, bought
 * from the vendor that the sample names. They are placed by the batch that places every order, past the choice of a
 * supplier, since the vendor is given; each vendor is one that the stand-in supplier plays.
 */
import { createContainer, sha256Hex } from "../../src/container.ts";
import { orderLines, placeOrder } from "../../src/services/orders.ts";
import { REGION, sampleRows, TRUCK } from "./adventureworks-world.ts";
import { env as bindings } from "./harness.ts";
import { standInSupplier } from "./stand-in-supplier.ts";
import { throughWorld } from "./world.ts";

const env = throughWorld(bindings);

export interface SampleLine {
  readonly sku: string;
  readonly quantity: number;
  /** Cents. */
  readonly unitPrice: number;
  readonly dueAt: string;
}

export interface SampleOrder {
  readonly number: string;
  readonly supplier: string;
  /** As the file says it, in dollars. */
  readonly subtotal: string;
  readonly lines: readonly SampleLine[];
  /** A piece of the sample's own stock that goes with it, so that there is something to reserve. */
  readonly fromShelf: { readonly sku: string; readonly location: string } | null;
}

/** The sample's orders are all bought; every such one takes a piece along from a shelf. */
const FROM_SHELF_EVERY = 4;

type Cells<K extends string> = Readonly<Record<K, string>>;

/** Every purchase order of the file, in its order. */
export function sampleOrders(): SampleOrder[] {
  const lines = Map.groupBy(
    sampleRows<Cells<"purchase_order_id" | "sku" | "quantity" | "unit_price" | "due_at">>("purchase_order_lines"),
    (line) => line.purchase_order_id,
  );
  const shelves = sampleRows<Cells<"sku" | "warehouse_id" | "quantity">>("stock").filter(
    ({ quantity }) => Number(quantity) > 0,
  );
  const orders = sampleRows<Cells<"purchase_order_id" | "supplier_id" | "subtotal">>("purchase_orders");
  return orders.map(({ purchase_order_id: number, supplier_id: supplier, subtotal }, index) => {
    const shelf = index % FROM_SHELF_EVERY === 0 ? shelves[(index / FROM_SHELF_EVERY) % shelves.length] : undefined;
    return {
      number,
      supplier,
      subtotal,
      lines: (lines.get(number) ?? []).map((line) => ({
        sku: line.sku,
        quantity: Number(line.quantity),
        unitPrice: Math.round(Number(line.unit_price) * 100),
        dueAt: line.due_at,
      })),
      fromShelf: shelf ? { sku: shelf.sku, location: shelf.warehouse_id } : null,
    };
  });
}

/**
 * The vendors as they were when the sample ordered from them: a few have been marked inactive since. The sample has no
 * addresses: the stand-in's.
 */
export async function reachSampleVendors(orders: readonly SampleOrder[]): Promise<void> {
  const vendors = [...new Set(orders.map(({ supplier }) => supplier))];
  const reach = env.DB.prepare("UPDATE suppliers SET url = ?, active = 1 WHERE id = ?");
  await env.DB.batch(vendors.map((vendor) => reach.bind(standInSupplier(vendor).url, vendor)));
}

/** The same in every run, so that what befalls an order hangs on the seed alone. */
export async function idOfSampleOrder({ number }: SampleOrder): Promise<string> {
  return `ord_${(await sha256Hex(`adventureworks:${number}`)).slice(0, 32)}`;
}

export function purchaseKey(orderId: string, { supplier }: SampleOrder): string {
  return `${orderId}:${supplier}`;
}

/** Returns its id. */
export async function placeSampleOrder(order: SampleOrder): Promise<string> {
  // A kick of the relay outlives the call: it hears of its own failure, and nothing waits for it.
  const container = createContainer(env, { waitUntil: () => undefined });
  const id = await idOfSampleOrder(order);
  const at = new Date(container.clock.now()).toISOString();
  const bought = order.lines.map((line, index) => ({
    requestLine: null,
    line: index + 1,
    sku: line.sku,
    quantity: line.quantity,
    source: "purchase" as const,
    supplier: order.supplier,
    orderQuantity: line.quantity,
    unitPrice: line.unitPrice,
    availableOn: line.dueAt,
    reason: `line ${index + 1} of purchase order ${order.number}`,
  }));
  const taken = order.fromShelf && {
    requestLine: null,
    line: bought.length + 1,
    ...order.fromShelf,
    quantity: 1,
    source: "stock" as const,
    orderQuantity: 1,
    unitPrice: 0,
    availableOn: at.slice(0, 10),
    reason: "taken along from the shelf",
  };
  const { writes, events } = placeOrder({
    id,
    requestId: null,
    requester: "director",
    deviceId: TRUCK,
    region: REGION,
    destination: TRUCK,
    total: bought.reduce((sum, line) => sum + line.quantity * line.unitPrice, 0),
    currency: "USD",
    at,
    lines: orderLines(taken ? [...bought, taken] : bought),
  });
  const trace = { ...container.newTrace(), correlationId: id };
  const audit = [
    { actor: { id: "director", kind: "person" as const }, action: "order.placed", subject: `order/${id}` },
  ];
  const committed = await container.commit({ trace, writes, audit, events });
  if (!committed.ok) throw new Error(`purchase order ${order.number} wasn't placed: ${committed.code}`);
  return id;
}
