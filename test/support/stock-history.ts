/**
 * Histories of clients who change and read the same stock at once, with the product's own guarded writes: each change is one
 * `commit()` under a key, a caller who isn't answered asks again under the same key, and what each was told is kept.
 */
import { sql } from "drizzle-orm";
import { openDatabase, type Database } from "../../src/db/database.ts";
import { binsOf, linesInTransit, release, reserve, reverseShipment, ship } from "../../src/db/queries/order-stock.ts";
import { changeStock, listBins, listStock } from "../../src/db/queries/stock.ts";
import { commit, type GuardedWrite } from "../../src/db/unit-of-work.ts";
import { pickBins } from "../../src/domain/stock.ts";
import type { AroundDatabase } from "./bindings.ts";
import type { Call } from "./linearizable.ts";
import {
  BINS,
  carryOut,
  isRead,
  isShort,
  levelsOf,
  PARTS,
  type BinPick,
  type Change,
  type Op,
  type Quantities,
  type Read,
  type StockState,
  type Told,
} from "./stock-model.ts";

export interface Plan {
  /** By part, by bin. */
  readonly stock: readonly (readonly number[])[];
  /** By order: how many of each part. */
  readonly demand: readonly Quantities[];
  /** What each client does, one after the other. */
  readonly clients: readonly (readonly Op[])[];
  /** Which waiting call of the database goes next, where the order is the test's to choose. */
  readonly turns: readonly number[];
  /** Calls of the database (counted over all clients) that end badly. */
  readonly faults: readonly Fault[];
}

export interface Fault {
  readonly call: number;
  /** Never reaches the database; is done, but the reply is lost; is given up by its caller and done later. */
  readonly kind: "before" | "after" | "late";
}

