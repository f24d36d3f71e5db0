import { it } from "vitest";
import { greet, openConnection, planFrames } from "../../../src/domain/hub/connections.ts";
import { connectedClients } from "../../../src/domain/hub/state-cache.ts";
import type { HubIdentity } from "../../../src/domain/hub/routing.ts";

const iso = (ms: number) => new Date(ms).toISOString();
const IDENTITY: HubIdentity = {
  device_id: "truck-001",
  device_type: "truck",
  region: "north",
  role: "device",
  credential_version: 1,
};

it("lists the connected clients by device, with the events that wait for an acknowledgement", ({ expect }) => {
  const topics = ["region:north"];
  const connection = greet(openConnection("s", IDENTITY, 1_000), { topics, credit: 9, sent: 0, scanned: 0 });
  const event = { seq: 1, type: "StatusChanged", topics, event: "{}", bytes: 2 };
  const busy = planFrames(connection, [event], { frameBytes: 1_000, windowBytes: 1_000 }, 0).connection;
  expect(connectedClients([{ connection: busy, lastPing: null }], iso)).toEqual({
    "truck-001": {
      device_type: "truck",
      connected_at: "1970-01-01T00:00:01.000Z",
      last_seen: "1970-01-01T00:00:01.000Z",
      region: "north",
      unacked: 1,
    },
  });
});

it("takes a ping for a sign of life and the newer of two sockets of a device", ({ expect }) => {
  const older = { connection: openConnection("a", IDENTITY, 1_000), lastPing: 9_000 };
  const newer = { connection: openConnection("b", IDENTITY, 2_000), lastPing: 5_000 };
  for (const sockets of [
    [older, newer],
    [newer, older],
  ]) {
    expect(connectedClients(sockets, iso)["truck-001"]).toMatchObject({
      connected_at: "1970-01-01T00:00:02.000Z",
      last_seen: "1970-01-01T00:00:05.000Z",
    });
  }
});
