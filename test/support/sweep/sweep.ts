/**
 * The sweep of one flow as tests: a traced run lists its calls; then every call meets every fault, and then pairs of faults are
 * drawn. In full by `npm run sweep`; a seeded slice otherwise. The last line of each is read by scripts/sweep.ts.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { FAULT_KINDS, parseRunKey, type Fault, type RunKey } from "./fault.ts";
import { seeded, type Random } from "./random.ts";
import { play, type Flow, type RunResult } from "./run.ts";
import { buildWorld, env } from "./small-world.ts";
import { stage } from "./stage.ts";

const BASE_SEED = 1;
const SLICE_SINGLES = 4;
const SLICE_PAIRS = 1;
const SHOWN = 5;
const FULL_MS = 60 * 60_000;
const HUNT_PAIRS = 300;

interface Settings {
  readonly mode: "slice" | "full" | "hunt" | "replay";
  /** How many runs with one fault are drawn, and how many with two. In full every call meets every fault. */
  readonly singles: number;
  readonly pairs: number;
  /** What is drawn. */
  readonly seed: number;
  /** Replay: the run's key. Hunt: the rule that must break. */
  readonly what: string;
  /** Hunt: points with this in their name come first. */
  readonly near: string;
}

function settings(): Settings {
  const { mode = "slice", what = "", near = "", seed = "20261124", ...sizes } = env.SWEEP;
  const singles = mode === "full" ? Infinity : Number(sizes["singles"] ?? SLICE_SINGLES);
  const pairs = Number(sizes["pairs"] ?? SLICE_PAIRS);
  return { mode: mode as Settings["mode"], singles, pairs, seed: Number(seed), what, near };
}

/** Registers the tests of a flow. */
export function sweep(flow: Flow): void {
  const { mode, what } = settings();
  describe(`crash sweep: ${flow.name}`, () => {
    beforeAll(buildWorld);
    if (mode === "replay") return replay(flow, what);
    if (mode === "hunt") return hunt(flow, what);
    test(
      "whatever call fails, and however, the invariants hold once all is at rest",
      { timeout: FULL_MS },
      async ({ annotate }) => {
        const report = await sweepFlow(flow);
        const line = `sweep ${JSON.stringify({ flow: flow.name, ...report, wrong: report.wrong.length })}`;
        await annotate(line);
        console.info(line);
        for (const { key, wrong } of report.wrong.slice(0, SHOWN)) {
          console.info(`violated: ${wrong.join("; ")}\n  npm run sweep -- --replay '${key}'`);
        }
        expect(report.wrong.slice(0, SHOWN).map(({ key, wrong }) => `${key}: ${wrong.join("; ")}`)).toEqual([]);
        expect(report.points).toBeGreaterThan(5);
      },
    );
  });
}

interface Report {
  readonly points: number;
  runs: number;
  pairs: number;
  missed: number;
  wrong: RunResult[];
  readonly seconds: number;
}

async function sweepFlow(flow: Flow): Promise<Report> {
  const began = Date.now();
  const { singles: drawn, pairs, seed } = settings();
  const chance = seeded(seed);
  const first = await play(flow, { flow: flow.name, seed: BASE_SEED, faults: [] });
  const { points } = first;
  const report = { points: points.length, runs: 1, pairs: 0, missed: 0, wrong: first.wrong.length > 0 ? [first] : [] };
  const note = (result: RunResult) => {
    report.runs++;
    report.missed += result.missed;
    if (result.wrong.length > 0) report.wrong.push(result);
  };
  if (report.wrong.length === 0) {
    for (const key of singles(flow, points, drawn, chance)) note(await play(flow, key));
    for (let n = 0; n < pairs; n++) {
      note(await play(flow, pairOf(flow, points, chance)));
      report.pairs++;
    }
  }
  return { ...report, seconds: Math.round((Date.now() - began) / 1000) };
}

/** Every point with every fault, or a sample of them. */
function singles(flow: Flow, points: readonly string[], limit: number, chance: Random): RunKey[] {
  const all = points.flatMap((point) => FAULT_KINDS.map((kind) => oneFault(flow, { kind, point })));
  if (limit >= all.length) return all;
  return Array.from({ length: limit }, () => chance.pick(all));
}

function oneFault(flow: Flow, fault: Fault): RunKey {
  return { flow: flow.name, seed: BASE_SEED, faults: [fault] };
}

function pairOf(flow: Flow, points: readonly string[], chance: Random): RunKey {
  const [a, b] = [chance.pick(points), chance.pick(points)];
  return {
    flow: flow.name,
    seed: 1 + chance.below(1_000_000),
    faults: [
      { kind: chance.pick(FAULT_KINDS), point: a },
      ...(a === b ? [] : [{ kind: chance.pick(FAULT_KINDS), point: b }]),
    ],
  };
}

function replay(flow: Flow, text: string): void {
  const key = parseRunKey(text);
  test.runIf(key.flow === flow.name)("the run of the key", { timeout: FULL_MS }, async () => {
    stage.loud = true;
    const result = await play(flow, key);
    stage.loud = false;
    console.info(`${result.calls.length} calls, ${result.points.length} points, ${result.missed} faults not met`);
    for (const wrong of result.wrong) console.info(`violated: ${wrong}`);
    expect(result.wrong).toEqual([]);
  });
}

function shuffled<T>(all: readonly T[], chance: Random): T[] {
  return all
    .map((one) => ({ one, place: chance.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ one }) => one);
}

/** Looks for a run that breaks the rule: without a fault, with each, then with pairs. Says which. */
function hunt(flow: Flow, rule: string): void {
  test("some run breaks the rule", { timeout: FULL_MS }, async () => {
    const chance = seeded(7);
    const first = await play(flow, { flow: flow.name, seed: BASE_SEED, faults: [] });
    const { points } = first;
    const { near } = settings();
    const singles = (of: readonly string[], seed: number) =>
      of.flatMap((point) => FAULT_KINDS.map((kind): RunKey => ({ flow: flow.name, seed, faults: [{ kind, point }] })));
    const aimed = points.filter((point) => point.includes(near));
    const keys = [
      ...[1, 2, 3, 4, 5].flatMap((seed) => shuffled(singles(aimed, seed), chance)),
      ...shuffled(singles(points, BASE_SEED), chance),
      ...Array.from({ length: HUNT_PAIRS }, () => pairOf(flow, points, chance)),
    ];
    let runs = 1;
    let at = first;
    while (!at.wrong.some((wrong) => wrong.startsWith(rule)) && keys.length > 0) {
      at = await play(flow, keys.shift() as RunKey);
      runs++;
    }
    const found = at.wrong.find((wrong) => wrong.startsWith(rule));
    console.info(`hunt ${JSON.stringify({ found: found !== undefined, runs, key: at.key, what: found ?? "" })}`);
    expect(found).toBeDefined();
  });
}
