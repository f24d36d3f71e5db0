/** A device with the SDK's own logic on a real socket of the hub: its connection and its queue of commands. */
import * as sdk from "../../sdk/device/connection.ts";
import { openCommandQueue, type Answer, type CommandStore, type KeptCommand } from "../../sdk/device/command-queue.ts";
import { call, tokenOf } from "./harness.ts";
import { testClock } from "./world.ts";

export interface Device {
  readonly queue: Awaited<ReturnType<typeof openCommandQueue>>;
  /** Each end that the application was told, in the order told. */
  readonly ends: { readonly command: KeptCommand; readonly answer: Answer }[];
  /** Opens a socket; the commands that wait are sent once hello is said. Returns how to cut it. */
  connect(options?: { dropResults?: boolean }): Promise<{ cut: () => void; results: () => number }>;
}

export async function deviceOf(
  subject: string,
  deviceType: "truck" | "warehouse",
  store?: CommandStore,
): Promise<Device> {
  const ends: { command: KeptCommand; answer: Answer }[] = [];
  const queue = await openCommandQueue({
    ...(store ? { store } : {}),
    now: testClock.now,
    newId: () => crypto.randomUUID(),
    answered: (command, answer) => void ends.push({ command, answer }),
  });
  let state = sdk.deviceState({ deviceType, client: "test/1" }, null);

  return {
    queue,
    ends,
    connect: async ({ dropResults = false } = {}) => {
      const answer = await call("/ws", {
        headers: {
          upgrade: "websocket",
          "sec-websocket-protocol": sdk.SUBPROTOCOL,
          authorization: `Bearer ${await tokenOf(subject)}`,
        },
      });
      const { webSocket } = answer;
      if (!webSocket) throw new Error(`no socket for ${subject}: ${answer.status}`);
      webSocket.accept();
      let isCut = false;
      let results = 0;
      state = sdk.opened(state);
      webSocket.addEventListener("message", ({ data }) => {
        if (isCut) return;
        const after = sdk.received(state, String(data));
        ({ state } = after);
        for (const step of after.steps) {
          if (step.do === "send") webSocket.send(step.text);
          if (step.do === "handle") queue.heard(step.event);
          if (step.do === "handle" || step.do === "skip") state = sdk.handled(state, step.seq, step.event.id);
          if (step.do === "heartbeat") queue.connected((text) => webSocket.send(text));
          if (step.do === "tell") {
            results++;
            if (!dropResults) void queue.received(step.frame);
          }
        }
      });
      const cut = () => {
        isCut = true;
        queue.disconnected();
        state = sdk.closed(state, 1006, 0).state;
        webSocket.close(1000, "cut");
      };
      return { cut, results: () => results };
    },
  };
}
