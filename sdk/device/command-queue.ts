/**
 * The commands of a device whose connection comes and goes. Each is kept and numbered before it counts as made, sent in
 * the order of the numbers once there is a connection, and kept until its end is known. The id makes a second sending
 * harmless, so whatever is in doubt is sent again.
 *
 * A shell owns the socket and calls: `connected` once hello is said, `received` for each `result` frame, `heard` for each
 * event, `remind` with each heartbeat, `disconnected` after a close.
 */

/** Commands under way at once: the hub answers each by itself. */
const WINDOW = 64;
const MAX_KEPT = 10_000;
/** A frame ends at 64 KiB; whatever is around the data takes less than 4. */
const MAX_DATA_BYTES = 60 * 1024;

export interface KeptCommand {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  /** 1, 2, 3, … of this device, in the order in which things happened. */
  readonly device_sequence: number;
  readonly device_time: string;
  /** The version of the stock level that the device saw. */
  readonly seen_version?: number;
}

/** Where commands survive a restart. Each call is durable when it resolves. */
export interface CommandStore {
  load(): Promise<{ readonly last: number; readonly kept: readonly KeptCommand[] }>;
  /** Keeps or replaces the command, and the highest number that was ever given. */
  put(command: KeptCommand, last: number): Promise<void>;
  remove(id: string): Promise<void>;
}

export interface Answer {
  readonly status: "applied" | "rejected";
  readonly code?: string;
  readonly reason?: string;
  /** What came of it, or the figures of why not; `discrepancy_id` where the scan was kept for a person. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface QueueOptions {
  /** In memory by default: a restart then loses what wasn't sent, and numbers begin anew. */
  readonly store?: CommandStore;
  /** Ms since the epoch. */
  readonly now: () => number;
  /** 8 to 100 letters, digits, _ or -; never the same twice. */
  readonly newId: () => string;
  /** The end of a command. Called again after a crash in between. */
  readonly answered: (command: KeptCommand, answer: Answer) => void | Promise<void>;
}

export interface CommandQueue {
  /** Keeps the command; it is made when this resolves. Throws an Error when too many are kept or the data is too large. */
  add(type: string, data: unknown, seenVersion?: number): Promise<KeptCommand>;
  connected(send: (text: string) => void): void;
  disconnected(): void;
  /** A `result` frame. */
  received(frame: Readonly<Record<string, unknown>>): Promise<void>;
  heard(event: { readonly type: string; readonly data?: unknown }): void;
  /** Asks anew about whatever has no end yet. */
  remind(): void;
  /** Those whose end isn't known, in the order of their numbers. */
  kept(): readonly KeptCommand[];
}

interface Entry {
  command: KeptCommand;
  /** `unsent` on this connection; `sent`: its result is awaited; `taken`: the hub has it, and its end will come. */
  state: "unsent" | "sent" | "taken";
  sentAs: number;
  /** Its end was told while its result was under way: ask once more. */
  askAgain: boolean;
}

export function memoryStore(): CommandStore {
  const kept = new Map<string, KeptCommand>();
  let highest = 0;
  return {
    load: async () => ({ last: highest, kept: [...kept.values()] }),
    put: async (command, last) => {
      kept.set(command.id, command);
      highest = last;
    },
    remove: async (id) => {
      kept.delete(id);
    },
  };
}

