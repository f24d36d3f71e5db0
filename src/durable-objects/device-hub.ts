/**
 * The hub of one region and shard: the shell around `domain/hub`. Sockets hibernate, so all there is of a connection is
 * in its attachment or in SQLite, and there are no timers: one alarm, armed for the earliest thing that is due.
 *
 * Order of a connection: the server sends `welcome` at once; the client has 10 s for `hello` and says there where it
 * stopped. `last {epoch, seq}` inside the log resumes after it, any other `last` is closed 4009 (the client takes the
 * snapshot and comes back with its position); without `last` the stored cursor counts (a `gap` tells what retention
 * dropped), and a device never seen starts at the head. `welcome.resume` is "full" when the stored cursor would do.
 */
import {
  HUB_DEFAULT_CREDIT,
  HUB_FRAME_BYTES,
  HUB_PING_S,
  HUB_REAP_MS,
  HUB_RETENTION_MS,
  HUB_SWEEP_MS,
} from "../config.ts";
import { messageOf } from "../domain/errors.ts";
import {
  acknowledge,
  closeDue,
  gapFrame,
  greet,
  holdTopics,
  nextLook,
  openConnection,
  type Connection,
} from "../domain/hub/connections.ts";
import { canResume, decideResume, receiptOf, topicsSince } from "../domain/hub/cursors.ts";
import {
  answerableCloseCode,
  CLOSE,
  parseClientFrame,
  PING,
  PONG,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
  type CommandFrame,
  type HelloFrame,
  type ResultFrame,
} from "../domain/hub/frames.ts";
import { defaultTopics, type HubIdentity } from "../domain/hub/routing.ts";
import { connectedClients, type ConnectedClient } from "../domain/hub/state-cache.ts";
import type { Env } from "../env.ts";
import { log } from "../log.ts";
import { commandOverSocket } from "../wiring/socket-commands.ts";
import { IDENTITY_HEADER, identityOf, toNewEvents, type HubEvent } from "./hub-input.ts";
import {
  appendEvents,
  createHubSchema,
  findCursor,
  findEvent,
  listCursors,
  logState,
  putCursor,
  sweepDue,
  sweepLog,
} from "./hub-log.ts";
import { HubSockets, LIMITS } from "./hub-sockets.ts";

const OPEN = 1;
const CLOSED = 3;
const DRAIN_JITTER_MS = 2_000;

