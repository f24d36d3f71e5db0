/**
 * The order of one line of the matrix and everything that goes wrong around it: 25 pieces from a shelf of 30, 4 bought of
 * supplier A and 6 of supplier B. What is wrong from the beginning is armed here; what comes later is an incident.
 */
import { runInDurableObject } from "cloudflare:test";
import { SUPPLIER_TIMEOUT_MS } from "../../src/config.ts";
import { sha256Hex } from "../../src/container.ts";
import type { SagaState, StepEntry } from "../../src/domain/saga-state.ts";
import { aroundQueue } from "./bindings.ts";
import { faultyD1, type Fault, type FaultyD1 } from "./faulty-d1.ts";
import { as, env, until } from "./harness.ts";
import type { MatrixLine } from "./order-matrix.ts";
import { deliverMessages } from "./relay.ts";
import { MANAGER, sagaOf, seedPart, settled } from "./saga-world.ts";
import { isEndOfLife } from "./short-lived-saga.ts";
import { standInSupplier, type StandInSupplier } from "./stand-in-supplier.ts";
import { sent, updateInventory } from "./stock.ts";
import { moveClock, wrapBindings } from "./world.ts";
import type { Switches } from "../../supplier/src/switches.ts";

/** Longer than a supplier is waited for: an object can't be evicted before. */
export const LET_GO_MS = SUPPLIER_TIMEOUT_MS + 1;
export const ON_SHELF = 30;
const TAKEN = 10;
const CANCELS = "POST purchase-orders/cancel";
const RESERVATION_OVER_MS = 73 * 60 * 60 * 1000;
const LATER_MS = 24 * 60 * 60 * 1000;

/** Happens once, between two actions of the saga, as soon as it may. */
export interface Incident {
  readonly when: (state: SagaState) => boolean | Promise<boolean>;
  readonly act: () => Promise<unknown>;
}

export interface Scene {
  readonly orderId: string;
  readonly stocked: string;
  readonly a: SupplierAt;
  readonly b: SupplierAt;
  readonly d1: FaultyD1;
  readonly incidents: readonly Incident[];
  /** Pieces that others took from the shelf. */
  readonly taken: () => number;
  /** How often each compensation that was to fail was tried in vain. */
  readonly struck: () => Promise<number>;
  readonly place: () => Promise<void>;
}

export interface SupplierAt {
  readonly at: StandInSupplier;
  readonly step: `purchase:${string}`;
  readonly key: string;
  /** Sets the switches; whether it refuses to cancel stays as it is. */
  readonly set: (switches: Partial<Switches>) => Promise<void>;
  readonly refuseToCancel: (refuses: boolean) => Promise<void>;
  readonly cancelsAsked: () => Promise<number>;
}

let scenes = 0;

export async function sceneOf(line: MatrixLine): Promise<Scene> {
  const name = `M${++scenes}`;
  const number = `MATRIX-${scenes}`;
  const orderId = `ord_${(await sha256Hex(`${MANAGER}:${number}`)).slice(0, 32)}`;
  const [a, b] = [supplierAt(orderId, `sup-${name}-a`), supplierAt(orderId, `sup-${name}-b`)];
  const skus = { stocked: `S-${name}`, a: `A-${name}`, b: `B-${name}` };
  await seedPart(skus.stocked, {
    price: 100,
    shelves: [
      { location: "warehouse-03", bin: "Bin-T-1", quantity: 20 },
      { location: "warehouse-03", bin: "Bin-T-2", quantity: ON_SHELF - 20 },
    ],
  });
  await seedPart(skus.a, { price: 100, offeredBy: [a.at.supplier] });
  await seedPart(skus.b, { price: 100, offeredBy: [b.at.supplier] });

  const undo = undoFaults(line, orderId);
  const d1 = faultyD1(...undo, ...stepFaults(line, orderId));
  const refusing = line.undo === "ok" ? [] : refusingSuppliers(line, a, b);
  for (const supplier of refusing) await supplier.refuseToCancel(true);
  if (line.step === "purchase") await b.set(faultAtB(line));

  let taken = 0;
  const take = async () => {
    const ended = await sent("warehouse-03", updateInventory("warehouse-03", skus.stocked, -TAKEN, "Bin-T-2"));
    if (ended.state !== "applied") throw new Error(`not taken: ${JSON.stringify(ended)}`);
    taken += TAKEN;
  };
  const cancelsAsked = async () => {
    const asked = await Promise.all(refusing.map((supplier) => supplier.cancelsAsked()));
    return asked.reduce((sum, one) => sum + one, 0);
  };
  return {
    orderId,
    stocked: skus.stocked,
    a,
    b,
    d1,
    taken: () => taken,
    struck: async () => {
      const lost = [...new Set(undo.map(({ marker }) => marker))].map((marker) => d1.hits(marker));
      return lost.reduce((sum, one) => sum + one, await cancelsAsked());
    },
    incidents: [
      ...incidentsOf(line, { orderId, b, d1, take }),
      ...(line.undo === "once"
        ? [
            {
              when: async () => (await cancelsAsked()) > 0,
              act: () => Promise.all(refusing.map((one) => one.refuseToCancel(false))),
            },
          ]
        : []),
    ],
    place: async () => {
      const held: unknown[] = [];
      const events = (real: Queue) => aroundQueue(real, async (_, bodies) => void held.push(...bodies));
      wrapBindings({ EVENTS_QUEUE: events });
      const placed = await as(MANAGER, "POST", "/api/orders", {
        order_number: number,
        device_id: "truck-001",
        lines: [
          { sku: skus.stocked, quantity: 25 },
          { sku: skus.a, quantity: 4 },
          { sku: skus.b, quantity: 6 },
        ],
      });
      if (placed.body.order_id !== orderId) throw new Error(`not the order foreseen: ${JSON.stringify(placed.body)}`);
      await until("its event is on the queue", async () => held.length > 0);
      if (line.step === "create" && line.fault === "fails") {
        await env.DB.prepare("UPDATE parts SET discontinued = 1 WHERE sku = ?").bind(skus.b).run();
      }
      wrapBindings({ DB: d1.wrap });
      await deliverMessages("events", held);
    },
  };
}

