import { describe, it } from "vitest";
import { memoryStore, openCommandQueue, type CommandStore } from "../../sdk/device/command-queue.ts";
import { parseClientFrame } from "../../src/domain/hub/frames.ts";

interface Sent {
  readonly id: string;
  readonly device_sequence: number;
}

async function opened(store?: CommandStore) {
  const sent: Sent[] = [];
  const texts: string[] = [];
  const ends: string[] = [];
  let made = 0;
  const queue = await openCommandQueue({
    ...(store ? { store } : {}),
    now: () => Date.parse("2026-11-24T08:00:00Z"),
    newId: () => `command-${++made}`,
    answered: ({ id }, { status }) => void ends.push(`${id} ${status}`),
  });
  const send = (text: string) => {
    texts.push(text);
    sent.push(JSON.parse(text) as Sent);
  };
  const add = () => queue.add("UpdateInventory", { sku: "A" });
  const result = (id: string, status: string, more: object = {}) =>
    queue.received({ type: "result", id, status, ...more });
  return { queue, sent, texts, ends, send, add, result };
}

const numbersOf = (sent: readonly Sent[]) => sent.map(({ device_sequence: number }) => number);

describe("a command", () => {
  it("is numbered in the order made, and sent as a frame that the hub takes", async ({ expect }) => {
    const { queue, add, send, texts, sent } = await opened();
    await Promise.all([add(), queue.add("CountStock", { sku: "B" }, 7), add()]);
    expect(sent).toEqual([]);
    queue.connected(send);
    expect(numbersOf(sent)).toEqual([1, 2, 3]);
    expect(parseClientFrame(texts[1] ?? "", 65_536)).toEqual({
      ok: true,
      frame: {
        type: "command",
        id: "command-2",
        command: "CountStock",
        data: { sku: "B" },
        device_sequence: 2,
        device_time: "2026-11-24T08:00:00.000Z",
        seen_version: 7,
      },
    });
  });

  it("isn't made when it can't be kept, and its number is free again", async ({ expect }) => {
    const store = memoryStore();
    let isFull = true;
    const failing: CommandStore = {
      ...store,
      put: (command, last) => (isFull ? Promise.reject(new Error("disk full")) : store.put(command, last)),
    };
    const { add, queue } = await opened(failing);
    await expect(add()).rejects.toThrow("disk full");
    expect(queue.kept()).toEqual([]);
    isFull = false;
    expect((await add()).device_sequence).toBe(1);
  });

  it("too large for a frame is refused before it is kept", async ({ expect }) => {
    const { queue } = await opened();
    await expect(queue.add("UpdateInventory", { note: "ä".repeat(40_000) })).rejects.toThrow("61440 bytes");
    expect(queue.kept()).toEqual([]);
  });

  it("beyond ten thousand that wait is refused", async ({ expect }) => {
    const kept = Array.from({ length: 10_000 }, (_, at) => ({
      id: `old-${at}`,
      type: "UpdateInventory",
      data: {},
      device_sequence: at + 1,
      device_time: "2026-11-24T08:00:00.000Z",
    }));
    const { add } = await opened({ ...memoryStore(), load: async () => ({ last: 10_000, kept }) });
    await expect(add()).rejects.toThrow("10000 commands wait already");
  });
});

describe("sending", () => {
  it("keeps 64 under way at most, and goes on with each answer", async ({ expect }) => {
    const { queue, add, send, sent, result } = await opened();
    for (let n = 0; n < 100; n++) await add();
    queue.connected(send);
    expect(sent).toHaveLength(64);
    await result("command-1", "accepted");
    await result("command-2", "applied");
    expect(numbersOf(sent).slice(64)).toEqual([65, 66]);
  });

  it("begins anew with each connection, with all that has no end yet", async ({ expect }) => {
    const { queue, add, send, sent, result, ends } = await opened();
    for (let n = 0; n < 3; n++) await add();
    queue.connected(send);
    await result("command-1", "applied");
    await result("command-2", "accepted");
    queue.disconnected();
    queue.connected(send);
    expect(numbersOf(sent)).toEqual([1, 2, 3, 2, 3]);
    expect(ends).toEqual(["command-1 applied"]);
  });

  it("asks for the end when an event tells of it, also when that comes before the result", async ({ expect }) => {
    const { queue, add, send, sent, result, ends } = await opened();
    await add();
    await add();
    queue.connected(send);
    await result("command-1", "accepted");
    queue.heard({ type: "StatusChanged", data: { kind: "command", id: "command-1", to: "applied" } });
    queue.heard({ type: "CommandRejected", data: { command_id: "command-2" } });
    expect(numbersOf(sent)).toEqual([1, 2, 1]);
    await result("command-2", "accepted");
    expect(numbersOf(sent)).toEqual([1, 2, 1, 2]);
    await result("command-1", "applied", { duplicate: true });
    await result("command-2", "rejected", { code: "INSUFFICIENT_STOCK", duplicate: true });
    expect(ends).toEqual(["command-1 applied", "command-2 rejected"]);
    for (const event of [
      { type: "StatusChanged", data: { kind: "request", id: "command-1" } },
      { type: "CommandRejected" },
      { type: "Other", data: { id: "command-1" } },
    ]) {
      queue.heard(event);
    }
    expect(sent).toHaveLength(4);
  });

  it("of what failed waits for the heartbeat, and a refusal is an end", async ({ expect }) => {
    const { queue, add, send, sent, result, ends } = await opened();
    await add();
    await add();
    queue.connected(send);
    await result("command-1", "failed", { code: "INTERNAL", reason: "send it again" });
    expect(sent).toHaveLength(2);
    queue.remind();
    expect(numbersOf(sent)).toEqual([1, 2, 1]);
    await result("command-2", "rejected", { code: "UNKNOWN_REFERENCE" });
    expect(ends).toEqual(["command-2 rejected"]);
    await result("somebody-elses", "applied");
    expect(queue.kept().map(({ id }) => id)).toEqual(["command-1"]);
  });

  it("goes on after the number that the hub names, once for all that it has refused", async ({ expect }) => {
    const { queue, add, send, sent, result } = await opened();
    for (let n = 0; n < 3; n++) await add();
    queue.connected(send);
    const taken = { code: "CONFLICT", data: { next_device_sequence: 8 } };
    for (const id of ["command-1", "command-2", "command-3"]) await result(id, "rejected", taken);
    expect(numbersOf(sent)).toEqual([1, 2, 3, 8, 9, 10]);
    expect((await add()).device_sequence).toBe(11);
    expect(queue.kept().map(({ device_sequence: number }) => number)).toEqual([8, 9, 10, 11]);
  });
});
