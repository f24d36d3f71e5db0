/**
 * Orders for tests of the saga: parts and suppliers of a test's own, a manager with a limit of their own, and time that
 * moves with the saga: where it sleeps, the clock goes on and its alarm is run.
 */
import { runDurableObjectAlarm } from "cloudflare:test";
import { sha256Hex } from "../../src/container.ts";
import type { SagaState } from "../../src/domain/saga-state.ts";
import { as, env, until } from "./harness.ts";
import { violations } from "./invariants.ts";
import { standInSupplier, type StandInSupplier } from "./stand-in-supplier.ts";
import { moveClock, testClock } from "./world.ts";

export const MANAGER = "manager-north";

/** The demo's managers may order nothing by themselves. */
export async function giveSelfLimit(person: string, limit: number): Promise<void> {
  await env.DB.prepare("UPDATE people SET self_approval_limit = ? WHERE id = ?").bind(limit, person).run();
}

export interface Shelf {
  readonly location: string;
  readonly bin: string;
  readonly quantity: number;
}

/** A part on shelves, with opening movements; `offeredBy` makes it one that can be bought. Prices are minor units. */
export async function seedPart(
  sku: string,
  options: {
    price?: number;
    category?: string;
    name?: string;
    shelves?: readonly Shelf[];
    offeredBy?: readonly string[];
  } = {},
): Promise<void> {
  const { price = 1_000, category = "body", name = `Part ${sku}`, shelves = [], offeredBy = [] } = options;
  const db = env.DB;
  const totals = Map.groupBy(shelves, (shelf) => shelf.location);
  await db.batch([
    db
      .prepare("INSERT INTO parts(sku, name, category, unit, list_price) VALUES (?, ?, ?, 'each', ?)")
      .bind(sku, name, category, price),
    ...[...totals].map(([location, own]) =>
      db.prepare("INSERT INTO stock_levels(sku, location, on_hand) VALUES (?, ?, ?)").bind(
        sku,
        location,
        own.reduce((sum, { quantity }) => sum + quantity, 0),
      ),
    ),
    ...shelves.flatMap(({ location, bin, quantity }) => [
      db
        .prepare("INSERT INTO stock_bins(sku, location, bin, quantity) VALUES (?, ?, ?, ?)")
        .bind(sku, location, bin, quantity),
      db
        .prepare(
          "INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at) VALUES (?, ?, ?, ?, ?, 'opening', 'test', ?)",
        )
        .bind(`mov_${sku}_${location}_${bin}`, sku, location, bin, quantity, "2026-01-05T06:00:00.000Z"),
    ]),
    ...offeredBy.flatMap((supplier) => [
      db
        .prepare("INSERT INTO suppliers(id, name, url) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
        .bind(supplier, supplier, standInSupplier(supplier).url),
      db
        .prepare("INSERT INTO supplier_parts(supplier, sku, unit, lead_time_days) VALUES (?, ?, 'each', 2)")
        .bind(supplier, sku),
      db
        .prepare("INSERT INTO price_breaks(supplier, sku, min_quantity, unit_price) VALUES (?, ?, 1, ?)")
        .bind(supplier, sku, price),
    ]),
  ]);
}

export interface MixedParts {
  readonly stocked: string;
  readonly bought: string;
  readonly supplier: StandInSupplier;
}

/** One part in stock (20 + 10 in two bins of warehouse-03) and one that must be bought of a supplier of its own. */
export async function seedMixedParts(name: string): Promise<MixedParts> {
  const parts = { stocked: `S-${name}`, bought: `B-${name}`, supplier: standInSupplier(`sup-${name.toLowerCase()}`) };
  await seedPart(parts.stocked, {
    shelves: [
      { location: "warehouse-03", bin: "Bin-T-1", quantity: 20 },
      { location: "warehouse-03", bin: "Bin-T-2", quantity: 10 },
    ],
  });
  await seedPart(parts.bought, { offeredBy: [parts.supplier.supplier] });
  return parts;
}

export interface MixedOrder {
  readonly parts: MixedParts;
  readonly orderId: string;
  /** The inbox ids of its steps, known before it is placed, so that a fault can wait for them. */
  readonly keys: Readonly<Record<"create" | "reserve" | "purchase" | "move" | "complete", string>>;
  readonly place: () => Promise<void>;
}

let orders = 0;

/** An order for truck-001 by a manager within their own limit: 25 of the stocked part (two bins) and 4 bought. */
export async function mixedOrder(parts: MixedParts): Promise<MixedOrder> {
  const number = `T-${++orders}`;
  const orderId = `ord_${(await sha256Hex(`${MANAGER}:${number}`)).slice(0, 32)}`;
  const place = async () => {
    const placed = await as(MANAGER, "POST", "/api/orders", {
      order_number: number,
      device_id: "truck-001",
      lines: [
        { sku: parts.stocked, quantity: 25 },
        { sku: parts.bought, quantity: 4 },
      ],
    });
    if (placed.body.order_id !== orderId) throw new Error(`not the order foreseen: ${JSON.stringify(placed.body)}`);
  };
  const keys = {
    create: `${orderId}:create:0`,
    reserve: `${orderId}:reserve:0`,
    purchase: `${orderId}:${parts.supplier.supplier}`,
    move: `${orderId}:move:0`,
    complete: `${orderId}:complete:0`,
  };
  return { parts, orderId, keys, place };
}

export async function orderMixed(parts: MixedParts): Promise<string> {
  const { orderId, place } = await mixedOrder(parts);
  await place();
  return orderId;
}

export function sagaOf(orderId: string) {
  return env.SAGA.get(env.SAGA.idFromName(orderId));
}

export function breakerOf(supplier: string) {
  return env.BREAKER.get(env.BREAKER.idFromName(`supplier:${supplier}`));
}

interface DriveOptions {
  readonly stop?: (state: SagaState) => boolean;
  /** Runs whenever the saga sleeps, after the clock has moved. */
  readonly meanwhile?: () => Promise<unknown>;
  /** How far the clock moves at least: hours of waiting in a few turns. */
  readonly leapMs?: number;
}

/** Plays the saga to its end, or until `stop` fits. */
export async function drive(orderId: string, { stop, meanwhile, leapMs = 0 }: DriveOptions = {}): Promise<SagaState> {
  return watch(
    orderId,
    (state) => state.phase === "ended" || stop?.(state) === true,
    async (state) => {
      const left = state.waitUntil - testClock.now();
      if (left > 0) {
        moveClock(Math.max(leapMs, Math.ceil(left) + 1));
        await meanwhile?.();
      }
      await runDurableObjectAlarm(sagaOf(orderId)); // during a run it only waits for the run
    },
  );
}

/** Looks on until the saga's state fits; by itself it moves nothing. */
export async function watch(
  orderId: string,
  fits: (state: SagaState) => boolean,
  otherwise: (state: SagaState) => Promise<unknown> = () => Promise.resolve(),
): Promise<SagaState> {
  return until(
    `the saga of ${orderId} gets there`,
    async () => {
      const seen = await sagaOf(orderId).inspect();
      if (seen && fits(seen.state)) return seen.state;
      if (seen) await otherwise(seen.state);
      return null;
    },
    20_000,
  );
}

/** Everything that is due has reached every subscriber. Runs the relay's alarm for timers that the clock was moved past. */
export async function settled(): Promise<void> {
  const relay = env.RELAY.get(env.RELAY.idFromName("relay:0"));
  await until("everything due is done", async () => {
    const open = await env.DB.prepare(
      "SELECT COUNT(*) AS n FROM outbox WHERE (done | dead) <> want AND parked_at IS NULL AND not_before <= ?",
    )
      .bind(new Date(testClock.now()).toISOString())
      .first<number>("n");
    if (open === 0) return true;
    await runDurableObjectAlarm(relay);
    return null;
  });
}

export interface JournalLine {
  readonly seq: number;
  readonly at: string;
  readonly step: string;
  readonly attempt: number;
  readonly key: string;
  readonly state: string;
  readonly detail: string | null;
}

/** The journal as operations see it. */
export async function journalOf(orderId: string): Promise<JournalLine[]> {
  const seen = await as("ops", "GET", `/api/orders/${orderId}/saga`);
  if (seen.status !== 200) throw new Error(`no journal: ${seen.status}`);
  return seen.body.journal;
}

/** The steps in the order in which their compensation first began. */
export function undoneSteps(journal: readonly JournalLine[]): string[] {
  return [...new Set(journal.filter(({ state }) => state === "compensating").map(({ step }) => step))];
}

export async function orderView(orderId: string) {
  return (await as("ops", "GET", `/api/orders/${orderId}`)).body;
}

/** The level of the stocked part on its shelf: 30 on hand before any order. */
export async function shelfOf(parts: MixedParts): Promise<{ on_hand: number; reserved: number } | null> {
  const level = env.DB.prepare(
    "SELECT on_hand, reserved FROM stock_levels WHERE sku = ? AND location = 'warehouse-03'",
  );
  return level.bind(parts.stocked).first();
}

/** Purchase orders that the supplier will deliver. */
export async function liveAtSupplier({ parts, keys }: MixedOrder): Promise<number> {
  const placed = await parts.supplier.ordersUnder(keys.purchase);
  return placed.filter(({ status }) => status === "accepted").length;
}

/** The steps that were begun when `step` is the one that fails, the last first. */
export function begunBefore(step: keyof MixedOrder["keys"], { parts }: MixedOrder): string[] {
  const steps = ["create", "reserve", "purchase", "move", "complete"] as const;
  return steps
    .slice(0, steps.indexOf(step) + 1)
    .map((one) => (one === "purchase" ? `purchase:${parts.supplier.supplier}` : one))
    .reverse();
}

/** What is wrong with a finished order as a whole: empty when it is done, or undone, in stock, at the supplier and in every invariant. */
export async function wrongWith(order: MixedOrder, want: "Completed" | "Cancelled"): Promise<string[]> {
  await settled();
  const { status } = await orderView(order.orderId);
  const shelf = await shelfOf(order.parts);
  const live = await liveAtSupplier(order);
  const found = [
    `${status}`,
    `on hand ${shelf?.on_hand}`,
    `reserved ${shelf?.reserved}`,
    `live at the supplier ${live}`,
  ];
  const wanted =
    want === "Completed"
      ? ["Completed", "on hand 5", "reserved 0", "live at the supplier 1"]
      : ["Cancelled", "on hand 30", "reserved 0", "live at the supplier 0"];
  return [...found.filter((one) => !wanted.includes(one)), ...(await violations(env.DB))];
}
