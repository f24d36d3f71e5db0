/** One intent, one effect, one answer: what a caller gets who sends the same again, whatever was lost in between. */
import { beforeAll, describe, it, vi } from "vitest";
import { faultyD1 } from "../support/faulty-d1.ts";
import { approveAll, as, env, NO_KEY, quiet, requestIs, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { keyedPost, storedUnder, type KeyedAnswer } from "../support/keyed.ts";
import { runRelayAlarm } from "../support/relay.ts";
import { countRows } from "../support/rows.ts";
import { giveSelfLimit, MANAGER, seedPart } from "../support/saga-world.ts";
import { levelOf, updateInventory } from "../support/stock.ts";
import { openSocket } from "../support/socket.ts";
import { wrapBindings } from "../support/world.ts";

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 50_000);
});

const request = (number: string, device = "truck-001", quantity = 1) => ({
  request_number: number,
  device_id: device,
  lines: [{ sku: "PUMP-001", quantity }],
});

const order = (number: string, quantity = 1) => ({
  order_number: number,
  device_id: "truck-001",
  lines: [{ sku: "PUMP-001", quantity }],
});

function count(sql: string, ...values: string[]): Promise<number | null> {
  return env.DB.prepare(sql)
    .bind(...values)
    .first<number>("n");
}

function requestsNumbered(number: string): Promise<number | null> {
  return count("SELECT COUNT(*) AS n FROM requests WHERE request_number = ?", number);
}

const UNDER_WAY = `SELECT (SELECT COUNT(*) FROM orders WHERE status IN ('Pending', 'Cancelling'))
  + (SELECT COUNT(*) FROM cloud_uploads WHERE state = 'queued') AS n`;

/** All that was asked is done: no event is on its way, every order has ended, every response is in the archive. */
async function settled(): Promise<void> {
  await until("nothing is under way", async () => {
    await quiet();
    return (await count(UNDER_WAY)) === 0;
  });
  await quiet();
}

/** What a second ask must have in common with the first. */
const essence = ({ status, text, location, type }: KeyedAnswer) => ({ status, text, location, type });

