import { describe, it } from "vitest";
import {
  closed,
  deviceState,
  handled,
  opened,
  placed,
  positionAt,
  received,
  reconnectDelayMs,
  SUBPROTOCOL,
  type DeviceState,
  type Position,
  type Step,
} from "../../sdk/device/connection.ts";
import * as server from "../../src/domain/hub/frames.ts";

const OPTIONS = { deviceType: "truck", client: "test/1" } as const;
const WELCOME = JSON.stringify({
  type: "welcome",
  session: "s",
  epoch: "e1",
  seq: 9,
  ping_s: 25,
  max_bytes: 65_536,
  resume: "full",
  version: 1,
});

function events(prev: number, ...batch: [number, string][]): string {
  const items = batch.map(([seq, id]) => ({ seq, event: { id, type: "StatusChanged" } }));
  return JSON.stringify({ type: "events", prev, batch: items });
}

/** A client that has said hello. */
function live(position: Position | null = null): DeviceState {
  return received(opened(deviceState(OPTIONS, position)), WELCOME).state;
}

/** Carries the steps out as a shell would; the application notes what it is handed. */
function work(state: DeviceState, text: string, log: string[]): DeviceState {
  const answer = received(state, text);
  let current = answer.state;
  for (const step of answer.steps) {
    if (step.do === "handle") log.push(step.event.id);
    if (step.do === "handle" || step.do === "skip") current = handled(current, step.seq, step.event.id);
    if (step.do === "send") log.push(step.text);
  }
  return current;
}

const kinds = (steps: readonly Step[]) => steps.map((step) => step.do);

describe("hello", () => {
  it("answers welcome with the position, in a frame that the hub takes", ({ expect }) => {
    const state = deviceState({ ...OPTIONS, topics: ["sku:A"], credit: 64 }, { epoch: "e1", seq: 7 });
    const [hello, heartbeat] = received(opened(state), WELCOME).steps;
    if (hello?.do !== "send") throw new Error("no hello");
    expect(server.parseClientFrame(hello.text, 65_536)).toEqual({
      ok: true,
      frame: {
        type: "hello",
        device_type: "truck",
        last: { epoch: "e1", seq: 7 },
        topics: ["sku:A"],
        credit: 64,
        client: "test/1",
        version: 1,
      },
    });
    expect(heartbeat).toEqual({ do: "heartbeat", everyMs: 25_000 });
    expect(SUBPROTOCOL).toBe(server.SUBPROTOCOL);
  });

  it("of a new device names no position", ({ expect }) => {
    const [hello] = received(opened(deviceState(OPTIONS, null)), WELCOME).steps;
    expect(hello?.do === "send" && "last" in JSON.parse(hello.text)).toBe(false);
  });
});

describe("events", () => {
  it("are handled in order and acknowledged after the last handler has returned", ({ expect }) => {
    const log: string[] = [];
    const state = work(live(), events(3, [4, "a"], [6, "b"]), log);
    expect(log).toEqual(["a", "b", '{"type":"ack","upto":6}']);
    expect(state.position).toEqual({ epoch: "e1", seq: 6 });
  });

  it("that weren't handled don't move the position: the next connection asks for them again", ({ expect }) => {
    const { state } = received(live({ epoch: "e1", seq: 3 }), events(3, [4, "a"]));
    expect(state.position).toEqual({ epoch: "e1", seq: 3 });
    const [hello] = received(opened(state), WELCOME).steps;
    expect(hello?.do === "send" && hello.text).toContain('"last":{"epoch":"e1","seq":3}');
  });

  it("that come twice are handled once and acknowledged", ({ expect }) => {
    const log: string[] = [];
    const first = work(live(), events(3, [4, "a"]), log);
    const again = received(opened(first), WELCOME).state;
    work({ ...again, received: null }, events(3, [4, "a"], [5, "b"], [6, "b"]), log);
    expect(log).toEqual(["a", '{"type":"ack","upto":4}', "b", '{"type":"ack","upto":6}']);
  });

  it("after a hole are not handled: the client closes with a code that lets it resume", ({ expect }) => {
    const state = work(live(), events(3, [4, "a"]), []);
    const { steps } = received(state, events(7, [8, "b"]));
    expect(kinds(steps)).toEqual(["close"]);
    const code = steps[0]?.do === "close" ? steps[0].code : 0;
    expect(server.closePolicyOf(code)).toBe("reconnect");
  });

  it("on the first connection may begin anywhere, but must follow a stated position", ({ expect }) => {
    expect(kinds(received(live(), events(41, [42, "a"])).steps)).toContain("handle");
    expect(kinds(received(live({ epoch: "e1", seq: 7 }), events(41, [42, "a"])).steps)).toEqual(["close"]);
  });

  it("remember only the last thousand ids", ({ expect }) => {
    let state = live();
    for (let i = 0; i < 1_100; i++) state = handled(state, i, `evt_${i}`);
    expect(state.seen.size).toBe(1_000);
    expect(state.seen.has("evt_99")).toBe(false);
    expect(state.seen.has("evt_1099")).toBe(true);
  });
});

