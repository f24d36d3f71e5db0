/**
 * Who may import whom, as data, and the check of one import against it. A folder's files may import their own folder,
 * what is listed, and nothing else; a package is bound to the folders that it is listed for.
 */

export interface Import {
  /** Path below src/, such as `routes/parts.ts`. */
  readonly from: string;
  /** Path below src/, or a package. */
  readonly to: string;
  /** Names that are imported. */
  readonly names: readonly string[];
  readonly isType: boolean;
}

const SHELL = [
  "container",
  "wiring",
  "services",
  "subscribers",
  "agents",
  "events",
  "db",
  "cache",
  "domain",
  "resilience",
  "config",
  "env",
  "log",
];
const CORE = ["domain", "resilience", "config"];
const ADAPTERS = ["db", "cache", "integrations", "events", "domain", "resilience", "config", "env", "log", "clock"];

export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  worker: ["routes", "durable-objects", "queues", "container", "scheduled", "env"],
  scheduled: SHELL,
  routes: SHELL,
  queues: SHELL,
  "durable-objects": SHELL,
  container: ADAPTERS,
  wiring: [...ADAPTERS, "container", "services", "subscribers", "agents"],
  subscribers: ["services", "agents", "db", "cache", "events", ...CORE],
  agents: ["services", "db", "cache", "events", ...CORE],
  services: ["db", "cache", "events", ...CORE],
  db: CORE,
  cache: CORE,
  integrations: CORE,
  events: CORE,
  clock: ["domain"],
  config: [],
  log: [],
  env: ["domain", "durable-objects"],
  domain: [],
  resilience: [],
};

/** Packages that only these folders may import by value. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "cloudflare:workers": ["worker", "durable-objects"],
  "drizzle-orm": ["db"],
  hono: ["routes"],
  "@hono/zod-openapi": ["routes"],
  "itty-durable": ["durable-objects", "integrations"],
  "@cloudflare/ai-utils": ["agents"],
  jose: ["integrations"],
  "csv-parse": ["domain"],
  uuidv7: ["container"],
};

/** Shells read through the queries; what writes goes through a service and commit(). */
const READS = /^(find|list|count|has|is|summarise|recount|overdue|stale|deliveryStates)[A-Z]?/;

/** What is wrong with an import, or null. */
export function violation(one: Import): string | null {
  const from = folderOf(one.from);
  if (!one.to.includes(".ts")) return packageViolation(one, from);
  const to = folderOf(one.to);
  if (to === from) return null;
  if (!(MAY_IMPORT[from] ?? []).includes(to)) return `${one.from} → ${one.to}: ${from} may not import ${to}`;
  const isShell = ["routes", "queues", "durable-objects", "scheduled"].includes(from);
  if (isShell && to === "db" && !one.isType) {
    const writes = one.names.filter((name) => !READS.test(name));
    if (!one.to.startsWith("db/queries/") || writes.length > 0) {
      return `${one.from} → ${one.to} {${writes.join(", ")}}: a shell only reads; writing is a service's work`;
    }
  }
  return null;
}

function packageViolation(one: Import, from: string): string | null {
  const name = Object.keys(PACKAGES).find((known) => one.to === known || one.to.startsWith(`${known}/`));
  if (name === undefined || one.isType) return null;
  const allowed = PACKAGES[name] ?? [];
  return allowed.includes(from) ? null : `${one.from} → ${one.to}: only ${allowed.join(", ")} may import ${name}`;
}

/** `routes/middleware/auth.ts` → `routes`; `container.ts` → `container`. */
export function folderOf(path: string): string {
  return (path.split("/")[0] ?? "").replace(/\.tsx?$/, "");
}

/** The imports of a module's text. `path` is below src/. */
export function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  const pattern = /^(?:import|export)\s+(type\s+)?([^;]*?)\s*from\s+"([^"]+)"|^import\s+"([^"]+)"/gms;
  for (const [, typeOnly, clause = "", source, bare] of text.matchAll(pattern)) {
    const target = source ?? bare ?? "";
    const parts = (/\{([^}]*)\}/.exec(clause)?.[1] ?? clause).split(",").map((part) => part.trim());
    const named = parts.filter((part) => part !== "");
    const values = named.filter((part) => !part.startsWith("type "));
    found.push({
      from: path,
      to: target.startsWith(".") ? resolve(path, target) : target,
      names: values.map((part) => part.split(" as ")[0] ?? part),
      isType: typeOnly !== undefined || (named.length > 0 && values.length === 0),
    });
  }
  return found;
}

function resolve(path: string, target: string): string {
  const parts = path.split("/").slice(0, -1);
  for (const step of target.split("/")) {
    if (step === "..") parts.pop();
    else if (step !== ".") parts.push(step);
  }
  return parts.join("/");
}