describe("the same sent again under the same key", () => {
  it.for([
    ["a request", "tech-north", "/api/requests", request("again-1")],
    ["an order", MANAGER, "/api/orders", order("again-1")],
    ["a file", "truck-001", "/api/uploads?request_number=again-2", "sku,quantity\nPUMP-001,1\n"],
    ["an import", "admin", "/api/imports/regions", "region_id,name\nagain,Again\n"],
    ["a command", "warehouse-01", "/api/commands", updateInventory("warehouse-01", "PUMP-001", 1, "Bin-B-03")],
  ] as const)("has one effect and the first answer, byte for byte: %s", async ([name, who, path, body], { expect }) => {
    const key = `again ${name}`.replaceAll(" ", "-");
    const first = await keyedPost(who, path, key, body);
    expect([first.status < 300, first.replayed]).toEqual([true, false]);
    await settled();
    const before = await countRows();
    for (let ask = 0; ask < 2; ask++) {
      const again = await keyedPost(who, path, key, body);
      expect([again.replayed, essence(again)]).toEqual([true, essence(first)]);
    }
    await settled();
    expect(await countRows()).toEqual(before);
  });

  it("gets the first answer for a decision too, and a new key learns that it is decided", async ({ expect }) => {
    const { body: asked } = await as("tech-north", "POST", "/api/requests", request("decide-1", "truck-001", 4));
    await requestIs(asked.request_id, "awaiting_approval");
    const mine = await as(MANAGER, "GET", "/api/approvals");
    const [step] = mine.body.data.filter(({ request: one }: any) => one.request_id === asked.request_id);
    const path = `/api/approvals/${step.id}/decision`;
    const decision = { decision: "approve", payload_hash: step.payload_hash };
    const first = await keyedPost(MANAGER, path, "decide-1", decision);
    expect([first.status, JSON.parse(first.text).state]).toEqual([200, "approved"]);
    expect(essence(await keyedPost(MANAGER, path, "decide-1", decision))).toEqual(essence(first));
    expect((await keyedPost(MANAGER, path, "decide-1", { ...decision, decision: "reject" })).status).toBe(422);

    const late = await keyedPost(MANAGER, path, "decide-2", decision);
    expect([late.status, late.replayed, JSON.parse(late.text).code]).toEqual([409, false, "ALREADY_DECIDED"]);
    const lateAgain = await keyedPost(MANAGER, path, "decide-2", decision);
    expect([lateAgain.replayed, essence(lateAgain)]).toEqual([true, essence(late)]);
    expect(await count("SELECT COUNT(*) AS n FROM ballots WHERE step_id = ?", step.id)).toBe(1);
    await approveAll(asked.request_id);
  });

  it("gets it though the part is no longer sold or the device has moved away since", async ({ expect }) => {
    await seedPart("GONE-1", { shelves: [{ location: "warehouse-03", bin: "Bin-G-01", quantity: 9 }] });
    const gone = { ...order("gone-1"), lines: [{ sku: "GONE-1", quantity: 1 }] };
    const ordered = await keyedPost(MANAGER, "/api/orders", "gone-1", gone);
    const asked = await keyedPost("tech-north", "/api/requests", "moved-1", request("moved-1", "truck-002"));
    const command = updateInventory("warehouse-02", "PUMP-001", 1, "warehouse-02/Bin-G-02");
    const sent = await keyedPost("warehouse-02", "/api/commands", "moved-1", command);
    expect([ordered.status, asked.status, sent.status]).toEqual([202, 202, 202]);
    await settled();
    const place = (location: string) =>
      env.DB.prepare("UPDATE devices SET location = ? WHERE id = 'warehouse-02'").bind(location).run();
    await place("warehouse-01");
    const move = (region: string) =>
      env.DB.prepare("UPDATE devices SET region = ? WHERE id = 'truck-002'").bind(region).run();
    await env.DB.prepare("UPDATE parts SET discontinued = 1 WHERE sku = 'GONE-1'").run();
    await move("south");
    const again = await keyedPost(MANAGER, "/api/orders", "gone-1", gone);
    const askedAgain = await keyedPost("tech-north", "/api/requests", "moved-1", request("moved-1", "truck-002"));
    const sentAgain = await keyedPost("warehouse-02", "/api/commands", "moved-1", command);
    expect([again, askedAgain, sentAgain].map(essence)).toEqual([ordered, asked, sent].map(essence));
    expect((await keyedPost("warehouse-02", "/api/commands", "moved-2", command)).status).toBe(403);
    await place("warehouse-02");
    const anew = { ...gone, order_number: "gone-2", lines: [{ sku: "GONE-1", quantity: 100 }] };
    expect((await keyedPost(MANAGER, "/api/orders", "gone-2", anew)).status).toBe(422);
    expect((await keyedPost("tech-north", "/api/requests", "moved-2", request("moved-2", "truck-002"))).status).toBe(
      403,
    );
    await move("north");
  });

  it("means the same whatever the order of the keys and the white space in its JSON", async ({ expect }) => {
    const first = await keyedPost("tech-north", "/api/requests", "spaced", request("spaced-1"));
    const { lines, device_id, request_number } = request("spaced-1");
    const again = await keyedPost("tech-north", "/api/requests", "spaced", { lines, device_id, request_number });
    expect([again.replayed, essence(again)]).toEqual([true, essence(first)]);
  });
});

