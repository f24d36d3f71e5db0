/** Sockets that hear from now on, and what a test asks of one: is it worked off, closed, unbroken? */
import { as, until } from "./harness.ts";
import { openSocket, type TestSocket } from "./socket.ts";

/** Waits until the hub has worked off all that the socket sent before. */
export async function settled(socket: TestSocket): Promise<void> {
  const answers = () => socket.frames.filter(({ type }) => type === "topics").length;
  const before = answers();
  socket.send({ type: "subscribe", topics: [] });
  await until("the hub answers", async () => answers() > before);
}

/** A device's position as it stands now: what it says hello with, to hear what comes and nothing older. */
export async function positionOf(subject: string): Promise<{ epoch: string; seq: number }> {
  const { epoch, seq } = (await as(subject, "GET", "/api/snapshot")).body;
  return { epoch, seq };
}

export async function live(
  subject: string,
  options: { hello?: object; acknowledge?: boolean } = {},
): Promise<TestSocket> {
  const socket = await openSocket(subject, {
    ...options,
    hello: { last: await positionOf(subject), ...options.hello },
  });
  await settled(socket);
  return socket;
}

export async function closeCode(socket: TestSocket): Promise<number> {
  return (await until("the socket is closed", async () => socket.closed[0])).code;
}

export const idsOf = (socket: TestSocket) => socket.events.map(({ event }) => event.id as string);

/** Each frame's `prev` is the seq before it, so the device knows that it has missed nothing. */
export function isUnbroken(socket: TestSocket, from: number): boolean {
  let last = from;
  return socket.frames
    .filter(({ type }) => type === "events")
    .every(({ prev, batch }) => {
      const fits = prev === last;
      last = batch.at(-1).seq;
      return fits;
    });
}