export async function openCommandQueue(options: QueueOptions): Promise<CommandQueue> {
  const { store = memoryStore(), now, newId, answered } = options;
  const loaded = await store.load();
  const entries = new Map(loaded.kept.map((command) => [command.id, entryOf(command)]));
  let last = Math.max(loaded.last, ...loaded.kept.map((command) => command.device_sequence));
  let send: ((text: string) => void) | null = null;
  let work = Promise.resolve();

  /** One after the other: numbers are given in the order in which commands are kept. */
  function inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = work.then(task);
    work = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  const inOrder = () => [...entries.values()].sort((a, b) => a.command.device_sequence - b.command.device_sequence);

  function pump(): void {
    if (!send) return;
    let open = [...entries.values()].filter((entry) => entry.state === "sent").length;
    for (const entry of inOrder()) {
      if (open >= WINDOW) return;
      if (entry.state !== "unsent") continue;
      entry.state = "sent";
      entry.sentAs = entry.command.device_sequence;
      send(frameOf(entry.command));
      open++;
    }
  }

  async function end(entry: Entry, answer: Answer): Promise<void> {
    await answered(entry.command, answer);
    await store.remove(entry.command.id);
    entries.delete(entry.command.id);
  }

  /** The hub knows higher numbers of this device (it was set up anew): what it hasn't taken goes on after them. */
  async function renumber(next: number): Promise<void> {
    last = Math.max(last, next - 1);
    for (const entry of inOrder().filter(({ state }) => state !== "taken")) {
      last += 1;
      entry.command = { ...entry.command, device_sequence: last };
      await store.put(entry.command, last);
    }
  }

  return {
    add: (type, data, seenVersion) =>
      inTurn(async () => {
        if (entries.size >= MAX_KEPT) throw new Error(`${MAX_KEPT} commands wait already`);
        const bytes = new TextEncoder().encode(JSON.stringify(data)).byteLength;
        if (bytes > MAX_DATA_BYTES) throw new Error(`a command's data ends at ${MAX_DATA_BYTES} bytes`);
        const seen = seenVersion === undefined ? {} : { seen_version: seenVersion };
        const time = new Date(now()).toISOString();
        const command = { id: newId(), type, data, device_sequence: last + 1, device_time: time, ...seen };
        await store.put(command, command.device_sequence);
        last = command.device_sequence;
        entries.set(command.id, entryOf(command));
        pump();
        return command;
      }),

    connected: (sender) => {
      send = sender;
      pump();
    },

    disconnected: () => {
      send = null;
      for (const entry of entries.values()) entry.state = "unsent";
    },

    received: (frame) =>
      inTurn(async () => {
        const entry = entries.get(String(frame["id"]));
        if (!entry) return;
        const result = resultOf(frame);
        const next = result.data?.["next_device_sequence"];
        if (result.status === "failed" || result.code === "UNAUTHENTICATED") {
          entry.state = result.code === undefined ? "taken" : "unsent"; // without a code the hub has it and has given it up
          return; // `remind` sends it again
        }
        if (result.code === "CONFLICT" && typeof next === "number") {
          if (entry.sentAs === entry.command.device_sequence) await renumber(next);
          entry.state = "unsent";
        } else if (result.status === "applied" || result.status === "rejected") {
          await end(entry, { ...result, status: result.status });
        } else {
          entry.state = entry.askAgain ? "unsent" : "taken";
          entry.askAgain = false;
        }
        pump();
      }),

    heard: ({ type, data }) => {
      const id = endedCommand(type, data);
      const entry = id === null ? undefined : entries.get(id);
      if (!entry) return;
      if (entry.state === "taken") entry.state = "unsent";
      else entry.askAgain = entry.state === "sent";
      pump();
    },

    remind: () => {
      for (const entry of entries.values()) if (entry.state === "taken") entry.state = "unsent";
      pump();
    },

    kept: () => inOrder().map(({ command }) => command),
  };
}

function entryOf(command: KeptCommand): Entry {
  return { command, state: "unsent", sentAs: 0, askAgain: false };
}

/** `type` names the frame, so the command's own travels as `command`. */
function frameOf({ type, ...command }: KeptCommand): string {
  return JSON.stringify({ ...command, type: "command", command: type });
}

interface Result {
  readonly status: "accepted" | "applied" | "awaiting_approval" | "rejected" | "failed";
  readonly code?: string;
  readonly reason?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

function resultOf({ status, code, reason, data }: Readonly<Record<string, unknown>>): Result {
  return {
    status: status as Result["status"],
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof reason === "string" ? { reason } : {}),
    ...(typeof data === "object" && data !== null ? { data: data as Record<string, unknown> } : {}),
  };
}

/** The command whose end an event tells, or null. */
function endedCommand(type: string, data: unknown): string | null {
  const facts = (data ?? {}) as { readonly kind?: unknown; readonly id?: unknown; readonly command_id?: unknown };
  if (type === "CommandRejected") return typeof facts.command_id === "string" ? facts.command_id : null;
  const isCommand = type === "StatusChanged" && facts.kind === "command";
  return isCommand && typeof facts.id === "string" ? facts.id : null;
}