describe("the same key for something else", () => {
  it("is refused with 422 and has no effect: another body, another path, another query, another file", async ({
    expect,
  }) => {
    await keyedPost("tech-north", "/api/requests", "else-1", request("else-1"));
    await keyedPost("truck-001", "/api/uploads?request_number=else-2", "else-2", "sku,quantity\nPUMP-001,1\n");
    await settled();
    const [before, files] = [await countRows(), (await env.FILES.list()).objects.length];
    for (const [who, path, key, body] of [
      ["tech-north", "/api/requests", "else-1", request("else-1b")],
      ["truck-001", "/api/uploads?request_number=else-2", "else-2", "sku,quantity\nPUMP-001,2\n"],
      ["truck-001", "/api/uploads?request_number=else-3", "else-2", "sku,quantity\nPUMP-001,1\n"],
      ["truck-001", "/api/uploads", "else-2", "sku,quantity\nPUMP-001,1\n"],
    ] as const) {
      const answer = await keyedPost(who, path, key, body);
      expect([path, answer.status, JSON.parse(answer.text).code]).toEqual([path, 422, "KEY_REUSED"]);
      expect(JSON.parse(answer.text).detail).toContain("make a new key");
    }
    await settled();
    expect([await countRows(), (await env.FILES.list()).objects.length]).toEqual([before, files]);
  });

  it("is another intent on another route or of another caller", async ({ expect }) => {
    const answers = [
      await keyedPost("tech-north", "/api/requests", "mine", request("mine-1")),
      await keyedPost("truck-001", "/api/requests", "mine", request("mine-2")),
      await keyedPost("truck-002", "/api/requests", "mine", request("mine-1", "truck-002")),
      await keyedPost("truck-001", "/api/uploads?request_number=mine-3", "mine", "sku,quantity\nPUMP-001,1\n"),
    ];
    expect(answers.map(({ status, replayed }) => [status, replayed])).toEqual(answers.map(() => [202, false]));
    expect(new Set(answers.map(({ location }) => location)).size).toBe(4);
    expect((await storedUnder("mine")).map(({ scope }) => scope)).toEqual([
      "POST /api/requests device:truck-001",
      "POST /api/requests device:truck-002",
      "POST /api/requests person:tech-north",
      "POST /api/uploads device:truck-001",
    ]);
  });
});

describe("several at once", () => {
  it.for([2, 100])("%i asks with one key have one effect and one answer", async (asks, { expect }) => {
    const number = `at-once-${asks}`;
    const answers = await Promise.all(
      Array.from({ length: asks }, () => keyedPost("tech-north", "/api/requests", number, request(number))),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(essence(answer)))).size).toBe(1);
    expect([answers[0]?.status, answers.filter(({ replayed }) => !replayed).length]).toEqual([202, 1]);
    const id = JSON.parse(answers[0]?.text ?? "").request_id;
    expect(await requestsNumbered(number)).toBe(1);
    expect(await storedUnder(number)).toHaveLength(1);
    for (const [table, sql] of [
      ["outbox", "SELECT COUNT(*) AS n FROM outbox WHERE subject = ? AND type = 'RequestUploaded'"],
      ["audit", "SELECT COUNT(*) AS n FROM audit WHERE subject = ? AND action = 'request.uploaded'"],
    ] as const) {
      expect([table, await count(sql, `request/${id}`)]).toEqual([table, 1]);
    }
  });

  it("with one key and two bodies: one has its effect, the other is refused", async ({ expect }) => {
    const answers = await Promise.all(
      ["two-1", "two-2"].map((number) => keyedPost("tech-north", "/api/requests", "two-bodies", request(number))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202, 422]));
    expect(await count("SELECT COUNT(*) AS n FROM requests WHERE request_number IN ('two-1', 'two-2')")).toBe(1);
  });
});

