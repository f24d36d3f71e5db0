import { afterEach, beforeAll, describe, it } from "vitest";
import { DEVICE_GAP_WAIT_MS, DEVICE_LINE_COMMANDS, MAX_SENDS, RESEND_AFTER_MS } from "../../src/config.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { as, env, quiet, startWorld, until } from "../support/harness.ts";
import { figure } from "../support/figures.ts";
import { violations } from "../support/invariants.ts";
import {
  holdCommands,
  lineOf,
  orderOfMovements,
  replay,
  replayed,
  scanned,
  settledCommands,
  type Numbered,
} from "../support/offline.ts";
import { expectProblem } from "../support/problem.ts";
import { runRelayAlarm } from "../support/relay.ts";
import { countRows } from "../support/rows.ts";
import { openSocket } from "../support/socket.ts";
import { accepted, finished, levelOf } from "../support/stock.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
afterEach(async ({ expect }) => {
  await settledCommands();
  expect(await violations(env.DB)).toEqual([]);
});

/** Scans of a trip, numbered on from `from`: pieces put into a bin of the device's own. */
function trip(device: string, from: number, changes: readonly number[], prefix = `trip-${device}`): Numbered[] {
  return changes.map((change, at) => {
    const sequence = from + at;
    return scanned({ device, sku: "HOSE-001", change, bin: "Bin-T-1", sequence, id: `${prefix}-${sequence}` });
  });
}

describe("a replay", () => {
  it("answers each command: accepted at first, then what became of it, and the same however often it is sent", async ({
    expect,
  }) => {
    const before = await levelOf("HOSE-001", "warehouse-01");
    const commands = trip("warehouse-01", 1, [5, -2, -1]);
    const first = await replay("warehouse-01", commands);
    expect(first.status).toBe(200);
    expect(first.body.data.map((one: { status: string }) => one.status)).toEqual(["accepted", "accepted", "accepted"]);
    expect(first.body.meta).toEqual({ count: 3, next_device_sequence: 4 });

    const answers = await replayed("warehouse-01", commands);
    expect(answers).toEqual(
      [5, 3, 2].map((left, at) => ({
        id: commands[at]?.id,
        device_sequence: at + 1,
        status: "applied",
        duplicate: true,
        data: expect.objectContaining({ bin: "Bin-T-1", on_hand: before.on_hand + left }),
      })),
    );
    expect((await replay("warehouse-01", commands)).body.data).toEqual(answers);
    expect(await orderOfMovements("trip-warehouse-01")).toEqual(commands.map(({ id }) => id));
    expect((await levelOf("HOSE-001", "warehouse-01")).on_hand).toBe(before.on_hand + 2);
  });

  it("of 100 commands is accepted in one call, and executed in the order of their numbers, each once", async ({
    expect,
  }) => {
    const commands = trip(
      "warehouse-02",
      1,
      Array.from({ length: 100 }, (_, at) => (at % 2 === 0 ? 3 : -2)),
    );
    const began = performance.now();
    const answers = await Promise.all([replay("warehouse-02", commands), replay("warehouse-02", commands)]);
    const accepted_ms = performance.now() - began;
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    await settledCommands();
    figure("offline replay", { commands: 100, accepted_ms, applied_ms: performance.now() - began });
    expect((await lineOf("warehouse-02")).filter(({ state }) => state !== "applied")).toEqual([]);
    expect(await orderOfMovements("trip-warehouse-02")).toEqual(commands.map(({ id }) => id));
    const { bins } = await levelOf("HOSE-001", "warehouse-02");
    expect(bins["Bin-T-1"]).toBe(50);
  });

  it("of 500 that name no part is answered for each", async ({ expect }) => {
    const commands = Array.from({ length: 500 }, (_, at) =>
      scanned({ device: "warehouse-06", sku: `NO-SUCH-${at}`, change: 1, bin: "B", sequence: at + 1 }),
    );
    const { body } = await replay("warehouse-06", commands);
    expect(body.data.map((one: { code: string }) => one.code)).toEqual(commands.map(() => "UNKNOWN_REFERENCE"));
    expect(await lineOf("warehouse-06")).toEqual([]);
  });

  it("takes what it can: a scan that isn't a command, or names no part, is answered by itself", async ({ expect }) => {
    const [first, second] = trip("truck-002", 1, [1, 2]);
    const commands = [
      first,
      { id: "scan-broken-1", device_sequence: 7, type: "UpdateInventory", data: { sku: 3 } },
      scanned({ device: "truck-002", sku: "NO-SUCH", change: 1, bin: "B", sequence: 8 }),
      "not even an object",
    ];
    const { body } = await replay("truck-002", [first, second, ...commands.slice(2)]);
    expect(body.data).toMatchObject([
      { status: "accepted" },
      { status: "accepted" },
      { id: "scan-truck-002-8", status: "rejected", code: "UNKNOWN_REFERENCE", reason: "no part NO-SUCH" },
      { id: null, device_sequence: null, status: "rejected", code: "VALIDATION" },
    ]);
    const broken = await replay("truck-002", [first, commands[1]]);
    expect(broken.body.data).toMatchObject([
      { duplicate: true },
      { id: "scan-broken-1", device_sequence: 7, status: "rejected", code: "VALIDATION" },
    ]);
    expect((await lineOf("truck-002")).map((row) => row.device_sequence)).toEqual([1, 2]);
  });
});

