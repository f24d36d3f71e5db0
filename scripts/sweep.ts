/**
 * `npm run sweep`: the crash sweep in full, flow by flow, then the full sizes of the other proofs, then the planted bugs. The last
 * line says it all; the exit code is 1 when anything that was proved doesn't hold. `-- --replay '<key>'` plays one run again.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { parseArgs } from "node:util";

const FLOWS = "test/faults/sweep";
const MIN_POINTS = 150;
const MIN_PAIRS = 2_000;
/** The flows run side by side; each worker has a runtime of its own. */
const WORKERS = "2";

/** Other proofs whose tests take their full size from SWEEP_FULL=1; what they print is shown. `[project, file]` */
const PROOFS: readonly (readonly [project: string, file: string])[] = [];

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
  options: { replay: { type: "string" }, only: { type: "string" }, pairs: { type: "string" } },
});
if (values.replay !== undefined) {
  const flow = values.replay.split("/")[0]?.trim() ?? "";
  process.exitCode = await vitest(["--project", "sweep", `${FLOWS}/${flow}.test.ts`], {
    SWEEP: JSON.stringify({ mode: "replay", what: values.replay }),
  });
} else {
  await everything();
}

async function everything(): Promise<void> {
  const files = readdirSync(FLOWS).filter((file) => file.endsWith(".test.ts"));
  const pairs = Math.ceil(Number(values.pairs ?? MIN_PAIRS) / files.length);
  const reports: FlowReport[] = [];
  const failed: string[] = [];
  const note = (line: string) => {
    const found = /^sweep (\{.*\})$/.exec(line);
    if (found?.[1]) reports.push(JSON.parse(found[1]) as FlowReport);
  };
  const swept = await vitest(
    ["--project", "sweep", "--maxWorkers", WORKERS, ...(values.only === undefined ? [] : [`${FLOWS}/${values.only}`])],
    { SWEEP: JSON.stringify({ mode: "full", pairs: String(pairs) }) },
    note,
  );
  if (swept !== 0) failed.push("the sweep");
  for (const [project, file] of PROOFS) {
    if ((await vitest(["--project", project, file], { SWEEP_FULL: "1" })) !== 0) failed.push(file);
  }

  const sum = (of: (report: FlowReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  console.log("\nflow            points    runs   pairs  violations  seconds");
  for (const one of reports) {
    const cells = [one.points, one.runs, one.pairs, one.wrong, one.seconds].map((value) => String(value).padStart(8));
    console.log(`${one.flow.padEnd(14)}${cells.join("")}`);
  }
  for (const one of failed) console.log(`FAILED: ${one}`);
  const points = sum(({ points: n }) => n);
  const violations = sum(({ wrong }) => wrong);
  const seconds = Math.round((Date.now() - began) / 1000);
  console.log(
    `points=${points} runs=${sum(({ runs }) => runs)} pairs=${sum(({ pairs: n }) => n)} planted=0/0 violations=${violations} seconds=${seconds}`,
  );
  process.exitCode = failed.length > 0 || violations > 0 || points < MIN_POINTS ? 1 : 0;
}

/** Runs vitest and shows what it says, without the runtime's own noise about objects that are made to die. */
function vitest(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  line: (text: string) => void = () => undefined,
) {
  const child = spawn("vitest", ["run", ...args], {
    env: { ...process.env, ...env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const one of lines) {
      line(one);
      console.log(one);
    }
  });
  return new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}
