/**
 * The demo's actors: each a process of its own that prints one JSON line for whatever happens to it. None outlives the
 * parent: they are told to end on every path, and their stdin closes even when the parent is killed.
 */
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const HEAR_MS = 15_000;
const END_MS = 3_000;

/** A line of an actor, as scripts/device.ts describes them. */
export interface Line {
  /** When it happened, by the actor's clock. */
  readonly at: string;
  readonly frame: string;
  readonly [fact: string]: unknown;
}

export interface HeardEvent extends Line {
  readonly event: { readonly id: string; readonly time: string; readonly data: Readonly<Record<string, unknown>> };
  readonly type: string;
}

export interface AnswerLine<T> extends Line {
  readonly status: number;
  readonly sent_at: string;
  readonly body: T;
}

export interface Actor {
  readonly id: string;
  readonly lines: readonly Line[];
  /** The first line, past or to come, for which `isIt` holds. Rejects after 15 s, or when the connection closes before. */
  hears<T extends Line>(what: string, isIt: (line: Line) => line is T): Promise<T>;
  /** Gives the process something to do: one JSON line on its stdin. */
  tell(task: object): void;
}

export type Cast = ReturnType<typeof castOf>;

/** Predicate of an event of that type for which `isIt` holds. */
export function eventOf(
  type: string,
  isIt: (data: HeardEvent["event"]["data"], event: HeardEvent["event"]) => boolean,
) {
  return (line: Line): line is HeardEvent => {
    if (line.frame !== "event" || line["type"] !== type) return false;
    const { event } = line as HeardEvent;
    return isIt(event.data, event);
  };
}

/** Predicate of a line of that frame. */
export function frameOf(frame: string) {
  return (line: Line): line is Line => line.frame === frame;
}

/** Predicate of a device's answer to a task. */
export function answerTo<T>(task: string) {
  return (line: Line): line is AnswerLine<T> => line.frame === "answer" && line["task"] === task;
}

/** The id that all have; an Error that names them when they differ. */
export function sameEvent(heard: readonly HeardEvent[]): string {
  const [id, ...others] = new Set(heard.map(({ event }) => event.id));
  if (id !== undefined && others.length === 0) return id;
  throw new Error(`they heard different events: ${[id, ...others].join(", ")}`);
}

function reasonOf({ code, reason }: Line): string {
  return [code, reason].filter(Boolean).join(" ");
}

/** When the last of them had it. */
export function lastOf(lines: readonly Line[]): string {
  return lines.map(({ at }) => at).reduce((a, b) => (a > b ? a : b));
}

export function castOf() {
  const ends = new Map<string, () => Promise<number | null>>();
  const killers: (() => void)[] = [];
  process.once("exit", () => killers.forEach((kill) => kill()));

  /** Starts `node scripts/{script} {id} …args`. */
  function start(script: string, id: string, args: readonly string[]): Actor {
    const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
    const child = spawn(process.execPath, [path, id, ...args], { stdio: ["pipe", "pipe", "pipe"] });
    const lines: Line[] = [];
    const news = new EventEmitter({ captureRejections: false }).setMaxListeners(100);
    let lastWords = "";
    let ending: string | undefined;

    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as Line;
      if (line.frame === "error") lastWords = String(line["message"]);
      lines.push(line);
      news.emit("news");
    });
    createInterface({ input: child.stderr }).on("line", (text) => {
      lastWords = text;
    });
    child.stdin.on("error", () => {}); // it ended before it was told something: `hears` says so
    const closed = new Promise<number | null>((resolve) => {
      child.once("error", (error) => {
        ending = `could not be started: ${error.message}`;
        resolve(null);
      });
      child.once("close", (code, signal) => {
        ending ??= `ended with ${code ?? signal}`;
        resolve(code);
      });
    }).finally(() => news.emit("news"));

    killers.push(() => child.kill("SIGKILL"));
    ends.set(id, () => {
      child.kill("SIGTERM");
      const impatience = setTimeout(() => child.kill("SIGKILL"), END_MS);
      return closed.finally(() => clearTimeout(impatience));
    });
    const hint = () => (lastWords === "" ? "" : `; its last error: ${lastWords}`);

    return {
      id,
      lines,
      tell: (task) => void child.stdin.write(`${JSON.stringify(task)}\n`),
      async hears(what, isIt) {
        const deadline = AbortSignal.timeout(HEAR_MS);
        for (;;) {
          const found = lines.find(isIt);
          if (found) return found;
          const lost = lines.find(frameOf("closed")); // nobody cuts a line in a story of seconds: the app went away
          if (lost) throw new Error(`${id} had no ${what}: its connection closed (${reasonOf(lost)})`);
          if (ending !== undefined) throw new Error(`${id} never had ${what}: its process ${ending}${hint()}`);
          try {
            await once(news, "news", { signal: deadline });
          } catch (error) {
            throw new Error(`${id} had no ${what} within ${HEAR_MS / 1000} s${hint()}`, { cause: error });
          }
        }
      },
    };
  }

  /** Ends every process that still runs, and waits for it. Exit codes by actor; null for one that had to be killed. */
  async function end(): Promise<Record<string, number | null>> {
    const codes = [...ends].map(async ([id, stop]) => [id, await stop()] as const);
    return Object.fromEntries(await Promise.all(codes));
  }

  return { start, end };
}