describe("the order of a device's commands", () => {
  it("is that of their numbers though the queue delivers 3, 1, 2, and each one twice (scenario 7)", async ({
    expect,
  }) => {
    const queue = await holdCommands();
    const commands = trip("truck-001", 1, [4, -3, -1]);
    await replay("truck-001", commands);
    await until("all are sent", async () => queue.held.length >= 3);
    const [a = "", b = "", c = ""] = commands.map(({ id }) => id);
    await Promise.all([queue.deliver([c, a]), queue.deliver([b, c])]);
    await queue.deliver([b, a]);
    expect((await lineOf("truck-001")).map(({ state }) => state)).toEqual(["applied", "applied", "applied"]);
    expect(await orderOfMovements("trip-truck-001")).toEqual([a, b, c]);
  });

  it("waits for a number that is missing, and goes on at once when it comes", async ({ expect }) => {
    const [first, second, third] = trip("truck-003", 1, [4, -3, -1]) as [Numbered, Numbered, Numbered];
    await accepted("truck-003", third);
    await accepted("truck-003", second);
    const waiting = await until("the second is held", async () => {
      const line = await lineOf("truck-003");
      return line[0]?.lease_until !== "" && line.length === 2 ? line : null;
    });
    expect(waiting.map(({ state }) => state)).toEqual(["accepted", "accepted"]);
    await accepted("truck-003", first);
    await until("all are applied", async () => (await lineOf("truck-003")).every(({ state }) => state === "applied"));
    expect(await orderOfMovements("trip-truck-003")).toEqual([first.id, second.id, third.id]);
  });

  it("isn't kept up for ever: after 30 s what follows the gap is executed, and the lost one too if it comes", async ({
    expect,
  }) => {
    const queue = await holdCommands();
    const [first, lost, third] = trip("warehouse-03", 1, [9, -2, -1]) as [Numbered, Numbered, Numbered];
    await replay("warehouse-03", [first, third]);
    await until("both are sent", async () => queue.held.length >= 2);
    await queue.deliver([third.id]);
    const states = async () => (await lineOf("warehouse-03")).map(({ state }) => state);
    expect(await states()).toEqual(["applied", "accepted"]);

    moveClock(DEVICE_GAP_WAIT_MS - 1_000);
    await runRelayAlarm();
    await queue.deliver([third.id]);
    expect(await states()).toEqual(["applied", "accepted"]);
    const before = queue.held.length;
    moveClock(2_000);
    await until("it is sent again", async () => {
      await runRelayAlarm();
      return queue.held.length > before;
    });
    await queue.deliver([third.id]);
    expect(await states()).toEqual(["applied", "applied"]);
    queue.release();
    expect((await replayed("warehouse-03", [lost])).at(0)).toMatchObject({ status: "applied" });
  });
});

describe("a line", () => {
  const states = async (device: string) => (await lineOf(device)).map(({ state }) => state);

  it("isn't given up by a command whose execution fails: those behind it wait, and follow when it is done", async ({
    expect,
  }) => {
    const queue = await holdCommands();
    const [first, second] = trip("truck-005", 1, [4, -3]) as [Numbered, Numbered];
    await replay("truck-005", [first, second]);
    await until("both are sent", async () => queue.held.length >= 2);
    let failing = true;
    wrapBindings({
      DB: (real) =>
        aroundDatabase(real, (call, sql) =>
          failing && sql.some((text) => text.includes("SET state = 'applied'"))
            ? Promise.reject(new Error("D1_ERROR: Network connection lost."))
            : call(),
        ),
    });
    expect(await queue.deliver([second.id]), "its own fault it isn't: acknowledged, and sent again later").toEqual([
      "m-0",
    ]);
    expect((await lineOf("truck-005")).map((row) => [row.state, row.lease_until > ""])).toEqual([
      ["accepted", true],
      ["accepted", true],
    ]);
    expect(await queue.deliver([first.id]), "the failing one goes up the ladder").toEqual([]);
    failing = false;
    await queue.deliver([first.id]);
    expect(await states("truck-005")).toEqual(["applied", "applied"]);
  });

  it("longer than one message executes goes on at once, though all its other messages were lost", async ({
    expect,
  }) => {
    const queue = await holdCommands();
    const commands = trip(
      "truck-006",
      1,
      Array.from({ length: DEVICE_LINE_COMMANDS + 3 }, () => 1),
    );
    await replay("truck-006", commands);
    await until("all are sent", async () => queue.held.length >= commands.length);
    const sentBefore = queue.held.length;
    await queue.deliver([commands.at(-1)?.id ?? ""]);
    expect((await states("truck-006")).filter((state) => state === "accepted")).toHaveLength(3);
    await until("the next is sent again", async () => {
      await runRelayAlarm();
      return queue.held.length > sentBefore;
    });
    expect(queue.held.at(-1)).toBe(commands[DEVICE_LINE_COMMANDS]?.id);
    await queue.deliver([queue.held.at(-1) ?? ""]);
    expect(new Set(await states("truck-006"))).toEqual(new Set(["applied"]));
  });
});

