/** One run: a flow from its start in the small world, with the faults of its key, until nothing is due; then what is wrong. */
import { violations } from "../invariants.ts";
import { Client } from "./client.ts";
import { drive } from "./drive.ts";
import { formatRunKey, type RunKey } from "./fault.ts";
import { watchOutside } from "./outside.ts";
import { seeded, type Random } from "./random.ts";
import { emptyWorld, env } from "./small-world.ts";
import { beginRun, clearStage, moveTo, stage } from "./stage.ts";
import { wrongOutside } from "./wrong-outside.ts";

/** What a flow gets to begin with. */
export interface Scene {
  readonly client: Client;
  readonly random: Random;
  /** The run's own mark: every SKU, supplier and number of it has it. */
  readonly tag: string;
}

export interface Play {
  /** What the clients do; they run beside each other. */
  readonly clients: readonly (() => Promise<void>)[];
  /** Is what the clients were told true in the end? What isn't, in words. */
  readonly check?: () => Promise<readonly string[]>;
}

export interface Flow {
  readonly name: string;
  /** Timers that come due within so many ms of the start are part of it. */
  readonly horizonMs?: number;
  /** How far the clock moves at least, when nothing is due: an alarm may ring late, and hours of waiting pass in a few turns. */
  readonly leapMs?: number;
  readonly prepare: (scene: Scene) => Promise<Play>;
}

export interface RunResult {
  readonly key: string;
  /** Every call, in order. */
  readonly calls: readonly string[];
  /** Calls that are worth a fault: of one caller's same read the first four, of a poll that finds nothing the first two. */
  readonly points: readonly string[];
  /** Faults whose point never came. */
  readonly missed: number;
  readonly wrong: readonly string[];
}

const DAY_MS = 24 * 60 * 60 * 1000;
/** A call of whose end nobody hears is over within two minutes: the second drop of cached parts counts on it. */
const LATE_MS = [1, 1_500, 20_000, 100_000] as const;
const HORIZON_MS = 10 * 60_000;

/** Real time: a run takes a second, and on a busy machine a few. */
const HANGS_MS = 120_000;

let runs = 0;

export async function play(flow: Flow, key: RunKey): Promise<RunResult> {
  watchOutside();
  const unmuted = mute();
  const hung = scheduler.wait(HANGS_MS).then(() => ({
    key: formatRunKey(key),
    calls: [],
    points: [],
    missed: 0,
    wrong: [`5 the run hangs: ${lastCalls()}`],
  }));
  try {
    return await Promise.race([playAloud(flow, key), hung]);
  } finally {
    unmuted();
  }
}

function lastCalls(): string {
  return `${stage.trace.slice(-3).join("; ")} (${stage.tasks.size} tasks, ${stage.running.size} calls, ${stage.held.length} held)`;
}

const READS = 4;
const IDLE_POLLS = 2;

function pointsOf(trace: readonly string[]): string[] {
  const before = new Map<string, number>();
  return trace.filter((point) => {
    const idle = stage.idle.has(point);
    if (!idle && !stage.reads.has(point)) return true;
    const look = `${idle ? "nothing" : "something"} at ${point.slice(0, point.lastIndexOf(" #"))}`;
    const nth = (before.get(look) ?? 0) + 1;
    before.set(look, nth);
    return nth <= (idle ? IDLE_POLLS : READS);
  });
}

/** The trail of the run, as the product itself verifies it: sealed in one chain, with a copy of each seal. */
async function wrongSeals(client: Client): Promise<string[]> {
  const { status, body } = await client.see({ as: "ops", method: "GET", path: "/api/audit/verify" });
  return status === 200 && body.meta.ok ? [] : [`6 the seals verify: ${status} ${JSON.stringify(body.data ?? body)}`];
}

/** The product's own log is of no use where everything fails on purpose, but in a replay. */
function mute(): () => void {
  if (stage.loud) return () => undefined;
  const { log, warn, error } = console;
  const quiet = () => undefined;
  Object.assign(console, { log: quiet, warn: quiet, error: quiet });
  return () => void Object.assign(console, { log, warn, error });
}

async function playAloud(flow: Flow, key: RunKey): Promise<RunResult> {
  const random = seeded(key.seed);
  const chance = Math.random;
  // Of this flow alone: the stand-in supplier outlives a file, and knows an order of another flow by its key.
  const tag = `X${flow.name.replaceAll(/\W/g, "").toUpperCase()}${(++runs).toString(36)}X`;
  moveTo(stage.now + DAY_MS);
  await emptyWorld();
  clearStage(tag, () => random.pick(LATE_MS));
  const client = new Client(env);
  const wrong: string[] = [];
  let open = 0;
  try {
    Math.random = random.next;
    const { clients, check } = await flow.prepare({ client, random, tag });
    open = clients.length;
    beginRun(key.faults);
    for (const one of clients) {
      void one()
        .catch(
          (error: unknown) => void wrong.push(`4 a client: ${error instanceof Error ? error.message : String(error)}`),
        )
        .finally(() => open--);
    }
    const horizon = stage.now + (flow.horizonMs ?? HORIZON_MS);
    await drive({ env, client, random, finished: () => open === 0, horizon, leapMs: flow.leapMs ?? 1 });
    wrong.push(...((await check?.()) ?? []));
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error));
  } finally {
    Math.random = chance;
  }
  for (const held of stage.held.splice(0)) held.released = true;
  wrong.push(
    ...(await violations(env.DB, { now: stage.now })),
    ...(await wrongOutside(env)),
    ...(await wrongSeals(client)),
  );
  return {
    key: formatRunKey(key),
    calls: stage.trace,
    points: pointsOf(stage.trace),
    missed: key.faults.length - stage.hit.size,
    wrong,
  };
}
