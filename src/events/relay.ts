/**
 * The relay's core: takes committed events from the outbox to the hubs (in order) and to the queues (at least once).
 * It knows nothing of the platform. Nothing is marked done before the hub accepted it; what the queue subscribers
 * haven't marked done when the lease ends is sent again, so sent is never taken for delivered.
 */
import {
  MAX_SENDS,
  OUTBOX_BATCH_MESSAGES,
  RESEND_AFTER_MS,
  THIN_MESSAGE_BYTES,
  UNREADABLE_PARK_MS,
} from "../config.ts";
import { messageOf } from "../domain/errors.ts";
import { bytesOf, cutBatches } from "./batches.ts";

export interface OutboxRow {
  /** Its place in the log: commit order. */
  readonly seq: number;
  readonly event_id: string;
  readonly type: string;
  readonly subject: string;
  readonly region: string | null;
  readonly event: string;
}

/** A row for the hubs; `unreadable` says why it isn't an event that this version knows, null: it is one. */
export interface HubRow extends OutboxRow {
  readonly created_at: string;
  readonly unreadable: string | null;
}

export interface QueueMessage {
  readonly seq: number;
  readonly event_id: string;
  /** Absent when the event is too large to travel: the consumer reads it from the outbox. */
  readonly event?: unknown;
}

export interface RelayDeps {
  readonly now: () => number;
  /** Hubs that failed since the relay's last poll: no kick tries them again, the next poll does. */
  readonly unreachable: Set<string>;
  /** At most `limit` a region, of those that have a hub which can be reached. */
  readonly hubRows: (limit: number) => Promise<readonly HubRow[]>;
  /** The hubs that must hear of a row. */
  readonly hubsOf: (row: OutboxRow) => Promise<readonly string[]>;
  /** Hands rows to one hub in order; it is idempotent by event id. */
  readonly deliver: (hub: string, rows: readonly OutboxRow[]) => Promise<void>;
  readonly markHubDone: (places: readonly number[]) => Promise<void>;
  /** Takes a row that can't be sent out of the way, in sight. */
  readonly park: (row: OutboxRow, reason: string) => Promise<void>;
  readonly leaseQueueRows: (leaseUntil: string, maxSends: number, limit: number) => Promise<readonly OutboxRow[]>;
  readonly sendEvents: (messages: readonly QueueMessage[]) => Promise<SendOutcome>;
  readonly releaseQueueRows: (places: readonly number[]) => Promise<void>;
  readonly leaseCommands: (
    leaseUntil: string,
    maxSends: number,
    limit: number,
  ) => Promise<readonly { readonly id: string }[]>;
  readonly sendCommands: (ids: readonly string[]) => Promise<SendOutcome>;
  readonly releaseCommands: (ids: readonly string[]) => Promise<void>;
  readonly log: (level: "info" | "warn" | "error", event: string, facts?: Readonly<Record<string, unknown>>) => void;
}

/** `maybe`: our own time-out ended the wait; the queue may have the messages. */
export type SendOutcome = "sent" | "maybe" | "failed";

const HUB_ROWS = 200;
const MAX_ROUNDS = 50;

/** Drains both lanes until nothing is due (or 50 rounds). Returns how much was moved. A failing lane doesn't stop the others. */
export async function drainOutbox(deps: RelayDeps): Promise<{ hub: number; events: number; commands: number }> {
  const moved = { hub: 0, events: 0, commands: 0 };
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const lanes = await Promise.allSettled([drainHubLane(deps), drainQueueLane(deps), drainCommands(deps)]);
    const counts = lanes.map((lane) => {
      if (lane.status === "fulfilled") return lane.value;
      deps.log("error", "relay.lane_failed", { error: messageOf(lane.reason) });
      return 0;
    });
    const [hub = 0, events = 0, commands = 0] = counts;
    moved.hub += hub;
    moved.events += events;
    moved.commands += commands;
    if (hub + events + commands === 0) break;
  }
  return moved;
}

async function drainHubLane(deps: RelayDeps): Promise<number> {
  const open = await deps.hubRows(HUB_ROWS);
  const rows = readableInOrder(open);
  for (const row of open) {
    const overdue = Date.parse(row.created_at) + UNREADABLE_PARK_MS <= deps.now();
    if (row.unreadable !== null && overdue) await deps.park(row, `no version knows it: ${row.unreadable}`);
  }
  if (rows.length === 0) return 0;
  const byHub = new Map<string, OutboxRow[]>();
  for (const row of rows) {
    for (const hub of await deps.hubsOf(row)) {
      const list = byHub.get(hub);
      if (list) list.push(row);
      else byHub.set(hub, [row]);
    }
  }
  const refused = new Set<number>();
  await Promise.all(
    [...byHub].map(async ([hub, list]) => {
      try {
        if (deps.unreachable.has(hub)) for (const row of list) refused.add(row.seq);
        else await deps.deliver(hub, list);
      } catch (error) {
        // The hub keeps none of the list or all of it, and repeats are dropped there: retrying the list keeps its order.
        for (const row of list) refused.add(row.seq);
        deps.unreachable.add(hub);
        deps.log("warn", "relay.hub_unreachable", { hub, rows: list.length, error: messageOf(error) });
      }
    }),
  );
  const accepted = rows.filter((row) => !refused.has(row.seq)).map((row) => row.seq);
  if (accepted.length > 0) await deps.markHubDone(accepted);
  return accepted.length;
}

/** Leaves out what can't be read, and with it whatever follows on the same subject: its order is kept by waiting. */
export function readableInOrder(rows: readonly HubRow[]): HubRow[] {
  const stopped = new Set<string>();
  return rows.filter((row) => {
    if (row.unreadable !== null) stopped.add(row.subject);
    return !stopped.has(row.subject);
  });
}

async function drainQueueLane(deps: RelayDeps): Promise<number> {
  const leaseUntil = new Date(deps.now() + RESEND_AFTER_MS).toISOString();
  const rows = await deps.leaseQueueRows(leaseUntil, MAX_SENDS, OUTBOX_BATCH_MESSAGES);
  let sent = 0;
  for (const batch of cutBatches(rows, travelling)) {
    const outcome = await deps.sendEvents(batch.map(messageOfRow));
    if (outcome === "failed") await deps.releaseQueueRows(batch.map((row) => row.seq));
    else sent += batch.length;
  }
  return sent;
}

async function drainCommands(deps: RelayDeps): Promise<number> {
  const leaseUntil = new Date(deps.now() + RESEND_AFTER_MS).toISOString();
  const rows = await deps.leaseCommands(leaseUntil, MAX_SENDS, OUTBOX_BATCH_MESSAGES);
  if (rows.length === 0) return 0;
  const ids = rows.map((row) => row.id);
  const outcome = await deps.sendCommands(ids);
  if (outcome !== "failed") return ids.length;
  await deps.releaseCommands(ids);
  return 0;
}

/** The message of a row: the event itself, or only its id above 100 KB (a queue message ends at 128 KB). */
export function messageOfRow(row: OutboxRow): QueueMessage {
  return bytesOf(row.event) > THIN_MESSAGE_BYTES
    ? { seq: row.seq, event_id: row.event_id }
    : { seq: row.seq, event_id: row.event_id, event: JSON.parse(row.event) as unknown };
}

/** The bytes of a row's message, about. */
function travelling(row: OutboxRow): number {
  return Math.min(bytesOf(row.event), THIN_MESSAGE_BYTES);
}
