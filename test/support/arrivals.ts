/** When events come to a device: a socket that does nothing but note the moment, so that nothing else is measured. */
import { call, tokenOf } from "./harness.ts";
import { positionOf } from "./live-socket.ts";

/** Events of stock that a device hears, by their id, with the moment in which they came. Nothing is asked for in between. */
export async function arrivalsAt(subject: string) {
  const arrivals = new Map<string, { committed: number; arrived: number }>();
  const answer = await call("/ws", {
    headers: {
      upgrade: "websocket",
      "sec-websocket-protocol": "waybill.v1",
      authorization: `Bearer ${await tokenOf(subject)}`,
    },
  });
  const socket = answer.webSocket;
  if (!socket) throw new Error("no socket");
  socket.accept();
  const last = await positionOf(subject);
  socket.addEventListener("message", ({ data }) => {
    const arrived = Date.now();
    const frame = JSON.parse(String(data)) as {
      type: string;
      batch: { seq: number; event: { id: string; type: string; time: string } }[];
    };
    if (frame.type !== "events") return;
    for (const { event } of frame.batch) {
      if (event.type === "InventoryUpdated") arrivals.set(event.id, { committed: Date.parse(event.time), arrived });
    }
    socket.send(JSON.stringify({ type: "ack", upto: frame.batch.at(-1)?.seq }));
  });
  socket.send(JSON.stringify({ type: "hello", device_type: "truck", client: "test", version: 1, last }));
  return { arrivals, close: () => socket.close() };
}
