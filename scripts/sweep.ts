/**
 * `npm run sweep`: the crash sweep in full, flow by flow, then the full sizes of the other proofs, then the planted bugs. The last
 * line says it all; the exit code is 1 when anything doesn't hold. `-- --replay '<key>'` plays one run again, aloud;
 * `-- --only flows` and `-- --only planted` run a part, `--pairs n` other than 2,000 pairs.
 */
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { findPlantedBugs } from "./sweep/planted-bugs.ts";
import { runVitest } from "./sweep/run-vitest.ts";

const FLOWS = "test/faults/sweep";
const MIN_POINTS = 150;
const PAIRS = 2_000;
/** The flows run side by side, more of them than cores: a run mostly waits. Each worker has a runtime of its own. */
const WORKERS = "4";

/** Other proofs whose tests take their full size from SWEEP_FULL=1; what they print is shown. `[project, file]` */
const PROOFS: readonly (readonly [project: string, file: string])[] = [
  ["faults", "test/faults/identical-keys.test.ts"],
  ["properties", "test/properties/stock-linearizable.test.ts"],
  ["faults", "test/faults/stock-linearizable.test.ts"],
  ["faults", "test/faults/last-pieces.test.ts"],
  ["faults", "test/faults/messages.test.ts"],
  ["faults", "test/faults/hub-order.test.ts"],
  ["faults", "test/faults/saga-alarms.test.ts"],
  ["faults", "test/faults/order-matrix.test.ts"],
  ["faults", "test/faults/cancel-race.test.ts"],
  ["faults", "test/faults/breaker-model.test.ts"],
  ["faults", "test/faults/open-circuit-storm.test.ts"],
  ["faults", "test/faults/without-kick.test.ts"],
  ["patterns", "test/patterns/02-publish-subscribe.test.ts"],
  ["patterns", "test/patterns/08-hub.test.ts"],
  ["runtime", "test/runtime/rows-written.test.ts"],
  ["real-data", "test/real-data/adventureworks-saga.test.ts"],
  ["local", "test/local/sigkill.test.ts"],
];

interface FlowReport {
  readonly flow: string;
  readonly points: number;
  readonly runs: number;
  readonly pairs: number;
  readonly missed: number;
  readonly wrong: number;
  readonly seconds: number;
}

const began = Date.now();
const { values } = parseArgs({
  options: {
    replay: { type: "string" },
    only: { type: "string" },
    bug: { type: "string" },
    pairs: { type: "string", default: String(PAIRS) },
  },
});
process.exitCode = values.replay === undefined ? await everything() : await replay(values.replay);

async function replay(key: string): Promise<number> {
  const flow = key.split("/")[0]?.trim() ?? "";
  const env = { SWEEP: JSON.stringify({ mode: "replay", what: key }) };
  return runVitest(["--project", "sweep", `${FLOWS}/${flow}.test.ts`], { env }, console.log);
}

async function everything(): Promise<number> {
  const part = (name: string) => values.only === undefined || values.only === name;
  const failed: string[] = [];
  const reports = part("flows") ? await sweepFlows(failed) : [];
  if (part("proofs")) {
    for (const [project, file] of PROOFS) {
      const code = await runVitest(["--project", project, file], { env: { SWEEP_FULL: "1" } }, console.log);
      if (code !== 0) failed.push(file);
    }
  }
  const planted = part("planted") ? await findPlantedBugs(values.bug) : { found: 0, of: 0 };

  console.log("\nflow            points    runs   pairs  violations  seconds");
  for (const one of reports) {
    const cells = [one.points, one.runs, one.pairs, one.wrong, one.seconds].map((value) => String(value).padStart(8));
    console.log(`${one.flow.padEnd(14)}${cells.join("")}`);
  }
  for (const one of failed) console.log(`FAILED: ${one}`);
  const sum = (of: (report: FlowReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const [points, violations] = [sum((one) => one.points), sum((one) => one.wrong)];
  const runs = sum((one) => one.runs);
  const pairs = sum((one) => one.pairs);
  const seconds = Math.round((Date.now() - began) / 1000);
  console.log(
    `points=${points} runs=${runs} pairs=${pairs} planted=${planted.found}/${planted.of} violations=${violations} seconds=${seconds}`,
  );
  const tooFew = part("flows") && points < MIN_POINTS;
  return failed.length > 0 || violations > 0 || tooFew || planted.found < planted.of ? 1 : 0;
}

async function sweepFlows(failed: string[]): Promise<FlowReport[]> {
  const flows = readdirSync(FLOWS).filter((file) => file.endsWith(".test.ts"));
  const pairs = String(Math.ceil(Number(values.pairs) / flows.length));
  const reports: FlowReport[] = [];
  const code = await runVitest(
    ["--project", "sweep", "--maxWorkers", WORKERS],
    { env: { SWEEP: JSON.stringify({ mode: "full", pairs }) } },
    (line) => {
      const found = /^sweep (\{.*\})$/.exec(line)?.[1];
      if (found !== undefined) reports.push(JSON.parse(found) as FlowReport);
      console.log(line);
    },
  );
  if (code !== 0) failed.push("the sweep");
  return reports;
}
