/**
 * The sockets of a hub: their state in attachments, sending within each one's window, and the one alarm. What is in
 * memory is a copy of the attachments, so hibernation and eviction lose nothing.
 */
import { DurableObject } from "cloudflare:workers";
import {
  HUB_FRAME_BYTES,
  HUB_HELLO_TIMEOUT_MS,
  HUB_SILENT_MS,
  HUB_SOCKET_LIFE_MS,
  HUB_WINDOW_BYTES,
  HUB_WINDOW_FULL_MS,
} from "../config.ts";
import { messageOf } from "../domain/errors.ts";
import {
  CONNECTION_VERSION,
  gapFrame,
  nextLook,
  planFrames,
  settledUpTo,
  skipTo,
  type Connection,
  type Limits,
  type LogRow,
} from "../domain/hub/connections.ts";
import { CLOSE, closeReason, type ServerFrame } from "../domain/hub/frames.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { advanceCursor, logState, rowsAfter } from "./hub-log.ts";

export const LIMITS: Limits = {
  frameBytes: HUB_FRAME_BYTES,
  windowBytes: HUB_WINDOW_BYTES,
  helloMs: HUB_HELLO_TIMEOUT_MS,
  fullMs: HUB_WINDOW_FULL_MS,
  lifeMs: HUB_SOCKET_LIFE_MS,
  silentMs: HUB_SILENT_MS,
};

const OPEN = 1;
const PAGE_ROWS = 256;

/** Rows just appended; `after` was the head before them. */
export interface FreshRows {
  readonly after: number;
  readonly rows: readonly LogRow[];
}

export abstract class HubSockets extends DurableObject<Env> {
  private readonly cache = new WeakMap<WebSocket, Connection>();

  protected now(): number {
    return this.env.CLOCK?.now() ?? Date.now();
  }

  /** Arms the alarm no later than the earliest of these times (ms since the epoch, by `now()`); null is no time. */
  protected async armBy(...due: readonly (number | null)[]): Promise<void> {
    const earliest = due.reduce((a, b) => (a === null || (b !== null && b < a) ? b : a), null);
    if (earliest === null) return;
    const at = this.platformTime(earliest);
    const armed = await this.ctx.storage.getAlarm();
    if (armed === null || armed > at) await this.ctx.storage.setAlarm(at);
  }

  /** The platform's alarm knows only its own clock: with another one (a test's), the delay is what counts. */
  protected platformTime(due: number): number {
    return Date.now() + Math.max(0, due - this.now());
  }

  /** The open sockets; those that are closing are left out. */
  protected openSockets(tag?: string): WebSocket[] {
    return this.ctx.getWebSockets(tag).filter((ws) => ws.readyState === OPEN);
  }

  /** The state of a socket, or null when another version of this class wrote it. */
  protected connectionOf(ws: WebSocket): Connection | null {
    const known = this.cache.get(ws);
    if (known) return known;
    const stored = ws.deserializeAttachment() as Connection | null;
    if (stored?.v !== CONNECTION_VERSION) return null;
    this.cache.set(ws, stored);
    return stored;
  }

  protected keep(ws: WebSocket, connection: Connection): void {
    ws.serializeAttachment(connection);
    this.cache.set(ws, connection);
  }

  protected send(ws: WebSocket, frame: ServerFrame): void {
    ws.send(JSON.stringify(frame));
  }

  protected end(ws: WebSocket, code: number, reason: string): void {
    ws.close(code, closeReason(reason));
    this.settle(ws);
  }

  /** When the runtime last answered a ping, ms since the epoch. */
  protected lastPingOf(ws: WebSocket): number | null {
    return this.ctx.getWebSocketAutoResponseTimestamp(ws)?.getTime() ?? null;
  }

  /** How long there has been no frame and no ping, in ms. A ping's time is the platform's, whatever `now()` says. */
  protected silenceOf(ws: WebSocket, connection: Connection): number {
    const ping = this.lastPingOf(ws);
    return Math.min(this.now() - connection.lastSeen, ping === null ? Infinity : Date.now() - ping);
  }

  /** Writes down in its cursor how far the device is. */
  protected settle(ws: WebSocket): void {
    const connection = this.connectionOf(ws);
    if (connection === null || !connection.greeted) return;
    const { identity, session, acked } = connection;
    advanceCursor(this.ctx.storage.sql, identity.device_id, session, acked, settledUpTo(connection));
  }

  /** One socket's trouble must not keep the others from their events, nor make the relay deliver again. */
  protected pumpSafely(ws: WebSocket, fresh: FreshRows): number | null {
    try {
      return this.pump(ws, fresh);
    } catch (error) {
      log("error", "hub.pump_failed", { device: this.connectionOf(ws)?.identity.device_id, error: messageOf(error) });
      this.end(ws, CLOSE.drain, "sending failed");
      return null;
    }
  }

  /**
   * Sends what the window allows: the rows that just came if the device is up with the log, else from the log itself.
   * Returns when to look again because the window is full, else null.
   */
  protected pump(ws: WebSocket, fresh?: FreshRows): number | null {
    const stored = ws.readyState === OPEN ? this.connectionOf(ws) : null;
    if (stored === null || !stored.greeted || stored.fullSince !== null) return null;
    let connection = stored;
    for (let more = true; more;) {
      const isCurrent = fresh !== undefined && connection.scanned >= fresh.after;
      if (!isCurrent) connection = this.toldOfGap(ws, connection);
      const rows = isCurrent ? fresh.rows : rowsAfter(this.ctx.storage.sql, connection.scanned, PAGE_ROWS);
      const plan = planFrames(connection, rows, LIMITS, this.now());
      for (const frame of plan.frames) ws.send(frame);
      connection = plan.connection;
      more = !isCurrent && rows.length === PAGE_ROWS && connection.fullSince === null;
    }
    this.keep(ws, connection);
    return connection.fullSince === null ? null : nextLook(connection, LIMITS);
  }

  private toldOfGap(ws: WebSocket, connection: Connection): Connection {
    const { floor } = logState(this.ctx.storage.sql);
    if (connection.scanned >= floor) return connection;
    ws.send(gapFrame(connection.scanned + 1, floor));
    return skipTo(connection, floor);
  }
}
