/** Plants each bug in a copy of the tree and lets the sweep look for it: one that isn't found shows that the sweep is blind there. */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { PLANTED, type PlantedBug } from "../../test/faults/planted/planted.ts";
import { runVitest } from "./run-vitest.ts";

interface Hunt {
  readonly found: boolean;
  readonly runs: number;
  readonly key: string;
  readonly what: string;
}

/** How many of the bugs were found; says of each what it broke, and in which run. */
export async function findPlantedBugs(only: string | undefined): Promise<{ found: number; of: number }> {
  const bugs = PLANTED.filter(({ patch }) => only === undefined || patch.startsWith(only));
  let found = 0;
  for (const bug of bugs) {
    const began = Date.now();
    const hunt = await huntFor(bug);
    if (hunt.found) found++;
    const end = hunt.found ? `breaks "${hunt.what}" in ${hunt.key}` : "NOT FOUND";
    console.log(`planted ${bug.patch}: ${end} (${hunt.runs} runs, ${Math.round((Date.now() - began) / 1000)} s)`);
  }
  return { found, of: bugs.length };
}

async function huntFor(bug: PlantedBug): Promise<Hunt> {
  const none: Hunt = { found: false, runs: 0, key: "", what: "" };
  const tree = copyOfTree();
  try {
    const patch = resolve("test/faults/planted", `${bug.patch}.patch`);
    if (spawnSync("git", ["apply", "-C1", patch], { cwd: tree, stdio: "inherit" }).status !== 0) return none;
    for (const flow of bug.flows) {
      const hunt = await huntIn(tree, flow, bug);
      if (hunt?.found) return hunt;
    }
    return none;
  } finally {
    rmSync(tree, { recursive: true });
  }
}

async function huntIn(tree: string, flow: string, bug: PlantedBug): Promise<Hunt | undefined> {
  const env = { SWEEP: JSON.stringify({ mode: "hunt", what: bug.breaks, near: bug.near ?? "" }) };
  let hunt: Hunt | undefined;
  await runVitest(["--project", "sweep", `test/faults/sweep/${flow}.test.ts`], { cwd: tree, env }, (line) => {
    const said = /^hunt (\{.*\})$/.exec(line)?.[1];
    if (said !== undefined) hunt = JSON.parse(said) as Hunt;
  });
  return hunt;
}

/** The files under version control and those to come, as they are now. */
function copyOfTree(): string {
  const tree = mkdtempSync(join(tmpdir(), "waybill-planted-"));
  const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  for (const file of files.split("\0").filter((name) => name !== "")) cpSync(file, join(tree, file));
  symlinkSync(resolve("node_modules"), join(tree, "node_modules"));
  return tree;
}
