/**
 * `npm run check`: everything that can be said of the code without running it. Each step is a tool's own command; all of
 * them run, so that one call shows every problem, and the exit code is 1 if any failed.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Cloudflare takes 3 MiB compressed on its smallest plan; ours is kept far below, since start-up time grows with it. */
const MAX_BUNDLE_KIB = 700;

const STEPS: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ["format", "oxfmt", ["--check", "."]],
  ["lint", "oxlint", ["--deny-warnings"]],
  ...[
    ".",
    "scripts",
    "test",
    "test/unit",
    "test/unit/resilience",
    "test/properties",
    "test/local",
    "test/browser",
    "test/eval",
  ].map((folder) => [`types of ${folder}`, "tsc", ["-p", folder]] as const),
  ["dead code", "knip", []],
  ["generated types are fresh", "wrangler", ["types", "--include-runtime=false", "--strict-vars=false", "--check"]],
  ["architecture", "vitest", ["run", "--project", "unit", "test/unit/architecture"]],
  ["bundle", "wrangler", ["deploy", "--dry-run", "--outdir", "dist"]],
];

let failed = 0;
for (const [name, command, args] of STEPS) {
  const began = Date.now();
  const run = spawnSync(command, args, {
    encoding: "utf8",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", NO_COLOR: "1", CI: "1" },
  });
  const ok = run.status === 0;
  console.log(`${ok ? "ok  " : "FAIL"} ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  if (ok) continue;
  failed++;
  console.log(`${run.stdout}\n${run.stderr}`.trim());
}

const bundle = readdirSync("dist").filter((file) => file.endsWith(".js"));
const kib = Math.round(bundle.reduce((sum, file) => sum + gzipSync(readFileSync(`dist/${file}`)).length, 0) / 1024);
const small = kib > 0 && kib <= MAX_BUNDLE_KIB;
console.log(`${small ? "ok  " : "FAIL"} bundle size: ${kib} KiB compressed, at most ${MAX_BUNDLE_KIB} KiB`);
if (!small) failed++;

console.log(failed === 0 ? "check passed" : `check failed: ${failed}`);
process.exitCode = failed === 0 ? 0 : 1;