describe("scenario 9: a reply of the database that is lost", () => {
  it.for([
    ["a request", "tech-north", "/api/requests", request("lost-1"), 202],
    ["an order", MANAGER, "/api/orders", order("lost-1"), 202],
    ["an import", "admin", "/api/imports/regions", "region_id,name\nlost,Lost\n", 200],
    ["a refusal", MANAGER, "/api/orders", order("lost-2", 200), 403],
  ] as const)(
    "after the commit is a 500, and the same sent again gets the committed answer: %s",
    async ([name, who, path, body, status], { expect }) => {
      const key = `lost ${name}`.replaceAll(" ", "-");
      const faults = faultyD1({ marker: key, kind: "after", times: 1 });
      wrapBindings({ DB: faults.wrap });
      const lost = await keyedPost(who, path, key, body);
      wrapBindings({});
      expect([lost.status, JSON.parse(lost.text)]).toMatchObject([500, { code: "INTERNAL", retryable: true }]);
      expect(faults.hits(key)).toBe(1);
      await settled();
      const before = await countRows();
      const again = await keyedPost(who, path, key, body);
      expect([again.status, again.replayed]).toEqual([status, true]);
      await settled();
      expect(await countRows()).toEqual(before);
    },
  );

  it("before the commit is a 500 too, and the same sent again does it", async ({ expect }) => {
    const faults = faultyD1({ marker: "never-there", kind: "before", times: 1 });
    wrapBindings({ DB: faults.wrap });
    const lost = await keyedPost("tech-north", "/api/requests", "never-there", request("never-1"));
    wrapBindings({});
    expect([lost.status, await storedUnder("never-there")]).toEqual([500, []]);
    const again = await keyedPost("tech-north", "/api/requests", "never-there", request("never-1"));
    expect([again.status, again.replayed, await requestsNumbered("never-1")]).toEqual([202, false, 1]);
  });

  it("and a commit that lands only after the same was sent again changes nothing", async ({ expect }) => {
    const faults = faultyD1({ marker: "late-batch", kind: "held", times: 1 });
    wrapBindings({ DB: faults.wrap });
    expect((await keyedPost("tech-north", "/api/requests", "late-batch", request("late-1"))).status).toBe(500);
    wrapBindings({});
    const again = await keyedPost("tech-north", "/api/requests", "late-batch", request("late-1"));
    expect([again.status, again.replayed]).toEqual([202, false]);
    expect(await faults.release(env.DB)).toEqual([expect.stringContaining("UNIQUE constraint failed: inbox")]);
    expect(await requestsNumbered("late-1")).toBe(1);
    expect(essence(await keyedPost("tech-north", "/api/requests", "late-batch", request("late-1")))).toEqual(
      essence(again),
    );
  });
});

it("scenario 27: a command sent by REST, again by REST and by socket has one effect, and REST gives the same bytes", async ({
  expect,
}) => {
  const before = await levelOf("BRKP-001", "warehouse-01");
  const command = updateInventory("warehouse-01", "BRKP-001", 3, "Bin-B-03", "cmd_three_ways_1");
  const faults = faultyD1({ marker: command.id ?? "", kind: "after", times: 1 });
  wrapBindings({ DB: faults.wrap });
  const lost = await as("warehouse-01", "POST", "/api/commands", command, NO_KEY);
  wrapBindings({});
  expect(lost.status).toBe(500);
  const first = await keyedPost("warehouse-01", "/api/commands", "any", command);
  expect([first.status, first.replayed]).toEqual([202, true]);
  const socket = await openSocket("warehouse-01", { hello: { device_type: "warehouse" } });
  const { type, ...rest } = command;
  socket.send({ type: "command", command: type, ...rest });
  expect(await socket.frame("result")).toMatchObject({ id: command.id });
  socket.close();
  await runRelayAlarm();
  await vi.waitUntil(async () => (await levelOf("BRKP-001", "warehouse-01")).version > before.version, 10_000);
  await settled();
  const again = await keyedPost("warehouse-01", "/api/commands", "any-other", command);
  expect(essence(again)).toEqual(essence(first));
  const after = await levelOf("BRKP-001", "warehouse-01");
  expect([after.on_hand, after.version]).toEqual([before.on_hand + 3, before.version + 1]);
});

