/** Plays one line of the matrix, the object evicted between every two of its actions, and tells how the order ended. */
import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import type { SagaState } from "../../src/domain/saga-state.ts";
import { env, until } from "./harness.ts";
import { LET_GO_MS, ON_SHELF, type Incident, type Scene, type SupplierAt } from "./matrix-scene.ts";
import type { Ended, MatrixLine } from "./order-matrix.ts";
import { journalOf, orderView, sagaOf, settled } from "./saga-world.ts";
import type { SagaLives } from "./short-lived-saga.ts";
import { moveClock, testClock } from "./world.ts";

const MAX_EVICTIONS = 300;

export interface Played {
  /** How many each life of the object carried out. */
  readonly actions: readonly number[];
  readonly evictions: number;
}

/** From the order's acceptance until nothing will wake its object any more. */
export async function play(scene: Scene, lives: SagaLives): Promise<Played> {
  const saga = sagaOf(scene.orderId);
  const waiting = new Set(scene.incidents);
  await scene.place();
  for (let evictions = 0; evictions < MAX_EVICTIONS; evictions++) {
    const seen = await until("it rests between two actions", async () =>
      lives.isActing(saga.id) ? null : saga.inspect(),
    );
    const happened = await happen(waiting, seen.state);
    if (seen.state.phase === "ended" && seen.next_wake_at === null && !happened) {
      return { actions: lives.actionsOf(saga.id), evictions };
    }
    moveClock(LET_GO_MS);
    await evictDurableObject(saga);
    const left = wakesAt(seen) - testClock.now();
    if (left > 0) moveClock(Math.ceil(left) + 1);
    await runDurableObjectAlarm(saga);
  }
  throw new Error(`no end after ${MAX_EVICTIONS} evictions`);
}

/** When it means to go on: what it sleeps for, or once it has ended, the alarm that it still has. */
function wakesAt({ state, next_wake_at }: { readonly state: SagaState; readonly next_wake_at: string | null }): number {
  return state.phase === "ended" && next_wake_at !== null ? Date.parse(next_wake_at) : state.waitUntil;
}

/** Lets happen what may; what has happened waits no more. */
async function happen(waiting: Set<Incident>, state: SagaState): Promise<boolean> {
  const before = waiting.size;
  for (const incident of waiting) {
    if (!(await incident.when(state))) continue;
    waiting.delete(incident); // first: an incident that fails must not come again
    await incident.act();
  }
  return waiting.size < before;
}

/** How it ended, as its people and suppliers see it. */
export async function endOf(scene: Scene): Promise<Ended> {
  await settled();
  const { status, error } = await orderView(scene.orderId);
  const nameOf = (step: string) => step.replace(scene.a.step, "purchase A").replace(scene.b.step, "purchase B");
  const left = new Map((await journalOf(scene.orderId)).map(({ step, state }) => [step, state]));
  const failed = [...left].flatMap(([step, state]) => (state === "compensation_failed" ? [nameOf(step)] : []));
  return {
    end: status,
    error: error === null ? "–" : error.code === "CANCELLED" ? error.code : `${nameOf(error.step)} ${error.code}`,
    liveAtA: await liveAt(scene.a),
    liveAtB: await liveAt(scene.b),
    reserved: await sum("reservations WHERE state = 'open' AND order_id = ?", scene.orderId),
    moved: 0 - (await sum("stock_movements WHERE source = ?", `order/${scene.orderId}`)),
    left: failed.join(", ") || "–",
  };
}

async function liveAt({ at, key }: SupplierAt): Promise<number> {
  return (await at.ordersUnder(key)).filter(({ status }) => status === "accepted").length;
}

async function sum(from: string, parameter: string): Promise<number> {
  const row = await env.DB.prepare(`SELECT COALESCE(SUM(quantity), 0) AS n FROM ${from}`)
    .bind(parameter)
    .first<number>("n");
  return row ?? 0;
}

/** What else must be true of a line that was played: empty where it is. */
export async function besides(line: MatrixLine, scene: Scene, ended: Ended): Promise<string[]> {
  const wrong: string[] = [];
  const level = await env.DB.prepare(
    "SELECT on_hand, reserved FROM stock_levels WHERE sku = ? AND location = 'warehouse-03'",
  )
    .bind(scene.stocked)
    .first<{ on_hand: number; reserved: number }>();
  const onHand = ON_SHELF - scene.taken() - ended.moved;
  if (level?.on_hand !== onHand || level.reserved !== ended.reserved) {
    wrong.push(`the level is ${JSON.stringify(level)}, not ${onHand} and ${ended.reserved}`);
  }
  const told = await env.DB.prepare("SELECT COUNT(*) AS n FROM outbox WHERE type = 'OrderEnded' AND subject = ?")
    .bind(`order/${scene.orderId}`)
    .first<number>("n");
  if (told !== 1) wrong.push(`its end was told ${told} times`);

  // An order that has what it asked for doesn't change its end: what its supplier won't take back is told.
  const surplus = ended.end === "Completed" && ended.left !== "–" ? 1 : 0;
  const reported = await env.DB.prepare(
    `SELECT COUNT(*) AS n FROM outbox WHERE type = 'ErrorOccurred' AND subject = ?
       AND event ->> '$.data.code' = 'SUPPLIER_REFUSED'`,
  )
    .bind(`order/${scene.orderId}`)
    .first<number>("n");
  if (ended.end === "Completed" && reported !== surplus) wrong.push(`a surplus was told ${reported} times`);

  const undone = (await journalOf(scene.orderId)).filter(({ state }) => state === "compensating");
  if (line.undoOf === "none" && undone.length > 0) wrong.push(`${undone[0]?.step} was undone`);
  const struck = await scene.struck();
  const least = line.undo === "ok" || line.undoOf === "none" ? 0 : line.undo === "once" ? 1 : 5;
  if (struck < least || (least === 0 && struck > 0)) wrong.push(`the undo failed ${struck} times`);
  const fault = `${scene.orderId}:${line.step}:0`;
  const hits = scene.d1.hits(fault);
  const wanted = line.step === "purchase" || line.fault === "fails" ? hits : 1;
  if (hits !== wanted || (line.step === "complete" && hits === 0)) wrong.push(`the fault came ${hits} times`);
  return wrong;
}
