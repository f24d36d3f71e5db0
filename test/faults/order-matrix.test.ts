/** Each line of order-matrix.md, played; the table says where it must end. One alone: `SWEEP_FULL=1 … -t '<its key>'`. */
import { afterAll, afterEach, beforeAll, describe, it, vi } from "vitest";
import { randomFrom } from "../../scripts/demo/random.ts";
import { env, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { besides, endOf, play } from "../support/matrix-play.ts";
import { sceneOf } from "../support/matrix-scene.ts";
import { CELLS, LINES, type MatrixLine } from "../support/order-matrix.ts";
import { isFull, proved, seed } from "../support/proof.ts";
import { giveSelfLimit, journalOf, MANAGER } from "../support/saga-world.ts";
import { shortenSagaLives, type SagaLives } from "../support/short-lived-saga.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

const HOUR = 60 * 60 * 1000;
let lives: SagaLives;

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
  moveClock(HOUR); // alarms lie in real time's future: none fires by itself
  lives = shortenSagaLives();
  const log = console.error.bind(console);
  vi.spyOn(console, "error").mockImplementation((line: unknown) => {
    if (!String(line).includes("saga.alarm_failed")) log(line); // each end of a life is one
  });
});
afterEach(() => wrapBindings({}));
afterAll(() => {
  lives.end();
  vi.restoreAllMocks();
});

/** Of each step one line in which it fails, and four others. */
function drawn(): readonly MatrixLine[] {
  const random = randomFrom(seed);
  const groups = Map.groupBy(LINES, ({ step, fault }) => `${step} ${fault === "fails"}`);
  return [...groups].flatMap(([group, own]) => random.sample(own, group.endsWith("true") ? 1 : 4));
}

const totals = { lines: 0, actions: 0, evictions: 0 };
let known: readonly string[] = [];

it("names every step with every fault and every state of the undo, once", ({ expect }) => {
  const keys = LINES.map(({ key }) => key);
  expect(CELLS).toHaveLength(75);
  expect(CELLS.filter((cell) => !keys.includes(cell))).toEqual([]);
  expect(new Set(keys).size).toBe(keys.length);
});

describe("an order whose object is evicted between every two actions", () => {
  it.for(isFull ? LINES : drawn())("$key ends as the table says", async (line, { expect, onTestFailed }) => {
    onTestFailed(async () => {
      known = await violations(env.DB); // the next line isn't to blame
    });
    const scene = await sceneOf(line);
    const { actions, evictions } = await play(scene, lives);
    const ended = await endOf(scene);

    expect(ended).toEqual(line.wanted);
    // One action a life, each of those in the journal, and at least one eviction between every two.
    expect(actions).toEqual(Array.from({ length: (await journalOf(scene.orderId)).length / 2 }, () => 1));
    expect(evictions).toBeGreaterThanOrEqual(actions.length - 1);
    expect(await besides(line, scene, ended)).toEqual([]);
    expect((await violations(env.DB)).filter((one) => !known.includes(one))).toEqual([]);
    totals.lines++;
    totals.actions += actions.length;
    totals.evictions += evictions;
  });
});

it("all lines were played", ({ expect }) => {
  expect(totals.lines).toBe((isFull ? LINES : drawn()).length);
  proved("order matrix", totals);
});
