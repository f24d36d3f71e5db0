import { describe, it } from "vitest";
import {
  answerableCloseCode,
  CLOSE,
  closePolicyOf,
  closeReason,
  parseClientFrame,
  parseServerFrame,
} from "../../../src/domain/hub/frames.ts";

const MAX = 64 * 1024;
const HELLO = { type: "hello", device_type: "truck", client: "test/1", version: 1 };

function codeOf(message: string | ArrayBuffer): number | undefined {
  const parsed = parseClientFrame(message, MAX);
  return parsed.ok ? undefined : parsed.code;
}

describe("a client's frame", () => {
  it("is taken with fields that this version doesn't know", ({ expect }) => {
    const parsed = parseClientFrame(JSON.stringify({ ...HELLO, colour: "red" }), MAX);
    expect(parsed).toEqual({ ok: true, frame: HELLO });
  });

  it.for([
    ["text that isn't JSON", "{"],
    ["JSON that is no object", "17"],
    ["an unknown kind", '{"type":"shout"}'],
    ["an ack of a fraction", '{"type":"ack","upto":1.5}'],
    ["an ack of a negative number", '{"type":"ack","upto":-1}'],
    ["a hello without a client", '{"type":"hello","device_type":"truck","version":1}'],
    ["a position without an epoch", JSON.stringify({ ...HELLO, last: { seq: 4 } })],
    ["a command without an id", '{"type":"command","command":"UpdateInventory","data":{}}'],
  ] as const)("is refused as a bad frame: %s", ([, text], { expect }) => {
    expect(codeOf(text)).toBe(CLOSE.badFrame);
  });

  it("is refused when it is binary", ({ expect }) => {
    expect(codeOf(new ArrayBuffer(4))).toBe(CLOSE.badFrame);
  });

  it("is measured in bytes before it is parsed", ({ expect }) => {
    const broken = (n: number) => "{".repeat(n);
    expect(codeOf(broken(MAX))).toBe(CLOSE.badFrame);
    expect(codeOf(broken(MAX + 1))).toBe(CLOSE.tooBig);
    expect(codeOf("ü".repeat(MAX / 2 + 1))).toBe(CLOSE.tooBig);
    expect(codeOf(new ArrayBuffer(MAX + 1))).toBe(CLOSE.tooBig);
  });

  it("of another protocol version gets its own close code", ({ expect }) => {
    expect(codeOf(JSON.stringify({ ...HELLO, version: 2 }))).toBe(CLOSE.version);
  });
});

describe("a server's frame", () => {
  it("is one of those that a client can rely on", ({ expect }) => {
    const events = { type: "events", prev: 3, batch: [{ seq: 5, event: { id: "evt_1" } }] };
    expect(parseServerFrame(JSON.stringify(events), MAX)).toEqual({ ok: true, frame: events });
    expect(parseServerFrame('{"type":"events","prev":3,"batch":[]}', MAX).ok).toBe(false);
  });
});

describe("close codes", () => {
  it("carry their policy", ({ expect }) => {
    const by = (policy: string) => Object.values(CLOSE).filter((code) => closePolicyOf(code) === policy);
    expect(by("reconnect")).toEqual([4001, 4002, 4008, 4009, 4012, 4029]);
    expect(by("new-token")).toEqual([4101, 4102]);
    expect(by("final")).toEqual([4400, 4401, 4403, 4408, 4409, 4413, 4426]);
    for (const code of [1000, 1001, 1005, 1006, 1011, 1012]) expect(closePolicyOf(code)).toBe("reconnect");
  });

  it("that never travel are answered by 1000", ({ expect }) => {
    expect([1005, 1006, 1015, 1001, 0].map(answerableCloseCode)).toEqual([1000, 1000, 1000, 1000, 1000]);
    expect([1000, 3000, 4001].map(answerableCloseCode)).toEqual([1000, 3000, 4001]);
  });

  it("come with a reason that fits a control frame", ({ expect }) => {
    expect(new TextEncoder().encode(closeReason("ü\n".repeat(200))).byteLength).toBeLessThanOrEqual(123);
  });
});
