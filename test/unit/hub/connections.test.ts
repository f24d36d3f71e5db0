import * as fc from "fast-check";
import { describe, it } from "vitest";
import {
  acknowledge,
  closeDue,
  greet,
  holdTopics,
  MAX_TOPICS,
  nextLook,
  openConnection,
  planFrames,
  settledUpTo,
  unackedOf,
  type Connection,
  type LogRow,
} from "../../../src/domain/hub/connections.ts";
import type { HubIdentity } from "../../../src/domain/hub/routing.ts";

const IDENTITY: HubIdentity = {
  device_id: "truck-001",
  device_type: "truck",
  region: "north",
  role: "device",
  credential_version: 1,
};
const LIMITS = {
  frameBytes: 64 * 1024,
  windowBytes: 256 * 1024,
  helloMs: 10_000,
  fullMs: 30_000,
  lifeMs: 86_400_000,
  silentMs: 120_000,
};

function live(credit = 512, at = 0): Connection {
  const topics = ["device:truck-001", "region:north"];
  return greet(openConnection("s", IDENTITY, 0), { topics, credit, sent: at, scanned: at });
}

function row(seq: number, size = 100, topics: readonly string[] = ["region:north"]): LogRow {
  const event = JSON.stringify({ id: `evt_${seq}`, pad: "x".repeat(size) });
  return { seq, type: "StatusChanged", topics, event, bytes: event.length };
}

const rows = (from: number, to: number, size?: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => row(from + i, size));

interface Events {
  type: string;
  prev: number;
  batch: { seq: number }[];
}
const parsed = (frames: readonly string[]) => frames.map((frame) => JSON.parse(frame) as Events);
const seqs = (frames: readonly string[]) => parsed(frames).flatMap((frame) => frame.batch.map((item) => item.seq));

describe("the window", () => {
  it("sends nothing before hello", ({ expect }) => {
    expect(planFrames(openConnection("s", IDENTITY, 0), rows(1, 3), LIMITS, 0).frames).toEqual([]);
  });

  it("names in prev the last seq sent to this device, whatever was for others in between", ({ expect }) => {
    const first = planFrames(live(), [row(1), row(2, 1, ["region:south"]), row(3)], LIMITS, 0);
    const second = planFrames(first.connection, [row(4, 1, ["region:south"]), row(5)], LIMITS, 0);
    expect(parsed(first.frames)).toMatchObject([{ prev: 0, batch: [{ seq: 1 }, { seq: 3 }] }]);
    expect(parsed(second.frames)).toMatchObject([{ prev: 3, batch: [{ seq: 5 }] }]);
    expect(second.connection).toMatchObject({ sent: 5, scanned: 5 });
  });

  it("stops at the client's credit and goes on after an acknowledgement", ({ expect }) => {
    const first = planFrames(live(3), rows(1, 10), LIMITS, 1_000);
    expect(seqs(first.frames)).toEqual([1, 2, 3]);
    expect(first.connection).toMatchObject({ scanned: 3, fullSince: 1_000 });
    const acked = acknowledge(first.connection, 2);
    if (!acked.ok) throw new Error(acked.reason);
    expect(acked.connection.fullSince).toBeNull();
    const second = planFrames(acked.connection, rows(4, 10), LIMITS, 2_000);
    expect(seqs(second.frames)).toEqual([4, 5]);
    expect(parsed(second.frames)[0]?.prev).toBe(3);
  });

  it("never has more than 256 KiB in flight, in frames of at most 64 KiB", ({ expect }) => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 64_000 }), { maxLength: 60 }), (sizes) => {
        const log = sizes.map((size, i) => row(i + 1, size));
        const { connection, frames } = planFrames(live(), log, LIMITS, 0);
        expect(unackedOf(connection).bytes).toBeLessThanOrEqual(LIMITS.windowBytes);
        for (const frame of frames) expect(frame.length).toBeLessThanOrEqual(LIMITS.frameBytes);
        expect(frames.join("").length).toBeLessThanOrEqual(LIMITS.windowBytes + frames.length * 64);
        if (seqs(frames).length < log.length) expect(connection.fullSince).toBe(0);
      }),
    );
  });

  it("delivers every matching event once and in order, however the client acknowledges", ({ expect }) => {
    const plan = fc.record({
      credit: fc.integer({ min: 1, max: 200 }),
      mine: fc.array(fc.boolean(), { minLength: 1, maxLength: 300 }),
      acks: fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
    });
    fc.assert(
      fc.property(plan, ({ credit, mine, acks }) => {
        const log = mine.map((isMine, i) => row(i + 1, 10, isMine ? ["region:north"] : ["region:south"]));
        let connection = live(credit);
        const got: number[] = [];
        for (let round = 0; connection.scanned < log.length && round < 5_000; round++) {
          const planned = planFrames(connection, log.slice(connection.scanned), LIMITS, 0);
          for (const frame of parsed(planned.frames)) {
            expect(frame.prev).toBe(got.at(-1) ?? 0);
            got.push(...frame.batch.map((item) => item.seq));
          }
          connection = planned.connection;
          expect(unackedOf(connection).events).toBeLessThanOrEqual(credit);
          const unacked = got.filter((seq) => seq > connection.acked);
          const upto = unacked[Math.floor((acks.next().value as number) * unacked.length)] ?? got.at(-1) ?? 0;
          const acked = acknowledge(connection, round % 7 === 6 ? connection.sent : upto);
          if (!acked.ok) throw new Error(acked.reason);
          connection = acked.connection;
        }
        expect(got).toEqual(log.filter((_, i) => mine[i]).map((item) => item.seq));
      }),
      { numRuns: 60 },
    );
  });

  it("turns an event that no frame can carry into a gap and goes on", ({ expect }) => {
    const { frames, connection } = planFrames(live(), [row(1), row(2, 70_000), row(3)], LIMITS, 0);
    expect(parsed(frames)).toMatchObject([
      { type: "events", prev: 0, batch: [{ seq: 1 }] },
      { type: "gap", from: 2, to: 2 },
      { type: "events", prev: 2, batch: [{ seq: 3 }] },
    ]);
    expect(connection.sent).toBe(3);
  });

  it("fits its attachment with every topic and a window of thousands of events", ({ expect }) => {
    const wanted = Array.from({ length: MAX_TOPICS + 5 }, (_, i) => `request:${i}${"r".repeat(197)}`);
    const { granted, refused } = holdTopics(IDENTITY, [], wanted);
    expect(granted).toHaveLength(MAX_TOPICS);
    expect(refused).toHaveLength(5);
    const connection = { ...live(10_000), topics: [...granted.slice(1), "region:north"] };
    const planned = planFrames(connection, rows(1, 5_000, 1), LIMITS, 0).connection;
    expect(unackedOf(planned).events).toBeGreaterThan(3_000);
    expect(JSON.stringify(planned).length).toBeLessThan(16_384);
  });
});

