/**
 * `npm run demo`: the main job, played against a running app by five processes with real sockets and real HTTP. Ends
 * with 0 when every step was seen, else with 1 and one line that names the step; it leaves no process behind.
 *
 *   WAYBILL_URL=http://127.0.0.1:8787 npm run demo
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";
import { compareArchive, hearResponse, readTrail, recount, sayGoodbye } from "./demo-story/answer.ts";
import { apiOf, type Api } from "./demo-story/api.ts";
import { connectEveryone, countInStock } from "./demo-story/opening.ts";
import { approveRequest, carryOutOrder, uploadFile } from "./demo-story/request.ts";
import { stageOf, type Stage } from "./demo-story/stage.ts";
import { timelineTable } from "./demo-story/table.ts";

const DEMO_MS = 55_000;

process.stdout.once("error", () => process.exit(1)); // whoever read along has left
const base = process.env["WAYBILL_URL"] || `http://127.0.0.1:${process.env["PORT"] || 8787}`;
const began = performance.now();
if (!URL.canParse(base)) end(1, `WAYBILL_URL must be an address such as http://127.0.0.1:8787, not "${base}".`);

const api = apiOf(base);
const absence = await whyAbsent(api);
if (absence !== null) end(1, absence);

const folder = mkdtempSync(join(tmpdir(), "waybill-demo-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

const requestNumber = `demo-${Date.now()}-${randomBytes(2).toString("hex")}`;
const stage = stageOf(api, folder, requestNumber);
try {
  const sentAt = await Promise.race([play(stage), interruption()]);
  console.log(`\n${timelineTable(stage.rows, sentAt, process.stdout).join("\n")}\n`);
  const took = ((performance.now() - began) / 1000).toFixed(1);
  end(0, `demo passed: ${stage.progress.passed} checks in ${took} s`);
} catch (error) {
  await stage.cast.end();
  end(1, `demo failed at "${stage.progress.current}": ${error instanceof Error ? error.message : String(error)}`);
}

/** Returns when the upload was sent, by which the timeline counts. */
async function play(on: Stage): Promise<string> {
  await connectEveryone(on);
  await countInStock(on);
  const upload = await uploadFile(on);
  const { requestId } = upload;
  await approveRequest(on, requestId);
  const order = await carryOutOrder(on, upload);
  await hearResponse(on, requestId);
  await compareArchive(on, requestId, order);
  await readTrail(on, requestId);
  await recount(on);
  await sayGoodbye(on);
  return upload.sentAt;
}

/** One line when no demo can be played here, else null. */
async function whyAbsent({ send }: Api): Promise<string | null> {
  try {
    const health = await send<{ status?: string }>("GET", "/health");
    if (health.body.status !== "ok") return `What answers at ${base} isn't Waybill (GET /health: ${health.status}).`;
    const personas = await send("GET", "/dev/personas");
    return personas.status === 200
      ? null
      : `Waybill at ${base} isn't in development: it has no tokens for the demo's people.`;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    return `Waybill isn't running. Start it with npm start, or set WAYBILL_URL. ${what}`;
  }
}

/** Rejects when the demo is told to stop, or takes longer than it ever should. */
function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
    }
    setTimeout(() => reject(new Error(`the whole demo may take ${DEMO_MS / 1000} s`)), DEMO_MS).unref();
  });
}

function end(code: 0 | 1, line: string): never {
  if (code === 0) console.log(styleText("bold", line, { stream: process.stdout }));
  else console.error(styleText("red", line.replaceAll(/\s+/g, " "), { stream: process.stderr }));
  process.exit(code);
}