describe("a number of a device", () => {
  it("belongs to one command: another id under it is refused with the number to go on with", async ({ expect }) => {
    const [first] = trip("warehouse-04", 1, [3]) as [Numbered];
    await replayed("warehouse-04", [first]);
    const other = { ...first, id: "another-scan" };
    const refused = await as("warehouse-04", "POST", "/api/commands", other);
    expectProblem(expect, refused, 409, "CONFLICT");
    expect(refused.body).toMatchObject({ next_device_sequence: 2 });
    expect((await replay("warehouse-04", [other])).body.data).toMatchObject([
      { id: "another-scan", status: "rejected", code: "CONFLICT", data: { next_device_sequence: 2 } },
    ]);
    const changed = { ...first, data: { ...first.data, quantity_change: 4 } };
    expectProblem(expect, await as("warehouse-04", "POST", "/api/commands", changed), 422, "KEY_REUSED");
    expect((await lineOf("warehouse-04")).map(({ id }) => id)).toEqual([first.id]);
  });

  it("is the device's own: the same number of another device is another command", async ({ expect }) => {
    const mine = trip("warehouse-05", 1, [3]);
    const yours = trip("warehouse-06", 1, [4]);
    expect(await replayed("warehouse-05", mine)).toMatchObject([{ status: "applied" }]);
    expect(await replayed("warehouse-06", yours)).toMatchObject([{ status: "applied" }]);
  });

  it("must be whole, positive and safe; the clock not far ahead; an id and a device of its own", async ({ expect }) => {
    await quiet();
    const [good] = trip("truck-004", 1, [3]) as [Numbered];
    const before = await countRows();
    for (const [wrong, pointer] of [
      [{ device_sequence: 0 }, "/device_sequence"],
      [{ device_sequence: -1 }, "/device_sequence"],
      [{ device_sequence: 1.5 }, "/device_sequence"],
      [{ device_sequence: "1" }, "/device_sequence"],
      [{ device_time: "yesterday" }, "/device_time"],
      [{ device_time: new Date(testClock.now() + 48 * 3_600_000).toISOString() }, "/device_time"],
      [{ seen_version: -1 }, "/seen_version"],
      [{ device_sequence: undefined, seen_version: 1 }, "/seen_version"],
      [{ device_sequence: undefined, device_time: new Date().toISOString() }, "/device_time"],
    ] as const) {
      const refused = await as("truck-004", "POST", "/api/commands", { ...good, ...wrong });
      expectProblem(expect, refused, 422, "VALIDATION");
      expect(refused.body.errors[0].pointer).toBe(pointer);
    }
    const huge = JSON.stringify(good).replace('"device_sequence":1', '"device_sequence":9007199254740993');
    const json = { "content-type": "application/json" };
    expectProblem(expect, await as("truck-004", "POST", "/api/commands", huge, json), 422, "VALIDATION");
    expectProblem(
      expect,
      await as("truck-001", "POST", "/api/commands", { ...good, id: "not-mine-1" }),
      403,
      "FORBIDDEN",
    );
    const keeper = { ...scanned({ device: "warehouse-03", sku: "HOSE-001", change: 1, bin: "B", sequence: 99 }) };
    expectProblem(expect, await as("keeper-03", "POST", "/api/commands", keeper), 403, "FORBIDDEN");
    expect(await countRows()).toEqual(before);
  });

  it("rises within a replay of at most 500, which only a device sends", async ({ expect }) => {
    await quiet();
    const before = await countRows();
    const { id: _id, ...nameless } = trip("truck-005", 1, [1])[0] as Numbered;
    expect((await replay("truck-005", [nameless])).body.data).toMatchObject([
      { id: null, device_sequence: 1, status: "rejected", code: "VALIDATION" },
    ]);
    const many = trip(
      "truck-005",
      1,
      Array.from({ length: 501 }, () => 1),
    );
    const [first, second] = many as [Numbered, Numbered];
    const { device_sequence: _number, ...unnumbered } = first;
    for (const [commands, pointer] of [
      [many, "/commands"],
      [[], "/commands"],
      [[second, first], "/commands/1/device_sequence"],
      [[first, first], "/commands/1/device_sequence"],
      [[unnumbered], "/commands/0/device_sequence"],
    ] as const) {
      const refused = await replay("truck-005", commands);
      expectProblem(expect, refused, 422, "VALIDATION");
      expect(refused.body.errors[0].pointer).toBe(pointer);
    }
    expectProblem(expect, await replay("keeper-03", [first]), 403, "FORBIDDEN");
    const foreign = await replay("truck-006", [first]);
    expect(foreign.body.data).toMatchObject([{ status: "rejected", code: "FORBIDDEN" }]);
    expect(await countRows()).toEqual(before);
  });
});

