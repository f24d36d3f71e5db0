/**
 * The stage of one run: every I/O call of the product passes here, is counted and named, and meets the run's faults. It also
 * holds what the platform would hold: the clock, the queues, the alarms, and calls that are under way for longer. One for
 * the isolate: the tests and the Worker under test are different modules of it.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Env } from "../../../src/env.ts";
import type { Fault } from "./fault.ts";

/** A life of some code: one request, one queue batch, or one object in memory. Once it is dead, all its calls fail. */
export interface Incarnation {
  readonly name: string;
  readonly object?: { readonly namespace: ObjectNamespace; readonly id: string };
  /** The test's own looks at the product are no part of a flow. */
  readonly watched: boolean;
  dead: boolean;
  inTransaction: boolean;
}

export type ObjectNamespace = "HUB" | "RELAY" | "SAGA" | "BREAKER";

export interface Queued {
  readonly queue: string;
  readonly id: string;
  readonly body: unknown;
  readonly attempts: number;
  readonly at: number;
}

/** A call whose caller was told of a time-out: `run` carries it out. */
export interface LateCall {
  readonly point: string;
  readonly at: number;
  readonly run: (env: Env) => Promise<unknown>;
}

interface Held {
  readonly point: string;
  released: boolean;
}

export interface Alarm {
  readonly namespace: ObjectNamespace;
  readonly id: string;
  readonly name: string;
  readonly at: number;
}

interface Stage {
  now: number;
  faults: Map<string, Fault["kind"]>;
  readonly hit: Set<string>;
  readonly counts: Map<string, number>;
  trace: string[];
  /** Calls that change nothing. */
  readonly reads: Set<string>;
  /** Those whose answer was that there is nothing, and looks of an object at its own storage. */
  readonly idle: Set<string>;
  queues: Queued[];
  late: LateCall[];
  held: Held[];
  readonly alarms: Map<string, Alarm>;
  readonly objects: Map<string, Incarnation>;
  /** Invocations and their background work that aren't over. */
  readonly tasks: Set<object>;
  /** Calls that are being carried out. */
  readonly running: Set<object>;
  messages: number;
  /** What is particular to this run (in SKUs, supplier ids) and must not be in the name of a point. */
  tag: string;
  /** In the driver's context, those who wait for the clock. */
  waiting: { at: number; wake: () => void }[];
  /** When a late call is carried out, in ms from now. */
  lateBy: () => number;
  /** Does its queue give this message up, as after its last try? */
  givesUp: (body: unknown) => boolean;
  loud: boolean;
}

const KEY = Symbol.for("waybill.test.sweep.stage");
const shared = globalThis as unknown as Record<symbol, { stage: Stage; lives: AsyncLocalStorage<Incarnation> }>;

/** Far ahead of real time, so that no alarm of the platform's own ever comes due by itself. */
const BEGIN = Date.parse("2031-01-06T08:00:00Z");

const own = (shared[KEY] ??= {
  lives: new AsyncLocalStorage<Incarnation>(),
  stage: {
    now: BEGIN,
    faults: new Map(),
    hit: new Set(),
    counts: new Map(),
    trace: [],
    reads: new Set(),
    idle: new Set(),
    queues: [],
    late: [],
    held: [],
    alarms: new Map(),
    objects: new Map(),
    tasks: new Set(),
    running: new Set(),
    messages: 0,
    tag: "",
    waiting: [],
    lateBy: () => 0,
    givesUp: () => false,
    loud: false,
  },
});

export const stage: Stage = own.stage;
/** Whose code runs now: for the global `fetch`, which no environment stands before. */
export const lives: AsyncLocalStorage<Incarnation> = own.lives;

/** Clears what belongs to a run. The clock goes on. */
export function clearStage(tag: string, lateBy: () => number): void {
  beginRun([]);
  stage.queues = [];
  stage.late = [];
  stage.held = [];
  stage.alarms.clear();
  forgetObjects();
  stage.tag = tag;
  stage.lateBy = lateBy;
  stage.givesUp = () => false;
}

/** From here on calls are counted, and meet these faults: what came before was the setting of the scene. */
export function beginRun(faults: readonly Fault[]): void {
  stage.faults = new Map(faults.map(({ point, kind }) => [point, kind]));
  stage.hit.clear();
  stage.counts.clear();
  stage.trace = [];
  stage.reads.clear();
  stage.idle.clear();
}

export function incarnate(name: string, watched = true): Incarnation {
  return { name, watched, dead: false, inTransaction: false };
}

class Crashed extends Error {
  constructor(name: string) {
    super(`${name} died`);
  }
}

const LOST = "Network connection lost.";

