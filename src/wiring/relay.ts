/** Wires the relay's core to D1, the hubs and the queues: a part of the composition root, kept apart for its size. */
import { QUEUE_SEND_TIMEOUT_MS } from "../config.ts";
import type { Container } from "../container.ts";
import { listRegionIds } from "../db/queries/regions.ts";
import {
  EVERY_REGION,
  leaseCommands,
  leaseQueueRows,
  markDone,
  openHubRows,
  releaseCommands,
  releaseQueueRows,
} from "../db/queries/outbox.ts";
import { messageOf } from "../domain/errors.ts";
import { parseEvent } from "../domain/events.ts";
import { hubName, topicsOf } from "../domain/hub/routing.ts";
import type { OutboxRow, RelayDeps, SendOutcome } from "../events/relay.ts";
import { HUB_BIT } from "../events/subscriptions.ts";
import { log } from "../log.ts";
import { parkEvent } from "../services/parking.ts";

export function relayDeps(container: Container, shard: number, unreachable: Set<string>): RelayDeps {
  const { db, env, clock, settings } = container;
  const share = { shard, shards: settings.RELAY_SHARDS };
  const nowIso = () => new Date(clock.now()).toISOString();
  let known: Promise<readonly string[]> | undefined;
  const regions = () => (known ??= listRegionIds(db));
  const hubsOfRegion = (region: string) => Array.from({ length: settings.HUB_SHARDS }, (_, n) => hubName(region, n));
  /** The regions none of whose hubs can be reached. */
  const passedOver = async () => {
    if (unreachable.size === 0) return [];
    const all = await regions();
    const dead = all.filter((region) => hubsOfRegion(region).every((hub) => unreachable.has(hub)));
    return dead.length === all.length ? [...dead, EVERY_REGION] : dead;
  };

  return {
    now: clock.now,
    unreachable,
    hubRows: async (limit) => {
      const q = { share, hubBit: HUB_BIT, nowIso: nowIso(), passedOver: await passedOver(), limit };
      return (await openHubRows(db, q)).map((row) => ({ ...row, unreadable: whyUnreadable(row) }));
    },
    hubsOf: async (row) => {
      if (row.region !== null) return hubsOfRegion(row.region);
      return (await regions()).flatMap(hubsOfRegion);
    },
    deliver: async (hub, rows) => {
      await env.HUB.get(env.HUB.idFromName(hub)).deliver(rows.map(toHubEvent));
    },
    markHubDone: (places) => markDone(db, places, HUB_BIT),
    park: (row, reason) => parkEvent(container, row, reason),
    leaseQueueRows: (leaseUntil, maxSends, limit) =>
      leaseQueueRows(db, { share, nowIso: nowIso(), leaseUntil, maxSends, limit }),
    sendEvents: (messages) =>
      boundedSend(container, () => env.EVENTS_QUEUE.sendBatch(messages.map((body) => ({ body })))),
    releaseQueueRows: (places) => releaseQueueRows(db, places),
    leaseCommands: (leaseUntil, maxSends, limit) =>
      leaseCommands(db, { share, nowIso: nowIso(), leaseUntil, maxSends, limit }),
    sendCommands: (ids) =>
      boundedSend(container, () => env.COMMANDS_QUEUE.sendBatch(ids.map((command_id) => ({ body: { command_id } })))),
    releaseCommands: (ids) => releaseCommands(db, ids),
    log,
  };
}

/** An event of a newer version, in the middle of a deployment, stays open for the relay that knows it. */
function whyUnreadable(row: OutboxRow): string | null {
  const parsed = parseEvent(row.event);
  if (parsed.ok) return null;
  log("warn", "relay.unknown_event", { event_id: row.event_id, type: row.type, reason: parsed.reason });
  return parsed.reason;
}

function toHubEvent(row: OutboxRow) {
  const parsed = parseEvent(row.event);
  return { event_id: row.event_id, topics: parsed.ok ? topicsOf(parsed.message, row.region) : [], event: row.event };
}

/** A queue send can hang for a minute: after our own time-out it is "maybe sent", and the lease decides. */
async function boundedSend(container: Container, send: () => Promise<unknown>): Promise<SendOutcome> {
  const sending = send().then(
    () => "sent" as const,
    (error: unknown) => {
      log("warn", "relay.send_failed", { error: messageOf(error) });
      return "failed" as const;
    },
  );
  return Promise.race([sending, container.clock.after(QUEUE_SEND_TIMEOUT_MS).then(() => "maybe" as const)]);
}