function supplierAt(orderId: string, supplier: string): SupplierAt {
  const at = standInSupplier(supplier.toLowerCase());
  let switches: Partial<Switches> = {};
  let refuses = false;
  const apply = () => at.switchOn({ ...switches, refuse_to_cancel: refuses });
  return {
    at,
    step: `purchase:${at.supplier}`,
    key: `${orderId}:${at.supplier}`,
    set: (next) => ((switches = next), apply()),
    refuseToCancel: (next) => ((refuses = next), apply()),
    cancelsAsked: async () => (await at.calls())[CANCELS] ?? 0,
  };
}

const D1_KINDS = { fails: "before", before: "before", after: "after", twice: "twice", late: "held" } as const;

function stepFaults({ step, fault }: MatrixLine, orderId: string): Fault[] {
  if (step === "purchase" || (fault === "fails" && step !== "complete")) return [];
  return [{ marker: `${orderId}:${step}:0`, kind: D1_KINDS[fault], ...(fault === "fails" ? {} : { times: 1 }) }];
}

/** The batches of compensations that are lost before they are committed: that of the line, or every one where none may begin. */
function undoFaults({ undo, undoOf }: MatrixLine, orderId: string): Fault[] {
  if (undo === "ok") return [];
  const markers: Readonly<Record<string, Pick<Fault, "marker" | "and">>> = {
    create: { marker: `${orderId}:close:1`, and: "Cancelled" },
    reserve: { marker: `${orderId}:reserve:0:undo` },
    move: { marker: `${orderId}:move:0:undo` },
  };
  const struck = undoOf === "none" ? Object.values(markers) : markers[undoOf] ? [markers[undoOf]] : [];
  return struck.map((one) => ({ ...one, kind: "before", ...(undo === "once" ? { times: 1 } : {}) }));
}

function refusingSuppliers({ undoOf }: MatrixLine, a: SupplierAt, b: SupplierAt): SupplierAt[] {
  if (undoOf === "none") return [a, b];
  if (undoOf === "purchase A") return [a];
  return undoOf === "purchase B" || undoOf === "surplus" ? [b] : [];
}

function faultAtB({ fault }: MatrixLine): Partial<Switches> {
  if (fault === "fails") return { refuse: true };
  if (fault === "before") return { fail_next: 1 };
  if (fault === "after") return { lost_reply_next: 1 };
  return { accept_late_ms: LATER_MS };
}

interface Around {
  readonly orderId: string;
  readonly b: SupplierAt;
  readonly d1: FaultyD1;
  readonly take: () => Promise<void>;
}

function incidentsOf({ step, fault, course }: MatrixLine, { orderId, b, d1, take }: Around): Incident[] {
  const hit = step === "purchase" ? b.step : step;
  const isAt = (name: string, state: StepEntry["state"]) => (saga: SagaState) =>
    saga.steps.some((entry) => entry.step === name && entry.state === state);
  const cancel: Incident = {
    when: isAt(hit, fault === "twice" ? "done" : "unknown"),
    act: () => callOff(orderId),
  };
  const goesOn = course === "goes on";
  const incidents: Incident[] = [];
  if (fault === "fails" && step === "reserve") incidents.push({ when: isAt("create", "done"), act: take });
  if (fault === "fails" && step === "move") {
    const expire = async () => {
      moveClock(RESERVATION_OVER_MS);
      await settled();
      await take();
    };
    incidents.push({ when: isAt(b.step, "done"), act: expire });
  }
  if (step !== "purchase" && fault === "late") {
    incidents.push({
      when: goesOn ? isAt(hit, "done") : ({ phase }) => phase === "compensating",
      act: () => landLate(d1),
    });
  }
  if (step === "purchase" && (fault === "late" || fault === "twice")) {
    const looked = ({ steps }: SagaState) =>
      steps.some(
        ({ step: name, state, lateChecks }) =>
          name === b.step && (state === "compensated" || (state === "compensating" && lateChecks > 0)),
      );
    const hasArrived = goesOn || (fault === "twice" && course === "called off");
    incidents.push(
      { when: isAt(b.step, "unknown"), act: () => b.set(fault === "twice" ? { double_accept: true } : {}) },
      { when: hasArrived ? isAt(b.step, "done") : looked, act: () => b.at.acceptLateNow() },
    );
  }
  return goesOn ? incidents : [...incidents, cancel];
}

/** What the database answers to a batch that comes late: it was carried out before, or the fence holds it off. */
async function landLate(d1: FaultyD1): Promise<void> {
  const answers = await d1.release(env.DB);
  if (answers.length !== 1 || answers.includes("committed")) throw new Error(`landed late: ${answers.join("; ")}`);
}

/** The life that is asked may be over: its successor finds the cancel on record. */
async function callOff(orderId: string): Promise<void> {
  await runInDurableObject(sagaOf(orderId), (saga) =>
    saga.cancel("no longer needed").catch((error: unknown) => {
      if (!isEndOfLife(error)) throw error;
    }),
  );
}