describe("an acknowledgement", () => {
  it("is cumulative, and repeats change nothing", ({ expect }) => {
    const { connection } = planFrames(live(), rows(1, 4), LIMITS, 0);
    const acked = acknowledge(connection, 3);
    if (!acked.ok) throw new Error(acked.reason);
    expect(unackedOf(acked.connection).events).toBe(1);
    expect(acknowledge(acked.connection, 3)).toEqual(acked);
    expect(acknowledge(acked.connection, 1)).toEqual(acked);
  });

  it("of what was never sent is refused", ({ expect }) => {
    const { connection } = planFrames(live(2), rows(1, 4), LIMITS, 0);
    expect(acknowledge(connection, 3).ok).toBe(false);
  });

  it("of everything settles also what wasn't for the device", ({ expect }) => {
    const { connection } = planFrames(live(), [row(1), row(2, 1, ["region:south"])], LIMITS, 0);
    expect(settledUpTo(connection)).toBe(0);
    const acked = acknowledge(connection, 1);
    if (!acked.ok) throw new Error(acked.reason);
    expect(settledUpTo(acked.connection)).toBe(2);
  });
});

describe("a close", () => {
  const silent = { ...openConnection("s", IDENTITY, 0) };
  const full = { ...live(), fullSince: 5_000 };
  it.for([
    ["no hello, just in time", silent, 0, 9_999, null],
    ["no hello within 10 s", silent, 0, 10_000, 4408],
    ["a window full for less than 30 s", full, 0, 34_999, null],
    ["a window full for 30 s", full, 0, 35_000, 4008],
    ["no sign for two minutes", live(), 120_000, 200_000, 4012],
    ["a day old", live(), 0, 86_400_000, 4001],
    ["well", live(), 10, 200_000, null],
  ] as const)("%s", ([, connection, silence, now, code], { expect }) => {
    expect(closeDue(connection, silence, LIMITS, now)).toBe(code);
  });

  it("is looked for when the first of them is due", ({ expect }) => {
    expect(nextLook(silent, LIMITS)).toBe(10_000);
    expect(nextLook(full, LIMITS)).toBe(35_000);
    expect(nextLook(live(), LIMITS)).toBe(86_400_000);
  });
});