export class DeviceHub extends HubSockets {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    createHubSchema(ctx.storage.sql, crypto.randomUUID());
  }

  /** Opens a socket for the identity in the internal header. 426 or 400 when it isn't an upgrade to `waybill.v1`. */
  override async fetch(request: Request): Promise<Response> {
    if (request.headers.get("Upgrade")?.toLowerCase() !== "websocket") {
      return new Response("this address speaks WebSocket only", { status: 426, headers: { Upgrade: "websocket" } });
    }
    const offered = (request.headers.get("Sec-WebSocket-Protocol") ?? "").split(",").map((name) => name.trim());
    if (!offered.includes(SUBPROTOCOL)) return new Response(`offer the subprotocol ${SUBPROTOCOL}`, { status: 400 });
    const identity = identityOf(request.headers.get(IDENTITY_HEADER));
    if (identity === null) return new Response("no identity came with the request", { status: 400 });

    const { 0: client, 1: server } = new WebSocketPair();
    const older = this.openSockets(identity.device_id);
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG));
    this.ctx.acceptWebSocket(server, [identity.device_id]);
    for (const ws of older) this.end(ws, CLOSE.superseded, "a newer connection of this device took over");

    const { epoch, head, floor } = logState(this.ctx.storage.sql);
    const cursor = findCursor(this.ctx.storage.sql, identity.device_id);
    const connection = openConnection(crypto.randomUUID(), identity, this.now());
    this.keep(server, connection);
    this.send(server, {
      type: "welcome",
      session: connection.session,
      epoch,
      seq: head,
      ping_s: HUB_PING_S,
      max_bytes: HUB_FRAME_BYTES,
      resume: canResume(cursor, { epoch, head, floor }) ? "full" : "none",
      version: PROTOCOL_VERSION,
    });
    await this.armBy(nextLook(connection, LIMITS));
    return new Response(null, { status: 101, webSocket: client, headers: { "Sec-WebSocket-Protocol": SUBPROTOCOL } });
  }

  /**
   * Takes events into the log, in the order given, and sends them on. Idempotent by event id: `accepted` names every
   * event that is safe here, new or known. Throws when nothing was stored; then the same call may be made again.
   */
  async deliver(events: readonly HubEvent[]): Promise<{ accepted: string[] }> {
    const incoming = toNewEvents(events);
    const { storage } = this.ctx;
    const before = logState(storage.sql).head;
    const rows = storage.transactionSync(() => appendEvents(storage.sql, incoming, this.now()));
    if (rows.length > 0) {
      const fresh = { after: before, rows };
      const full = this.openSockets().map((ws) => this.pumpSafely(ws, fresh));
      await this.armBy(...full, sweepDue(storage.sql, HUB_RETENTION_MS, HUB_SWEEP_MS));
    }
    return { accepted: events.map((event) => event.event_id) };
  }

  /** The connected clients, keyed by device. */
  async connected(): Promise<Record<string, ConnectedClient>> {
    const sockets = this.openSockets().flatMap((ws) => {
      const connection = this.connectionOf(ws);
      return connection === null ? [] : [{ connection, lastPing: this.lastPingOf(ws) }];
    });
    return connectedClients(sockets, (ms) => new Date(ms).toISOString());
  }

  /** Where the log stands: what a snapshot must carry, read before the snapshot's state. */
  async position(): Promise<{ epoch: string; seq: number }> {
    const { epoch, head } = logState(this.ctx.storage.sql);
    return { epoch, seq: head };
  }

  /** Closes the device's sockets (a revoked or rotated credential); returns how many there were. */
  async disconnect(deviceId: string, code: number): Promise<number> {
    const open = this.openSockets(deviceId);
    for (const ws of open) this.end(ws, code, "closed by the server");
    return open.length;
  }

  /** Which devices the event was for, and whether each has acknowledged it; `[]` when the event isn't in the log. */
  async receipts(eventId: string): Promise<{ device: string; acknowledged: boolean }[]> {
    const event = findEvent(this.ctx.storage.sql, eventId);
    if (event === null) return [];
    return listCursors(this.ctx.storage.sql).flatMap((cursor) => receiptOf(cursor, event) ?? []);
  }

  /** Before a deployment: asks every client to come back, `rate` a second. Returns how many were asked. */
  async drain(rate: number): Promise<number> {
    const open = this.openSockets();
    for (const [i, ws] of open.entries()) {
      const wait = Math.floor((i * 1000) / Math.max(1, rate));
      this.send(ws, { type: "drain", reconnect_in_ms: wait, jitter_ms: DRAIN_JITTER_MS });
    }
    return open.length;
  }

  override async webSocketMessage(ws: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (ws.readyState !== OPEN) return; // what was under way when the server closed
    const stored = this.connectionOf(ws);
    if (stored === null) return this.end(ws, CLOSE.moved, "this hub was replaced");
    const parsed = parseClientFrame(message, HUB_FRAME_BYTES);
    if (!parsed.ok) return this.end(ws, parsed.code, parsed.reason);
    const { frame } = parsed;
    const connection = { ...stored, lastSeen: this.now() };
    if (connection.greeted === (frame.type === "hello")) {
      return this.end(ws, CLOSE.badFrame, connection.greeted ? "hello was said" : "say hello first");
    }
    switch (frame.type) {
      case "hello":
        return this.onHello(ws, connection, frame);
      case "ack":
        return this.onAck(ws, connection, frame.upto);
      case "subscribe":
      case "unsubscribe":
        return this.onTopics(ws, connection, frame.type, frame.topics);
      case "command":
        this.keep(ws, connection);
        return this.onCommand(ws, connection.identity, frame);
    }
  }

  override async webSocketClose(ws: WebSocket, code: number): Promise<void> {
    this.settle(ws);
    if (ws.readyState !== CLOSED) ws.close(answerableCloseCode(code));
  }

  override async webSocketError(ws: WebSocket, error: unknown): Promise<void> {
    this.settle(ws);
    log("warn", "hub.socket_failed", { device: this.connectionOf(ws)?.identity.device_id, error: messageOf(error) });
  }

  /** The next alarm is set first and nothing that is thrown leaves: the platform gives a throwing alarm up. */
  override async alarm(): Promise<void> {
    await this.ctx.storage.setAlarm(Date.now() + HUB_REAP_MS);
    try {
      const due = this.keepHouse();
      if (due === null) await this.ctx.storage.deleteAlarm();
      else await this.ctx.storage.setAlarm(this.platformTime(due));
    } catch (error) {
      log("error", "hub.alarm_failed", { error: messageOf(error) });
    }
  }

  /** Answers a client's command under the same rules as REST; the same command id never takes effect twice. */
  private handleCommand(identity: HubIdentity, frame: CommandFrame): Promise<ResultFrame> {
    return commandOverSocket(this.env, this.ctx, identity, frame);
  }

  private async onHello(ws: WebSocket, connection: Connection, hello: HelloFrame): Promise<void> {
    const { identity, session } = connection;
    if (hello.device_type !== identity.device_type) {
      return this.end(ws, CLOSE.forbidden, `the token is of a ${identity.device_type}`);
    }
    const named = hello.topics ?? [];
    const { granted, refused } = holdTopics(identity, [], named.length > 0 ? named : defaultTopics(identity));
    const { sql } = this.ctx.storage;
    const cursor = findCursor(sql, identity.device_id);
    const resume = decideResume(logState(sql), cursor, hello.last, granted);
    if (!resume.ok) return this.end(ws, CLOSE.positionLost, resume.reason);
    const { sent, scanned, gap } = resume;
    const topics = topicsSince(cursor, granted, scanned);
    putCursor(sql, session, { device: identity.device_id, identity, topics, acked: sent, upto: scanned });
    const credit = hello.credit ?? HUB_DEFAULT_CREDIT;
    this.keep(ws, greet(connection, { topics: granted, credit, sent, scanned }));
    if (named.length > 0) this.send(ws, { type: "topics", granted, refused });
    if (gap) ws.send(gapFrame(gap.from, gap.to));
    await this.armBy(this.pump(ws));
  }

  private async onAck(ws: WebSocket, connection: Connection, upto: number): Promise<void> {
    const answer = acknowledge(connection, upto);
    if (!answer.ok) return this.end(ws, CLOSE.badFrame, answer.reason);
    this.keep(ws, answer.connection);
    this.settle(ws);
    await this.armBy(this.pump(ws));
  }

  private onTopics(ws: WebSocket, connection: Connection, kind: "subscribe" | "unsubscribe", names: string[]): void {
    const { identity, session, scanned } = connection;
    const { granted, refused } =
      kind === "subscribe"
        ? holdTopics(identity, connection.topics, names)
        : { granted: connection.topics.filter((topic) => !names.includes(topic)), refused: [] };
    this.keep(ws, { ...connection, topics: granted });
    const { sql } = this.ctx.storage;
    const cursor = findCursor(sql, identity.device_id);
    if (cursor) {
      const topics = Object.fromEntries(granted.map((topic) => [topic, cursor.topics[topic] ?? scanned]));
      putCursor(sql, session, { ...cursor, topics });
    }
    this.send(ws, { type: "topics", granted, refused });
  }

  private async onCommand(ws: WebSocket, identity: HubIdentity, frame: CommandFrame): Promise<void> {
    let result: ResultFrame;
    try {
      result = await this.handleCommand(identity, frame);
    } catch (error) {
      log("error", "hub.command_failed", { device: identity.device_id, id: frame.id, error: messageOf(error) });
      result = { type: "result", id: frame.id, status: "failed", code: "INTERNAL", reason: "send it again" };
    }
    if (ws.readyState === OPEN) this.send(ws, result);
  }

  /** Closes what is due, sweeps the log; returns when to look again, or null when nothing waits. */
  private keepHouse(): number | null {
    const now = this.now();
    const { sql } = this.ctx.storage;
    const due: number[] = [];
    for (const ws of this.openSockets()) {
      const connection = this.connectionOf(ws);
      if (connection === null) continue;
      const code = closeDue(connection, this.silenceOf(ws, connection), LIMITS, now);
      if (code === null) due.push(nextLook(connection, LIMITS), now + HUB_REAP_MS);
      else this.end(ws, code, "see the close code");
    }
    const sweep = sweepDue(sql, HUB_RETENTION_MS, HUB_SWEEP_MS);
    if (sweep !== null && sweep <= now) {
      this.ctx.storage.transactionSync(() => sweepLog(sql, now - HUB_RETENTION_MS, now));
    }
    const next = sweepDue(sql, HUB_RETENTION_MS, HUB_SWEEP_MS);
    if (next !== null) due.push(next);
    return due.length === 0 ? null : due.reduce((a, b) => Math.min(a, b));
  }
}
