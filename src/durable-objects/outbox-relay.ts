/**
 * The shell of the relay: a kick after a commit drains at once, an alarm every 5 s is the net, the cron of every minute
 * re-arms a lost alarm. The next alarm is set before anything else, and nothing that is thrown leaves the handler: an
 * alarm that throws is given up by the platform after six tries. A hub that fails is left alone until the next poll.
 */
import { DurableObject } from "cloudflare:workers";
import { OUTBOX_POLL_MS } from "../config.ts";
import { createContainer } from "../container.ts";
import { messageOf } from "../domain/errors.ts";
import type { Env } from "../env.ts";
import { drainOutbox } from "../events/relay.ts";
import { log } from "../log.ts";
import { sealAudit } from "../services/audit-seals.ts";
import { keepHouse } from "../services/housekeeping.ts";
import { dropAgain } from "../subscribers/second-drop.ts";
import { auditDeps } from "../wiring/audit.ts";
import { relayDeps } from "../wiring/relay.ts";

const SHARD = "shard";
const SECOND_DROP = "second-drop";

export class OutboxRelay extends DurableObject<Env> {
  private draining: Promise<void> | undefined;
  private again = false;
  /** Hubs that failed since the last poll. */
  private readonly unreachable = new Set<string>();

  /** Drains this shard now. Returns when everything that was committed before the call has left. */
  async kick(shard: number): Promise<void> {
    if (this.ctx.storage.kv.get<number>(SHARD) !== shard) this.ctx.storage.kv.put(SHARD, shard);
    if ((await this.ctx.storage.getAlarm()) === null) await this.arm();
    await this.drain(shard);
  }

  override async alarm(): Promise<void> {
    await this.arm();
    const shard = this.ctx.storage.kv.get<number>(SHARD);
    if (shard === undefined) return;
    try {
      const container = createContainer(this.env, this.ctx);
      const share = { shard, shards: container.settings.RELAY_SHARDS };
      // A shard of a larger deployment of the past: others serve its buckets.
      if (shard >= share.shards) return await this.ctx.storage.deleteAlarm();
      this.unreachable.clear();
      await this.drain(shard);
      const dropped = () =>
        dropAgain({
          ...container,
          kv: this.env.CACHE,
          share,
          readCursor: () => this.ctx.storage.kv.get<number>(SECOND_DROP),
          writeCursor: (place) => this.ctx.storage.kv.put(SECOND_DROP, place),
        });
      const seal = () => sealAudit(auditDeps(container));
      await keepHouse({ ...container, log, seal }, share, [["second drop", dropped]]);
    } catch (error) {
      log("error", "relay.alarm_failed", { shard, error: messageOf(error) });
    }
  }

  private async arm(): Promise<void> {
    const now = this.env.CLOCK?.now() ?? Date.now();
    await this.ctx.storage.setAlarm(now + OUTBOX_POLL_MS);
  }

  /** One drain at a time keeps the hub lane in order; a kick during a drain makes it go round once more. */
  private drain(shard: number): Promise<void> {
    if (this.draining) {
      this.again = true;
      return this.draining;
    }
    this.draining = this.drainUntilQuiet(shard).finally(() => {
      this.draining = undefined;
    });
    return this.draining;
  }

  private async drainUntilQuiet(shard: number): Promise<void> {
    do {
      this.again = false;
      await drainOutbox(relayDeps(createContainer(this.env, this.ctx), shard, this.unreachable));
    } while (this.again);
  }
}