/** The name of a call with nothing in it that is this run's own. */
function stable(text: string): string {
  const plain = stage.tag === "" ? text : text.replaceAll(stage.tag, "").replaceAll(stage.tag.toLowerCase(), "");
  return plain.replaceAll(/[0-9a-f]{12,}/gi, "*");
}

function arrive(who: Incarnation, what: string): { point: string; fault: Fault["kind"] | undefined } {
  const call = stable(`${who.name} ${what}`);
  const nth = (stage.counts.get(call) ?? 0) + 1;
  stage.counts.set(call, nth);
  const point = `${call} #${nth}`;
  stage.trace.push(point);
  const fault = stage.faults.get(point);
  if (fault) stage.hit.add(point);
  if (stage.loud) console.log(`${new Date(stage.now).toISOString()} ${point}${fault ? `   <<< ${fault}` : ""}`);
  return { point, fault };
}

async function carryOut<T>(perform: () => Promise<T>): Promise<T> {
  const call = {};
  stage.running.add(call);
  try {
    return await perform();
  } finally {
    stage.running.delete(call);
  }
}

function isNothing(answer: unknown): boolean {
  if (Array.isArray(answer)) return answer.length === 0;
  return answer !== null && typeof answer === "object" && "results" in answer && isNothing(answer.results);
}

export interface Call<T> {
  readonly what: string;
  readonly perform: () => Promise<T>;
  /** The same call from the driver's own context; absent where a late one makes no difference (reads). */
  readonly later?: (env: Env) => Promise<unknown>;
  /** A look of an object at its own storage. */
  readonly local?: true;
  /** Calls other code of ours, whose calls are counted themselves. */
  readonly nested?: true;
}

const HOLD_MS = 2;

/** An asynchronous call, with the run's fault if one is meant for it. */
export async function through<T>(who: Incarnation, call: Call<T>): Promise<T> {
  if (!who.watched) return call.perform();
  if (who.dead) throw new Crashed(who.name);
  if (who.inTransaction) return call.perform();
  const { point, fault } = arrive(who, call.what);
  if (!call.later) stage.reads.add(point);
  const perform = call.nested ? call.perform : () => carryOut(call.perform);
  const alive = <R>(answer: R): R => {
    if (who.dead) throw new Crashed(who.name);
    return answer;
  };
  switch (fault) {
    case undefined: {
      const answer = await perform();
      if (call.local || isNothing(answer)) stage.idle.add(point);
      return alive(answer);
    }
    case "crash-before":
      who.dead = true;
      throw new Crashed(who.name);
    case "crash-after":
      await perform().catch(() => undefined);
      who.dead = true;
      throw new Crashed(who.name);
    case "late":
      if (call.later) stage.late.push({ point, at: stage.now + stage.lateBy(), run: call.later });
      throw new Error(LOST);
    case "twice":
      await perform().catch(() => undefined);
      return alive(await perform());
    case "delayed": {
      const held: Held = { point, released: false };
      stage.held.push(held);
      while (!held.released) await scheduler.wait(HOLD_MS);
      if (who.dead) throw new Crashed(who.name);
      return alive(await perform());
    }
  }
}

/**
 * A synchronous call of an object to its own storage. Nothing can overtake it, so `delayed` is as good as none; `late` is a write
 * that is reported as failed although it was made.
 */
export function throughSync<T>(who: Incarnation, what: string, perform: () => T, local = false): T {
  if (!who.watched || who.inTransaction) return perform();
  if (who.dead) throw new Crashed(who.name);
  const { point, fault } = arrive(who, what);
  if (local) stage.idle.add(point);
  if (fault === "crash-before") {
    who.dead = true;
    throw new Crashed(who.name);
  }
  const answer = perform();
  if (fault === "crash-after") {
    who.dead = true;
    throw new Crashed(who.name);
  }
  if (fault === "late") throw new Error("internal error");
  return fault === "twice" ? perform() : answer;
}

/** Work that the platform would keep alive: the driver waits for it. */
export function track(work: Promise<unknown>): void {
  stage.tasks.add(work);
  void work
    .catch(() => undefined)
    .finally(() => {
      stage.tasks.delete(work);
    });
}

/** What was under way in objects that are gone never ends. */
export function forgetObjects(): void {
  stage.objects.clear();
  stage.tasks.clear();
  stage.running.clear();
}

/** Moves the clock on. */
export function moveTo(at: number): void {
  if (at > stage.now) stage.now = at;
  const due = stage.waiting.filter((one) => one.at <= stage.now);
  stage.waiting = stage.waiting.filter((one) => one.at > stage.now);
  for (const one of due) one.wake();
}
