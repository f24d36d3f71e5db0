/** What every part of the story works with: the app, the actors, numbered checks, and the timeline that is printed. */
import { setTimeout as sleep } from "node:timers/promises";
import { styleText } from "node:util";
import type { Api } from "./api.ts";
import { castOf, type Actor, type Cast } from "./cast.ts";
import type { Row } from "./table.ts";

const UNTIL_MS = 15_000;
const POLL_MS = 100;

export const DEVICES = ["truck-001", "truck-002", "warehouse-03"] as const;
export const MANAGERS = ["manager-north", "manager-national"] as const;
export const REGION = "north";

export type ActorId = (typeof DEVICES)[number] | (typeof MANAGERS)[number];
export type Stage = ReturnType<typeof stageOf>;

/** `folder`: a temporary one, for files that actors upload. */
export function stageOf(api: Api, folder: string, requestNumber: string) {
  const cast: Cast = castOf();
  const actors = new Map<ActorId, Actor>();
  const rows: Row[] = [];
  const progress = { passed: 0, current: "the start" };

  return {
    api,
    cast,
    folder,
    requestNumber,
    rows,
    progress,
    actor(id: ActorId): Actor {
      const actor = actors.get(id);
      if (!actor) throw new Error(`${id} was never started`);
      return actor;
    },
    enter(id: ActorId, script: string, args: readonly string[]): void {
      actors.set(id, cast.start(script, id, ["--url", api.base, ...args]));
    },
    /** Runs a step of the story and counts it; whatever it throws is the demo's failure, under this name. */
    async check<T>(name: string, work: () => Promise<T>): Promise<T> {
      progress.current = name;
      const began = performance.now();
      const result = await work();
      progress.passed += 1;
      const mark = styleText("green", "ok", { stream: process.stdout });
      const took = styleText("dim", `${Math.round(performance.now() - began)} ms`, { stream: process.stdout });
      console.log(`${mark} ${String(progress.passed).padStart(2)}  ${name}  ${took}`);
      return result;
    },
  };
}

/** Asks again until the answer is there. Rejects after 15 s with what `missing` says of the last answer. */
export async function until<T, F extends T>(
  read: () => Promise<T>,
  isIt: (answer: T) => answer is F,
  missing: (answer: T) => string,
): Promise<F>;
export async function until<T>(
  read: () => Promise<T>,
  isIt: (answer: T) => boolean,
  missing: (answer: T) => string,
): Promise<T>;
export async function until<T>(
  read: () => Promise<T>,
  isIt: (answer: T) => boolean,
  missing: (answer: T) => string,
): Promise<T> {
  const end = Date.now() + UNTIL_MS;
  for (;;) {
    const answer = await read();
    if (isIt(answer)) return answer;
    if (Date.now() > end) throw new Error(`${missing(answer)}, after ${UNTIL_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

/** Throws an Error of that text unless the condition holds. */
export function ensure(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}
