import { describe, it } from "vitest";
import {
  canResume,
  decideResume,
  receiptOf,
  topicsSince,
  type Cursor,
  type LogState,
} from "../../../src/domain/hub/cursors.ts";

const LOG: LogState = { epoch: "e1", head: 100, floor: 40 };
const TOPICS = ["region:north"];

function cursor(part: Partial<Cursor>): Cursor {
  return {
    device: "truck-001",
    identity: { device_id: "truck-001", device_type: "truck", region: "north", role: "device", credential_version: 1 },
    topics: { "region:north": 0 },
    acked: 60,
    upto: 60,
    ...part,
  };
}

describe("resume", () => {
  it.for([
    ["the client's position", null, { epoch: "e1", seq: 70 }, { ok: true, sent: 70, scanned: 70, gap: null }],
    ["the head", null, { epoch: "e1", seq: 100 }, { ok: true, sent: 100, scanned: 100, gap: null }],
    ["the last seq that was dropped", null, { epoch: "e1", seq: 40 }, { ok: true, sent: 40, scanned: 40, gap: null }],
    ["the position of a client that fell back", cursor({}), { epoch: "e1", seq: 45 }, { ok: true, sent: 45 }],
    ["another epoch", cursor({}), { epoch: "e0", seq: 70 }, { ok: false }],
    ["what is ahead of the log", cursor({}), { epoch: "e1", seq: 101 }, { ok: false }],
    ["what retention dropped", cursor({}), { epoch: "e1", seq: 39 }, { ok: false }],
    ["the stored cursor", cursor({}), undefined, { ok: true, sent: 60, scanned: 60, gap: null }],
    ["a cursor behind retention", cursor({ upto: 10 }), undefined, { ok: true, sent: 40, gap: { from: 11, to: 40 } }],
    ["nothing: a new device", null, undefined, { ok: true, sent: 100, scanned: 100, gap: null }],
  ] as const)("from %s", ([, stored, last, expected], { expect }) => {
    expect(decideResume(LOG, stored, last, TOPICS)).toMatchObject(expected);
  });

  it("loses nothing on a topic that was quiet for longer than retention", ({ expect }) => {
    const quiet = cursor({ acked: 20, upto: 80 });
    const last = { epoch: "e1", seq: 20 };
    expect(decideResume(LOG, quiet, last, TOPICS)).toEqual({ ok: true, sent: 20, scanned: 80, gap: null });
    expect(decideResume(LOG, quiet, last, ["sku:BRK-1"]).ok).toBe(false);
    expect(decideResume(LOG, quiet, { epoch: "e1", seq: 19 }, TOPICS).ok).toBe(false);
  });

  it("is promised in welcome only when the stored cursor is inside the log", ({ expect }) => {
    expect(canResume(null, LOG)).toBe(false);
    expect(canResume(cursor({ upto: 39 }), LOG)).toBe(false);
    expect(canResume(cursor({ upto: 40 }), LOG)).toBe(true);
  });
});

describe("a receipt", () => {
  const event = (seq: number) => ({ seq, type: "StatusChanged", topics: ["all", "region:north", "sku:BRK-1"] });

  it("says whether the device has acknowledged", ({ expect }) => {
    expect(receiptOf(cursor({}), event(60))).toEqual({ device: "truck-001", acknowledged: true });
    expect(receiptOf(cursor({}), event(61))).toEqual({ device: "truck-001", acknowledged: false });
  });

  it("is not given for what wasn't for the device, or came before it listened", ({ expect }) => {
    expect(receiptOf(cursor({ topics: { "sku:OTHER": 0 } }), event(50))).toBeNull();
    expect(receiptOf(cursor({ topics: { "sku:BRK-1": 55 } }), event(50))).toBeNull();
    expect(receiptOf(cursor({ topics: { "sku:BRK-1": 55 } }), event(56))).not.toBeNull();
  });

  it("is not claimed for what a snapshot skipped", ({ expect }) => {
    expect(topicsSince(cursor({}), ["region:north", "sku:BRK-1"], 50)).toEqual({ "region:north": 0, "sku:BRK-1": 50 });
    expect(topicsSince(cursor({}), ["region:north"], 90)).toEqual({ "region:north": 90 });
    expect(topicsSince(null, ["region:north"], 90)).toEqual({ "region:north": 90 });
  });
});
