/**
 * Runs Waybill on this machine in the embedded platform (workerd), with the bindings of wrangler.toml, beside the
 * stand-in supplier. One port serves all; whatever the app fetches goes to the supplier, so nothing leaves the machine.
 */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { D1Database } from "@cloudflare/workers-types";
import { build } from "esbuild";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, type V4WorkerOptions } from "miniflare";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import { buildSupplier } from "./build-supplier.ts";

const CONFIG = fileURLToPath(new URL("../wrangler.toml", import.meta.url));
const WORKERD_WRAPPER = fileURLToPath(new URL("workerd.sh", import.meta.url));

/** The host under which one reaches the stand-in supplier's page on the app's port. Browsers know `*.localhost`. */
export const SUPPLIER_HOST = "suppliers.localhost";
/** The same for the stand-in receiver of webhooks: `/{name}/received` shows what it got. */
export const RECEIVER_HOST = "hooks.localhost";

/** The same for the stand-in of Microsoft Graph: `/{tenant}/` shows its documents. */
export const GRAPH_HOST = "graph.localhost";

const SIGNATURE_TOLERANCE_S = "300";

export interface RuntimeOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** Where D1, KV, R2 and the objects are kept, laid out as `wrangler dev --persist-to` does. */
  readonly stateDir: string;
  /** Added to the variables of wrangler.toml, or in their place; the secrets too. */
  readonly vars: Readonly<Record<string, string>>;
  /** With which the app signs its calls to the stand-in supplier. */
  readonly supplierSecret: string;
  /** Takes each line that the Worker or the platform prints. Without it they are dropped. */
  readonly log?: (line: string) => void;
}

export interface Runtime {
  /** `http://127.0.0.1:{port}`, without a slash at the end. */
  readonly url: string;
  readonly mf: Miniflare;
  /** Ends the platform's process and waits for its end. What was answered is kept. */
  stop(): Promise<void>;
}

/**
 * Starts everything and resolves when the port answers. Rejects with miniflare's `ERR_ADDRESS_IN_USE` if the port is
 * taken, and with the compiler's errors if the app doesn't build. The database must be migrated: `withDatabase`.
 */
export async function startRuntime({
  port,
  stateDir,
  vars,
  supplierSecret,
  log = () => {},
}: RuntimeOptions): Promise<Runtime> {
  endPlatformWithThisProcess();
  const { name, options, configured } = readWorkerConfig();
  const [script, supplier] = await Promise.all([
    bundleApp(),
    buildSupplier({ SIGNING_SECRET: supplierSecret, SIGNATURE_TOLERANCE_S }),
  ]);
  const mf = new Miniflare(
    convertV4MiniflareOptions({
      ...sharedOptions(stateDir, log),
      port,
      workers: [
        {
          ...options,
          name,
          modules: true,
          script,
          bindings: { ...configured, ...vars },
          outboundService: supplier.name,
        },
        { ...supplier, routes: [`${SUPPLIER_HOST}/*`, `${RECEIVER_HOST}/*`, `${GRAPH_HOST}/*`] },
      ],
    }),
  );
  try {
    const url = await mf.ready;
    return { url: url.origin, mf, stop: () => mf.dispose() };
  } catch (error) {
    await mf.dispose();
    throw error;
  }
}

/**
 * Gives the app's database to `work` while nothing serves from it: for migrations and first rows. Resolves when the
 * files are closed again.
 */
export async function withDatabase<T>(stateDir: string, work: (db: D1Database) => Promise<T>): Promise<T> {
  endPlatformWithThisProcess();
  const { d1Databases } = readWorkerConfig();
  const mf = new Miniflare(
    convertV4MiniflareOptions({
      ...sharedOptions(stateDir, () => {}),
      modules: true,
      script: "export default {}",
      d1Databases,
    }),
  );
  try {
    return await work(await mf.getD1Database("DB"));
  } finally {
    await mf.dispose();
  }
}

/** The variables that wrangler.toml gives the app. */
export function configuredVars(): Record<string, string> {
  return readWorkerConfig().configured;
}

/** The crons of wrangler.toml. */
export function configuredCrons(): readonly string[] {
  return unstable_readConfig({ config: CONFIG }).triggers.crons ?? [];
}

function sharedOptions(stateDir: string, log: (line: string) => void) {
  return {
    host: "127.0.0.1",
    cf: false, // else it asks the network where we are
    telemetry: { enabled: false },
    logRequests: false,
    unsafeLocalExplorer: false,
    log: new LineLog(log),
    handleStructuredLogs: ({ message }: { message: string }) => log(message),
    resourcePersistencePath: resolve(stateDir, "v3"),
  };
}

function readWorkerConfig() {
  // The model is remote only, and asks for a login: locally the rules decide.
  const config = { ...unstable_readConfig({ config: CONFIG }), ai: undefined };
  const { modulesRules: _, ...options } = unstable_getMiniflareWorkerOptions(config).workerOptions; // esbuild's loaders
  return {
    name: config.name ?? "waybill",
    options,
    configured: options["bindings"] as Record<string, string>,
    d1Databases: options["d1Databases"] as NonNullable<V4WorkerOptions["d1Databases"]>,
  };
}

async function bundleApp(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../src/worker.ts", import.meta.url))],
    write: false,
    bundle: true,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    mainFields: ["browser", "module", "main"],
    external: ["cloudflare:*", "node:*"],
    loader: { ".html": "text", ".css": "text", ".sql": "text", ".txt": "text" },
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "silent",
  });
  const [bundle] = outputFiles;
  if (bundle === undefined) throw new Error("src/worker.ts gave no bundle");
  return bundle.text;
}

/** Miniflare starts workerd.sh in place of workerd. Windows has no such shell: a killed start leaves workerd behind. */
function endPlatformWithThisProcess(): void {
  if (process.platform === "win32" || process.env["WAYBILL_WORKERD"] !== undefined) return;
  const ofMiniflare = createRequire(import.meta.resolve("miniflare"));
  const { default: installed } = ofMiniflare("workerd") as { default: string };
  process.env["WAYBILL_WORKERD"] = process.env["MINIFLARE_WORKERD_PATH"] ?? installed;
  process.env["MINIFLARE_WORKERD_PATH"] = WORKERD_WRAPPER;
}

class LineLog extends Log {
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    super(LogLevel.WARN);
    this.#write = write;
  }

  protected override log(message: string): void {
    this.#write(message);
  }
}