describe("a refusal", () => {
  it("for want of stock is kept, and given again though the stock has come in; a new key tries again", async ({
    expect,
  }) => {
    await seedPart("KEPT-1", { shelves: [{ location: "warehouse-03", bin: "Bin-K-01", quantity: 10 }] });
    const file = "sku,warehouse_id,bin,quantity\nKEPT-1,warehouse-03,Bin-K-01,4\n";
    const reserve = (n: number) =>
      env.DB.prepare("UPDATE stock_levels SET reserved = ? WHERE sku = 'KEPT-1'").bind(n).run();
    await reserve(6);
    const first = await keyedPost("admin", "/api/imports/stock", "kept-1", file);
    expect([first.status, first.type, JSON.parse(first.text)]).toMatchObject([
      409,
      "application/problem+json",
      { code: "INSUFFICIENT_STOCK" },
    ]);
    await reserve(0);
    const again = await keyedPost("admin", "/api/imports/stock", "kept-1", file);
    expect([again.replayed, essence(again)]).toEqual([true, essence(first)]);
    expect((await levelOf("KEPT-1", "warehouse-03")).on_hand).toBe(10);
    const anew = await keyedPost("admin", "/api/imports/stock", "kept-2", file);
    expect([anew.status, (await levelOf("KEPT-1", "warehouse-03")).on_hand]).toEqual([200, 4]);
  });

  it("for its price is kept, and given again though the limit was raised", async ({ expect }) => {
    const first = await keyedPost(MANAGER, "/api/orders", "dear-1", order("dear-1", 100));
    expect([first.status, JSON.parse(first.text).code]).toEqual([403, "OVER_LIMIT"]);
    await giveSelfLimit(MANAGER, 10_000_000);
    const again = await keyedPost(MANAGER, "/api/orders", "dear-1", order("dear-1", 100));
    expect([again.replayed, essence(again)]).toEqual([true, essence(first)]);
    expect((await keyedPost(MANAGER, "/api/orders", "dear-2", order("dear-1", 100))).status).toBe(202);
    await giveSelfLimit(MANAGER, 50_000);
  });

  it("of a number that was used before refuses for ever, under whichever key", async ({ expect }) => {
    await keyedPost("tech-north", "/api/requests", "number-1", request("number-1"));
    for (const key of ["number-2", "number-3"]) {
      const answer = await keyedPost("tech-north", "/api/requests", key, request("number-1"));
      expect([answer.status, answer.replayed, JSON.parse(answer.text).code]).toEqual([409, false, "DUPLICATE"]);
      expect(await storedUnder(key)).toHaveLength(1);
    }
  });

  it.for([
    ["a wrong value", "tech-north", "/api/requests", { ...request("mend-1"), lines: [] }, 422],
    [
      "an unknown part",
      "tech-north",
      "/api/requests",
      { ...request("mend-1"), lines: [{ sku: "NONE", quantity: 1 }] },
      422,
    ],
    ["another region's device", "tech-north", "/api/requests", request("mend-1", "truck-004"), 403],
    ["no body to speak of", "tech-north", "/api/requests", "sku,quantity\n", 415],
    ["a file of wrong rows", "admin", "/api/imports/regions", "region_id,name\n,\n", 422],
    [
      "no such step",
      MANAGER,
      "/api/approvals/none/decision",
      { decision: "approve", payload_hash: "0".repeat(64) },
      404,
    ],
  ] as const)("of the input keeps nothing: %s", async ([name, who, path, body, status], { expect }) => {
    await settled();
    const [key, before] = [`mend ${name}`.replaceAll(/\W/g, "-"), await countRows()];
    expect((await keyedPost(who, path, key, body)).status).toBe(status);
    expect(await countRows()).toEqual(before);
    const mended = path === "/api/requests" ? request(key) : undefined;
    if (mended) expect((await keyedPost(who, path, key, mended)).status).toBe(202);
  });
});

it("leaves the invariants as they were", async ({ expect }) => {
  await settled();
  expect(await violations(env.DB, { allowUnfinished: true })).toEqual([]);
});
