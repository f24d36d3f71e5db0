/**
 * `npm start`: everything up on one port of this machine, with its state in one folder. Either it says "ready", or it
 * ends with 1 and one line on stderr that says what to do.
 */
import { createServer } from "node:net";
import { parseSettings } from "../src/config.ts";
import { messageOf } from "../src/domain/errors.ts";
import { SIMULATED_SECRET } from "../src/domain/supplier-access.ts";
import { CLIENT_ID, CLIENT_SECRET, DRIVE_ID } from "../supplier/src/graph/account.ts";
import { releaseForgotten } from "./forgotten-messages.ts";
import { applyMigrations } from "./migrate.ts";
import { dueCrons, isEveryMinute } from "./crons.ts";
import { configuredCrons, configuredVars, startRuntime, withDatabase, type Runtime } from "./runtime.ts";
import { personas, seedOnce } from "./seed.ts";
import { openStateFolder, type StateFolder } from "./state-folder.ts";

const DEFAULT_PORT = "8787";
const DEFAULT_STATE = ".waybill";
const CRON_MS = 60_000;
const STOP_SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** `http://graph.localhost:{port}/waybill/` shows its documents, its calls and its switches. */
const STAND_IN_TENANT = "waybill";
const OVERRIDABLE = ["DOCUMENT_STORE", "HUB_SHARDS", "RELAY_SHARDS"] as const;

let stopping = false;

// First, so that it comes before miniflare's own listeners, which end with 130 and 143.
for (const signal of STOP_SIGNALS) process.on(signal, () => process.exit(0));

try {
  await start();
} catch (error) {
  console.error(`Waybill can't start. ${messageOf(error)}`);
  process.exit(1);
}

async function start(): Promise<void> {
  const port = portFrom(process.env["PORT"] ?? DEFAULT_PORT);
  const stateDir = process.env["WAYBILL_STATE"] || DEFAULT_STATE;
  const folder = await openStateFolder(stateDir);
  const vars = checkedVars(folder);
  await refuseTakenPort(port);

  // Before anything serves, so that no request or alarm meets a database that isn't there yet.
  const everyone = await withDatabase(stateDir, async (db) => {
    await applyMigrations(db);
    await seedOnce(db, Date.now());
    await releaseForgotten(db, Date.now());
    return (await personas(db)).map(({ id, role, region }) => `${id} ${role} ${region ?? "-"}`);
  });
  const runtime = await startRuntime({
    port,
    stateDir,
    vars,
    supplierSecret: folder.supplierSecret,
    log: (line) => stopping || console.log(line),
  });
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    await runtime.stop();
    folder.release();
    process.exit(0);
  };
  for (const signal of STOP_SIGNALS) {
    process.removeAllListeners(signal); // miniflare's end the process before the platform has stopped
    process.on(signal, () => void stop());
  }
  console.log([`Waybill ready ${runtime.url} state=${stateDir}`, ...everyone].join("\n"));

  // The platform fires no crons locally. Those of every minute at once: after a restart they revive what was under way.
  const crons = configuredCrons();
  let until = Date.now();
  const tick = () => {
    const from = until;
    until = Date.now();
    for (const cron of dueCrons(crons, from, until)) void fire(runtime, cron);
  };
  for (const cron of crons.filter(isEveryMinute)) void fire(runtime, cron);
  setInterval(tick, CRON_MS);
}

async function fire({ mf }: Runtime, cron: string): Promise<void> {
  try {
    const { outcome } = await (await mf.getWorker()).scheduled({ cron, scheduledTime: new Date() });
    if (outcome !== "ok") console.error(`The cron "${cron}" ended with "${outcome}"; it runs again at its next time.`);
  } catch (error) {
    if (stopping) return; // the platform went away under it, as it should
    console.error(`The cron "${cron}" could not run (${messageOf(error)}); it runs again at its next time.`);
  }
}

function portFrom(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new Error(`PORT must be a whole number from 1 to 65535, not "${text}": PORT=${DEFAULT_PORT} npm start`);
}

/** The variables on top of wrangler.toml's, checked as the app itself checks them. */
function checkedVars({ privateJwk, auditKey, supplierSecret }: StateFolder): Record<string, string> {
  const vars: Record<string, string> = {
    ENVIRONMENT: "development",
    DECISION_ENGINE: "rules",
    AUTH_PRIVATE_JWK: privateJwk,
    AUDIT_KEY: auditKey,
    ...standInSharepoint(),
    SUPPLIER_SECRETS: JSON.stringify({ [SIMULATED_SECRET]: supplierSecret }),
  };
  for (const name of OVERRIDABLE) {
    const value = process.env[name];
    if (value !== undefined) vars[name] = value;
  }
  parseSettings({ ...configuredVars(), ...vars });
  return vars;
}

/** The way into the stand-in for Microsoft Graph: it is there, whether it is the document store or not. */
function standInSharepoint(): Record<string, string> {
  return {
    SHAREPOINT_TENANT_ID: STAND_IN_TENANT,
    SHAREPOINT_CLIENT_ID: CLIENT_ID,
    SHAREPOINT_CLIENT_SECRET: CLIENT_SECRET,
    SHAREPOINT_DRIVE_ID: DRIVE_ID,
    SHAREPOINT_LOGIN_URL: "https://login.waybill.example",
    SHAREPOINT_GRAPH_URL: "https://graph.waybill.example",
  };
}

async function refuseTakenPort(port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const probe = createServer();
  probe.once("error", reject).listen(port, "127.0.0.1", () => probe.close(() => resolve()));
  try {
    await promise;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    const what = code === "EADDRINUSE" ? "is in use" : `can't be used (${messageOf(error)})`;
    throw new Error(
      `Port ${port} ${what}. Stop what listens there, or choose another: PORT=${(port % 65_535) + 1} npm start`,
      { cause: error },
    );
  }
}