describe("other frames", () => {
  it("tell a gap, after which events go on", ({ expect }) => {
    const start = live({ epoch: "e1", seq: 3 });
    const gap = received(start, '{"type":"gap","from":4,"to":40}');
    expect(gap.steps).toEqual([{ do: "gap", from: 4, to: 40 }]);
    const state = placed(gap.state, positionAt(gap.state, 40));
    expect(state.position).toEqual({ epoch: "e1", seq: 40 });
    expect(kinds(received(state, events(40, [41, "a"])).steps)).toEqual(["handle", "send"]);
  });

  it("ask to leave, tell a result, or are passed over", ({ expect }) => {
    const drain = received(live(), '{"type":"drain","reconnect_in_ms":500,"jitter_ms":200}');
    expect(drain.steps).toEqual([{ do: "leave", afterMs: 500, jitterMs: 200 }]);
    expect(kinds(received(live(), '{"type":"result","id":"c1","status":"accepted"}').steps)).toEqual(["tell"]);
    expect(received(live(), '{"type":"of the next release"}').steps).toEqual([]);
    expect(received(live(), "pong").steps).toEqual([]);
  });
});

describe("after a close", () => {
  it("obeys the policy of every code of the hub", ({ expect }) => {
    for (const code of [...Object.values(server.CLOSE), 1000, 1001, 1006, 1011, 1012]) {
      const { next } = closed(live(), code, 0);
      const policy = next.do === "stop" ? "final" : next.newToken ? "new-token" : "reconnect";
      expect([code, policy]).toEqual([code, server.closePolicyOf(code)]);
    }
  });

  it("takes the snapshot when the position was lost", ({ expect }) => {
    expect(closed(live(), server.CLOSE.positionLost, 0).next).toMatchObject({ do: "reconnect", snapshot: true });
    expect(closed(live(), server.CLOSE.slow, 0).next).toMatchObject({ do: "reconnect", snapshot: false });
  });

  it("counts failures in a row and forgives them after 30 s stable", ({ expect }) => {
    const first = closed(live(), 1006, 0);
    const second = closed(first.state, 1006, 29_999);
    const third = closed(second.state, 1006, 30_000);
    expect([first, second, third].map(({ next }) => next.do === "reconnect" && next.attempt)).toEqual([0, 1, 0]);
  });

  it("waits with full jitter, the first try too, for at most 30 s", ({ expect }) => {
    expect([0, 1, 2, 5, 6, 60].map((attempt) => reconnectDelayMs(attempt, 0.999_999))).toEqual([
      499, 999, 1_999, 15_999, 29_999, 29_999,
    ]);
    expect(reconnectDelayMs(4, 0)).toBe(0);
    expect(reconnectDelayMs(0, 0.5)).toBe(250);
  });
});