const PLACE = "warehouse-03";
const TRUCK = "truck-001";
const MOST_TRIES = 3;
const AT = "2026-10-23T08:00:00.000Z";
const TRACE = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`, correlationId: "history" };

interface Try {
  readonly began: number;
  readonly ended: number;
  readonly op: Op;
  readonly key: string;
  readonly told: Told;
  /** Of a change that was sent: the bins it names. Undefined: it never got as far as to ask for a change. */
  readonly picks: readonly BinPick[] | undefined;
  /** What a read saw. */
  readonly seen: string;
}

export interface Runner {
  /** The database as the clients reach it, faults and turns included. */
  readonly db: D1Database;
  /** Lets the clients run until all have ended. */
  readonly drive: (clients: readonly Promise<void>[]) => Promise<void>;
}

/** Where all histories happen. */
export const PLACES = [
  { sql: "INSERT INTO regions(id, name) VALUES ('north', 'North')", params: [] },
  {
    sql: "INSERT INTO locations(id, kind, name, region) VALUES (?, 'warehouse', 'Warehouse', 'north')",
    params: [PLACE],
  },
  { sql: "INSERT INTO locations(id, kind, name, region) VALUES (?, 'truck', 'Truck', 'north')", params: [TRUCK] },
] as const;

const skuOf = (name: string, part: number) => `${name}-${part}`;

/** The parts of a history with their opening stock, as statements. */
export function openingRows(name: string, stock: Plan["stock"]): { sql: string; params: (string | number)[] }[] {
  return stock.flatMap((bins, part) => {
    const sku = skuOf(name, part);
    const total = bins.reduce((sum, one) => sum + one, 0);
    return [
      {
        sql: "INSERT INTO parts(sku, name, category, unit, list_price) VALUES (?, ?, 'body', 'each', 100)",
        params: [sku, sku],
      },
      { sql: "INSERT INTO stock_levels(sku, location, on_hand) VALUES (?, ?, ?)", params: [sku, PLACE, total] },
      ...bins.flatMap((quantity, bin) => [
        {
          sql: "INSERT INTO stock_bins(sku, location, bin, quantity) VALUES (?, ?, ?, ?)",
          params: [sku, PLACE, BINS[bin] ?? "", quantity],
        },
        ...(quantity === 0
          ? []
          : [
              {
                sql: `INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at) VALUES (?, ?, ?, ?, ?, 'opening', 'test', '${AT}')`,
                params: [`mov_${sku}_${bin}`, sku, PLACE, BINS[bin] ?? "", quantity],
              },
            ]),
      ]),
    ];
  });
}

/** Runs the plan over parts of its own (`name`) and returns every try, with what was told and when. */
export async function runHistory(name: string, plan: Plan, runner: Runner): Promise<readonly Call<StockState>[]> {
  const tries: Try[] = [];
  let time = 0;
  let ids = 0;
  const db = openDatabase(runner.db);
  const newId = (kind: string) => `${kind}_${name}_${ids++}`;
  const deps = { db, now: () => Date.parse(AT), newId, wantOf: () => 0, webhookWantOf: () => 0 };
  const orderId = (order: number) => `ord_${name}_${order}`;
  const demandOf = (order: number) =>
    PARTS.map((part) => ({
      sku: skuOf(name, part),
      location: PLACE,
      quantity: plan.demand[order]?.[part] ?? 0,
    })).filter(({ quantity }) => quantity > 0);
  const partOf = (sku: string) => PARTS.findIndex((part) => skuOf(name, part) === sku);
  const binOf = (label: string) => BINS.findIndex((one) => one === label);
  const answer = sql`SELECT json_group_array(json_object('on_hand', on_hand, 'reserved', reserved, 'version', version))
    FROM (SELECT * FROM stock_levels WHERE location = ${PLACE}
          AND sku IN (${skuOf(name, 0)}, ${skuOf(name, 1)}) ORDER BY sku)`;

  /** The writes of a change, with the bins that they name; null: it finds nothing to do. */
  const writesOf = async (op: Change): Promise<{ writes: GuardedWrite[]; picks: BinPick[] } | null> => {
    if (op.kind === "change") {
      const place = { sku: skuOf(name, op.part), location: PLACE, bin: BINS[op.bin] ?? "" };
      const change = { ...place, quantity: op.quantity, kind: "adjustment", source: `test/${name}`, at: AT } as const;
      return { writes: changeStock({ ...change, movementId: deps.newId("movement") }), picks: [] };
    }
    const id = orderId(op.order);
    const demand = demandOf(op.order);
    if (op.kind === "reserve") return { writes: reserve(id, demand, AT), picks: [] };
    if (op.kind === "release") return { writes: release(id, "released"), picks: [] };
    if (op.kind === "ship") {
      const bins = await binsOf(db, demand);
      const picks: BinPick[] = [];
      const rows = demand.flatMap((place) => {
        const own = pickBins(
          bins.filter((bin) => bin.sku === place.sku),
          place.quantity,
        );
        if (!own) return [];
        for (const { bin, quantity } of own) picks.push({ part: partOf(place.sku), bin: binOf(bin), quantity });
        return own.map((pick) => ({ ...place, ...pick, movementId: deps.newId("movement"), transferId: `trf_${id}` }));
      });
      const isWhole =
        picks.reduce((sum, { quantity }) => sum + quantity, 0) === demand.reduce((sum, one) => sum + one.quantity, 0);
      if (!isWhole) return null;
      return { writes: ship({ orderId: id, destination: TRUCK, demand, picks: rows, bought: [], at: AT }), picks };
    }
    const lines = (await linesInTransit(db, id)).map((line) => ({ ...line, movementId: deps.newId("movement") }));
    if (lines.length === 0) return null;
    return { writes: reverseShipment(id, TRUCK, lines, [], AT), picks: [] };
  };

  const tell = async (op: Change, key: string, sending: (picks: BinPick[]) => void): Promise<Told> => {
    try {
      const work = await writesOf(op);
      if (!work) return { as: "nothing" };
      sending(work.picks);
      const inbox = { scope: "history", id: key, bodyHash: key, result: answer };
      const committed = await commit(deps, { trace: TRACE, inbox, writes: work.writes });
      if (!committed.ok) return { as: "refused", code: committed.code };
      return { as: "applied", levels: committed.replayed ? (committed.result ?? "") : await storedAnswer(db, key) };
    } catch (error) {
      return isBrokenLine(error) ? { as: "unknown" } : { as: "failed" };
    }
  };

  const look = async (op: Read): Promise<string | null> => {
    try {
      const sku = skuOf(name, op.part);
      if (op.kind === "bins") return JSON.stringify((await listBins(db, sku, PLACE)).map(({ quantity }) => quantity));
      const [level] = await listStock(db, { sku, location: PLACE, region: null, limit: 1 });
      return JSON.stringify([level?.on_hand, level?.reserved, level?.version]);
    } catch (error) {
      if (isBrokenLine(error)) return null;
      throw error;
    }
  };

  const attempt = async (op: Op, key: string): Promise<boolean> => {
    const began = time++;
    if (isRead(op)) {
      const seen = await look(op);
      if (seen !== null) tries.push({ began, ended: time++, op, key, told: { as: "nothing" }, picks: undefined, seen });
      return seen !== null;
    }
    let picks: BinPick[] | undefined;
    const told = await tell(op, key, (sent) => (picks = sent));
    const ended = told.as === "unknown" ? Number.POSITIVE_INFINITY : time++;
    tries.push({ began, ended, op, key, told, picks, seen: "" });
    return told.as !== "unknown";
  };

  const client = async (ops: readonly Op[], number: number): Promise<void> => {
    for (const [at, op] of ops.entries()) {
      for (let tried = 0; tried < MOST_TRIES; tried++) if (await attempt(op, `${name}:${number}:${at}`)) break;
    }
  };
  await runner.drive(plan.clients.map(client));
  // Once all is quiet, everything is looked at: what was told must be what is there.
  const reads = PARTS.flatMap((part) => [{ kind: "level", part } as const, { kind: "bins", part } as const]);
  await runner.drive([client(reads, -1)]);
  return tries.flatMap((one) => callOf(one, plan.demand));
}

const BROKEN_LINE = "the line is broken";

function isBrokenLine(error: unknown): boolean {
  return error instanceof Error && (error.message.includes(BROKEN_LINE) || isBrokenLine(error.cause));
}

async function storedAnswer(db: Database, key: string): Promise<string> {
  const row = await db.get<{ result: string }>(sql`SELECT result FROM inbox WHERE scope = 'history' AND id = ${key}`);
  return row.result;
}

/** A try as the checker sees it. One that broke before it asked for a change is none. */
function callOf({ began, ended, op, key, told, picks, seen }: Try, demand: readonly Quantities[]): Call<StockState>[] {
  if (isRead(op)) {
    const show = (state: StockState) => {
      const level = state.levels[op.part];
      return JSON.stringify(op.kind === "bins" ? level?.bins : [level?.on_hand, level?.reserved, level?.version]);
    };
    return [{ began, ended, after: (state) => (show(state) === seen ? state : null) }];
  }
  if (told.as === "unknown" && picks === undefined) return [];
  const after = (state: StockState): StockState | null => {
    if (told.as === "failed") return null;
    if (told.as === "nothing") {
      if (op.kind === "ship") return isShort(state, demand[op.order] ?? [0, 0]) ? state : null;
      return op.kind === "reverse" && state.orders[op.order]?.state !== "used" ? state : null;
    }
    const stored = state.answers[key];
    if (stored !== undefined)
      return told.as === "unknown" || (told.as === "applied" && told.levels === stored) ? state : null;
    const done = carryOut(state, op, demand, picks ?? []);
    if ("code" in done) return told.as === "refused" && told.code === done.code ? state : null;
    const levels = levelsOf(done);
    if (told.as === "refused" || (told.as === "applied" && told.levels !== levels)) return null;
    return { ...done, answers: { ...done.answers, [key]: levels } };
  };
  return [{ began, ended, after }];
}

/** The calls of the database, of which some end badly. `later` hands over what its caller has given up. */
export function withFaults(faults: readonly Fault[], later: (work: () => Promise<unknown>) => void): AroundDatabase {
  let calls = 0;
  return async (call) => {
    const number = calls++;
    const fault = faults.find((one) => one.call === number);
    if (fault === undefined) return call();
    if (fault.kind === "late") later(call);
    if (fault.kind === "after") await call().catch(() => undefined);
    throw new Error(`D1_ERROR: ${BROKEN_LINE} (${fault.kind})`);
  };
}
