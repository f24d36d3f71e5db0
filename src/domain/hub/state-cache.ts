/**
 * The connected clients of a hub, built from its sockets' attachments: there is no second copy that could be out of
 * date, and nothing to rebuild after hibernation.
 */
import { unackedOf, type Connection } from "./connections.ts";

export interface ConnectedClient {
  readonly device_type: "truck" | "warehouse" | "person";
  /** ISO 8601. */
  readonly connected_at: string;
  /** The last frame or ping, ISO 8601. */
  readonly last_seen: string;
  readonly region: string | null;
  /** Events sent and not yet acknowledged. */
  readonly unacked: number;
}

export interface OpenSocket {
  readonly connection: Connection;
  /** The last ping, ms since the epoch: answered by the runtime, so the connection itself doesn't know. */
  readonly lastPing: number | null;
}

/** `iso` turns ms since the epoch into ISO text. Of two sockets of a device (one closing) the newer counts. */
export function connectedClients(
  sockets: readonly OpenSocket[],
  iso: (ms: number) => string,
): Record<string, ConnectedClient> {
  const newest = new Map<string, OpenSocket>();
  for (const socket of sockets) {
    const id = socket.connection.identity.device_id;
    const known = newest.get(id);
    if (!known || known.connection.connectedAt <= socket.connection.connectedAt) newest.set(id, socket);
  }
  return Object.fromEntries(
    [...newest].map(([id, { connection, lastPing }]) => [
      id,
      {
        device_type: connection.identity.device_type,
        connected_at: iso(connection.connectedAt),
        last_seen: iso(Math.max(connection.lastSeen, lastPing ?? 0)),
        region: connection.identity.region,
        unacked: unackedOf(connection).events,
      },
    ]),
  );
}
