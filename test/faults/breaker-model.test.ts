/**
 * The breaker's object against the model that its reducer plays (test/support/breaker-model.ts): on a clock that stands
 * between the steps and may go back, evicted and aborted between any two, and every outage told once for all that.
 */
import { abortAllDurableObjects, evictDurableObject } from "cloudflare:test";
import fc from "fast-check";
import { afterAll, beforeAll, it, vi } from "vitest";
import { SUPPLIER_TIMEOUT_MS } from "../../src/config.ts";
import { breakerStub, clientOf, hand, runBreakerAlarm, toldOf } from "../support/breaker-world.ts";
import { EVERYTHING, histories, MODES, startModel, type Model, type Subject } from "../support/breaker-model.ts";
import type { Clock } from "../../src/domain/ports.ts";
import { bend } from "../support/bend.ts";
import { env, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { isFull, proved, seed, sizeOf } from "../support/proof.ts";
import { settled } from "../support/saga-world.ts";
import { letClockRun, moveClock, stopClock, testClock, wrapBindings } from "../support/world.ts";

const HISTORIES = sizeOf(30, 300);
const COMMANDS = sizeOf(30, 40);
/** A health check's time-out is under way in the object for so long, and keeps it from being evicted. */
const LET_GO_MS = SUPPLIER_TIMEOUT_MS + 1;

let healthy = true;

beforeAll(async () => {
  await startWorld();
  moveClock(30 * 24 * 60 * 60 * 1000); // alarms lie in real time's future: none fires by itself
  wrapBindings({
    ARCHIVE: (real) =>
      bend(real, {
        head: async () => {
          if (!healthy) throw new Error("head: internal error (10001)");
          return null;
        },
      }),
  });
  for (const level of ["log", "warn", "error"] as const) {
    const write = console[level].bind(console);
    vi.spyOn(console, level).mockImplementation((line: unknown) => {
      if (!String(line).includes('"event":"breaker.')) write(line);
    });
  }
});
afterAll(() => {
  letClockRun();
  wrapBindings({});
  vi.restoreAllMocks();
});

/** On a clock that stands no time-out ends; thousands of calls would leave theirs behind. */
const patient: Clock = { now: () => testClock.now(), after: () => new Promise(() => {}) };

function objectOf(dependency: string): Subject {
  const client = () => clientOf(dependency, patient); // an abort breaks what was got before
  let evictableAt = 0;
  return {
    now: () => testClock.now(),
    moveClock,
    permit: () => client().permit(),
    report: (permit, outcome) => client().report(permit, outcome),
    checkHealth: async (answer) => {
      healthy = answer;
      evictableAt = Math.max(evictableAt, testClock.now() + LET_GO_MS);
      await runBreakerAlarm(dependency);
    },
    hold: async () => void (await client().openByHand(hand())),
    reset: async () => void (await client().closeByHand(hand())),
    restart: async (how) => {
      if (how === "aborted") return abortAllDurableObjects();
      moveClock(Math.max(0, evictableAt - testClock.now()));
      await client().status(); // only what runs can be evicted
      await evictDurableObject(breakerStub(dependency));
    },
    status: () => client().status(),
  };
}

/** What was told, once the alarm has seen to what an abort cut off. */
async function outagesTold(dependency: string, model: Model): Promise<string[]> {
  let told = (await toldOf(dependency)).events;
  await until(`all of ${dependency} is told`, async () => {
    if (told.length >= model.outages.length) return true;
    await runBreakerAlarm(dependency);
    told = (await toldOf(dependency)).events;
    return null;
  }).catch(() => undefined); // what is missing is shown below
  return told;
}

it("2.5-08, 2.5-11, 2.5-12, 2.5-16, 2.5-17, 2.5-18, 2.5-22, 2.5-24 the shared, kept, restarted object does what the model does", async ({
  expect,
}) => {
  const visited = new Set<string>();
  let played = 0;
  let steps = 0;
  let outages = 0;
  stopClock();
  await fc.assert(
    fc.asyncProperty(histories(COMMANDS), async (history) => {
      const dependency = `archive:model-${played++}`;
      const model = startModel();
      await fc.asyncModelRun(() => ({ model, real: objectOf(dependency) }), history);
      healthy = false; // telling what is left moves nothing
      expect(await outagesTold(dependency, model)).toEqual(model.outages);
      for (const one of model.visited) visited.add(one);
      steps += [...history].length;
      outages += model.outages.length;
    }),
    { numRuns: HISTORIES, seed, endOnFailure: true },
  );
  letClockRun();

  // A slice may by chance miss a rare turn, such as a hold that ends.
  const wanted = isFull ? EVERYTHING : MODES;
  expect(wanted.filter((one) => !visited.has(one))).toEqual([]);
  await settled(); // the last ones told are on their way to the hubs
  expect(await violations(env.DB)).toEqual([]);
  proved("breaker model", { histories: played, steps, outages_told: outages });
}, 300_000);