it("the same command by REST, by REST again and replayed by socket has one effect and the same answer (scenario 27)", async ({
  expect,
}) => {
  const before = await levelOf("HOSE-002", "truck-006");
  const command = scanned({
    device: "truck-006",
    sku: "HOSE-002",
    change: 7,
    bin: "Bin-1",
    sequence: 54,
    id: "by-two-ways",
  });
  const first = await as("truck-006", "POST", "/api/commands", command);
  const retried = await as("truck-006", "POST", "/api/commands", command);
  expect([retried.status, retried.headers.get("idempotent-replayed")]).toEqual([202, "true"]);
  expect(retried.body).toEqual(first.body);
  const done = await finished("truck-006", "/api/commands/by-two-ways");

  const socket = await openSocket("truck-006");
  const { type, ...rest } = command;
  socket.send({ ...rest, type: "command", command: type });
  const result = await socket.frame("result");
  expect(result).toEqual({
    type: "result",
    id: "by-two-ways",
    status: done.state,
    duplicate: true,
    data: done.result,
  });
  expect(await replayed("truck-006", [command])).toEqual([
    { id: "by-two-ways", device_sequence: 54, status: done.state, duplicate: true, data: done.result },
  ]);
  expect((await levelOf("HOSE-002", "truck-006")).on_hand).toBe(before.on_hand + 7);
  expect(await orderOfMovements("by-two-ways")).toEqual(["by-two-ways"]);
  socket.close();
});

it("a wrong number over the socket is answered, and the socket stays open; the end of a command is mail to its device", async ({
  expect,
}) => {
  const [other, socket] = [await openSocket("truck-002"), await openSocket("truck-001")];
  const command = scanned({
    device: "truck-001",
    sku: "HOSE-003",
    change: 2,
    bin: "Bin-1",
    sequence: 11,
    id: "by-socket-1",
  });
  const { type, ...rest } = command;
  socket.send({ ...rest, type: "command", command: type, device_sequence: 0 });
  expect(await socket.frame("result")).toMatchObject({ id: "by-socket-1", status: "rejected", code: "VALIDATION" });
  socket.send({ ...rest, type: "command", command: type, device_sequence: 4 });
  const ended = await socket.event("the end", ({ data }) => data.id === "by-socket-1");
  expect(ended).toMatchObject({ type: "StatusChanged", data: { kind: "command", from: "accepted", to: "applied" } });
  expect(socket.closed).toEqual([]);
  await other.event("the change of stock", ({ data }) => data.sku === "HOSE-003");
  expect(other.events.filter(({ event }) => event.type === "StatusChanged")).toEqual([]);
  socket.close();
  other.close();
});

it("a line of which the queue brings but the last one's message loses nobody: its tail waits and isn't buried", async ({
  expect,
}) => {
  const states = async (device: string) => (await lineOf(device)).map(({ state }) => state);
  const queue = await holdCommands();
  const rounds = MAX_SENDS + 2;
  const before = (await states("truck-006")).length;
  const commands = trip(
    "truck-006",
    before + 1,
    Array.from({ length: rounds * DEVICE_LINE_COMMANDS }, () => 1),
  );
  await replay("truck-006", commands);
  await until("all are sent", async () => queue.held.length >= commands.length);
  for (let round = 1; round <= rounds; round++) {
    await queue.deliver([commands.at(-1)?.id ?? ""]);
    const seen = (await states("truck-006")).slice(before);
    expect(seen.filter((state) => state === "applied")).toHaveLength(round * DEVICE_LINE_COMMANDS);
    expect(seen).not.toContain("dead");
    moveClock(RESEND_AFTER_MS + 1);
    for (let polls = 0; polls < 3; polls++) await runRelayAlarm();
  }
  expect(new Set(await states("truck-006"))).toEqual(new Set(["applied"]));
}, 60_000);
