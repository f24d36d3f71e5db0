/** A device's socket as a test holds it: connects through the front door, says hello, keeps every frame, acknowledges. */
import { call, tokenOf, until } from "./harness.ts";

// eslint-disable-next-line -- frames are JSON that each test asserts
type Frame = any;

export interface TestSocket {
  readonly frames: Frame[];
  readonly events: { seq: number; event: Frame }[];
  readonly closed: { code: number; reason: string }[];
  send(frame: object | string): void;
  close(): void;
  /** The first event that fits, when it comes. */
  event(what: string, fits: (event: Frame) => boolean): Promise<Frame>;
  frame(type: string): Promise<Frame>;
}

export async function openSocket(
  subject: string,
  options: { hello?: object | null; acknowledge?: boolean; query?: string } = {},
): Promise<TestSocket> {
  const answer = await call(`/ws${options.query ?? ""}`, {
    headers: {
      upgrade: "websocket",
      "sec-websocket-protocol": "waybill.v1",
      authorization: `Bearer ${await tokenOf(subject)}`,
    },
  });
  const { webSocket } = answer;
  if (!webSocket) throw new Error(`no socket for ${subject}: ${answer.status} ${await answer.text()}`);
  webSocket.accept();
  const frames: Frame[] = [];
  const events: { seq: number; event: Frame }[] = [];
  const closed: { code: number; reason: string }[] = [];
  webSocket.addEventListener("message", ({ data }) => {
    if (data === "pong") return void frames.push({ type: "pong" });
    const frame = JSON.parse(String(data));
    frames.push(frame);
    if (frame.type !== "events") return;
    events.push(...frame.batch);
    if (options.acknowledge !== false) webSocket.send(JSON.stringify({ type: "ack", upto: frame.batch.at(-1).seq }));
  });
  webSocket.addEventListener("close", ({ code, reason }) => void closed.push({ code, reason }));
  const hello = options.hello === undefined ? {} : options.hello;
  if (hello !== null) {
    webSocket.send(JSON.stringify({ type: "hello", device_type: "truck", client: "test", version: 1, ...hello }));
  }
  return {
    frames,
    events,
    closed,
    send: (frame) => webSocket.send(typeof frame === "string" ? frame : JSON.stringify(frame)),
    close: () => webSocket.close(1000, "done"),
    event: async (what, fits) =>
      (await until(`${subject} hears ${what}`, async () => events.find(({ event }) => fits(event)))).event,
    frame: (type) => until(`${subject} gets a ${type} frame`, async () => frames.find((frame) => frame.type === type)),
  };
}
