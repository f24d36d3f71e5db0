import { afterEach, beforeAll, describe, it } from "vitest";
import { as, env, NO_KEY, quiet, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { holdCommands, replayed, scanned, settledCommands } from "../support/offline.ts";
import { expectProblem } from "../support/problem.ts";
import { countRows } from "../support/rows.ts";
import { openSocket } from "../support/socket.ts";
import { levelOf, sent, updateInventory } from "../support/stock.ts";

const SKU = "HOSE-001";
const numbers = new Map<string, number>();

beforeAll(startWorld);
afterEach(async ({ expect }) => {
  await settledCommands();
  expect(await violations(env.DB)).toEqual([]);
});

/** The device, online, puts pieces into a bin. */
async function stock(device: string, bin: string, pieces: number, sku = SKU): Promise<void> {
  const done = await sent(device, updateInventory(device, sku, pieces, bin));
  if (done.state !== "applied") throw new Error(JSON.stringify(done));
}

/** The device, offline, took pieces from a bin; replayed, this is its answer. */
async function took(device: string, bin: string, pieces: number, more: { sku?: string; seen?: number } = {}) {
  const sequence = (numbers.get(device) ?? 0) + 1;
  numbers.set(device, sequence);
  const command = scanned({ device, sku: more.sku ?? SKU, change: -pieces, bin, sequence, seen: more.seen });
  const [answer] = await replayed(device, [command]);
  return { command, answer, id: answer.data.discrepancy_id as string };
}

function resolve(who: string, id: string, body: object, headers: Record<string, string> = {}) {
  return as(who, "POST", `/api/discrepancies/${id}/resolve`, body, headers);
}

describe("a scan of more than the books have", () => {
  it("ends rejected with a discrepancy that keeps the whole scan, and tells keeper, manager and region", async ({
    expect,
  }) => {
    const truck = await openSocket("truck-001");
    await truck.frame("welcome");
    await stock("warehouse-03", "Bin-D-1", 4);
    const seen = (await levelOf(SKU, "warehouse-03")).version;
    const { command, answer, id } = await took("warehouse-03", "Bin-D-1", 10, { seen });
    expect(answer).toEqual({
      id: command.id,
      device_sequence: command.device_sequence,
      status: "rejected",
      duplicate: true,
      code: "INSUFFICIENT_STOCK",
      reason: `Bin-D-1 has fewer than 10 of ${SKU} that aren't reserved: 4`,
      data: { code: "INSUFFICIENT_STOCK", expected: 4, found: 10, discrepancy_id: id },
    });
    const { status, body } = await as("keeper-03", "GET", `/api/discrepancies/${id}`);
    expect(status).toBe(200);
    const { id: _id, ...scan } = command;
    expect(body).toMatchObject({
      command_id: command.id,
      kind: "shortage",
      state: "open",
      device_id: "warehouse-03",
      location: "warehouse-03",
      sku: SKU,
      bin: "Bin-D-1",
      says: "taken",
      expected: 4,
      found: 10,
      seen_version: seen,
      version: seen,
      scan: { ...scan, id: command.id, device_time: null },
      resolution: null,
    });
    const heard = await truck.event("DiscrepancyFound", ({ type }) => type === "DiscrepancyFound");
    expect(heard.data).toMatchObject({ discrepancy_id: id, expected: 4, found: 10, location: "warehouse-03" });
    await quiet();
    for (const who of ["keeper-03", "manager-north", "manager-national"]) {
      const { body: told } = await as(who, "GET", "/api/notifications");
      expect(told.data).toContainEqual(expect.objectContaining({ link: `/api/discrepancies/${id}` }));
    }
    const { body: others } = await as("manager-south", "GET", "/api/notifications");
    expect(others.data).toEqual([]);
    expect((await levelOf(SKU, "warehouse-03")).bins["Bin-D-1"]).toBe(4);
    truck.close();
  });

  it("counts what is reserved as not there", async ({ expect }) => {
    await stock("truck-005", "Bin-D-1", 6);
    const reserve = [
      "UPDATE stock_levels SET reserved = reserved + 4 WHERE sku = 'HOSE-001' AND location = 'truck-005'",
      `INSERT INTO reservations(order_id, sku, location, quantity, state, expires_at)
        VALUES ('ord_held', 'HOSE-001', 'truck-005', 4, 'open', '2099-01-01T00:00:00.000Z')`,
      `INSERT INTO outbox(event_id, bucket, type, subject, event, created_at, not_before, want)
        VALUES ('evt_held', 0, 'ReservationDue', 'order/ord_held', '{}', '', '2099-01-01T00:00:00.000Z', 64)`,
    ];
    await env.DB.batch(reserve.map((text) => env.DB.prepare(text)));
    const { id, answer } = await took("truck-005", "Bin-D-1", 3);
    expect(answer.data).toMatchObject({ expected: 2, found: 3 });
    for (const verdict of [{ resolution: "accept_scan" }, { resolution: "recount", counted: 3 }]) {
      expectProblem(expect, await resolve("ops", id, verdict), 409, "INSUFFICIENT_STOCK");
    }
    expect((await resolve("ops", id, { resolution: "recount", counted: 4 })).status).toBe(200);
    expect(await levelOf(SKU, "truck-005")).toMatchObject({ on_hand: 4, reserved: 4 });
  });

  it("stays a plain rejection for who is online: they see it and can count", async ({ expect }) => {
    const before = await countRows();
    const done = await sent("warehouse-04", updateInventory("warehouse-04", SKU, -100_000, "Bin-D-9"));
    expect(done).toMatchObject({ state: "rejected", result: { code: "INSUFFICIENT_STOCK" } });
    expect(done.result.discrepancy_id).toBeUndefined();
    expect((await countRows())["discrepancies"]).toBe(before["discrepancies"]);
  });

  it("is one discrepancy, though the command comes and is executed many times at once", async ({ expect }) => {
    await stock("truck-002", "Bin-D-1", 1);
    const queue = await holdCommands();
    const command = scanned({ device: "truck-002", sku: SKU, change: -5, bin: "Bin-D-1", sequence: 1 });
    numbers.set("truck-002", 1);
    const send = () => as("truck-002", "POST", "/api/commands/replay", { commands: [command] });
    await Promise.all(Array.from({ length: 5 }, send));
    await Promise.all(Array.from({ length: 6 }, () => queue.deliver([command.id])));
    const { body } = await as("ops", "GET", "/api/discrepancies?location=truck-002");
    expect(body.data).toMatchObject([{ command_id: command.id, expected: 1, found: 5 }]);
  });

  it("isn't one when the pieces have come by the time it is executed", async ({ expect }) => {
    const queue = await holdCommands();
    const command = scanned({ device: "truck-003", sku: SKU, change: -5, bin: "Bin-D-1", sequence: 1 });
    await as("truck-003", "POST", "/api/commands/replay", { commands: [command] });
    const put = updateInventory("truck-003", SKU, 6, "Bin-D-1", "put-before-1");
    await as("truck-003", "POST", "/api/commands", put);
    await until("both are sent", async () => queue.held.length >= 2);
    await queue.deliver([put.id ?? ""]);
    await queue.deliver([command.id]);
    expect(await replayed("truck-003", [command])).toMatchObject([{ status: "applied", data: { on_hand: 1 } }]);
  });
});

describe("a person resolves it", () => {
  it("by the scan: what nobody knew of is found, what was taken goes out, and the trail tells both", async ({
    expect,
  }) => {
    await stock("warehouse-03", "Bin-R-1", 4);
    const before = await levelOf(SKU, "warehouse-03");
    const { id } = await took("warehouse-03", "Bin-R-1", 10);
    const { status, body } = await resolve("keeper-03", id, { resolution: "accept_scan", note: "six stood behind" });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      state: "resolved",
      resolution: { resolution: "accept_scan", counted: null, note: "six stood behind", by: "keeper-03" },
    });
    const after = await levelOf(SKU, "warehouse-03");
    expect([after.on_hand, after.bins["Bin-R-1"] ?? 0]).toEqual([before.on_hand - 4, 0]);
    const { results } = await env.DB.prepare("SELECT quantity FROM stock_movements WHERE source = ? ORDER BY id")
      .bind(`discrepancy/${id}`)
      .all();
    expect(results).toEqual([{ quantity: 6 }, { quantity: -10 }]);
    const { body: trail } = await as("ops", "GET", `/api/audit?subject=discrepancy/${id}`);
    expect(trail.data.map((row: { action: string }) => row.action).toSorted()).toEqual([
      "discrepancy.found",
      "discrepancy.resolved accept_scan",
    ]);
  });

  it("by keeping the books, which moves nothing, or by a recount, which sets the bin", async ({ expect }) => {
    await stock("warehouse-03", "Bin-R-2", 4);
    const before = await levelOf(SKU, "warehouse-03");
    const kept = await took("warehouse-03", "Bin-R-2", 10);
    expect((await resolve("manager-north", kept.id, { resolution: "keep_books" })).status).toBe(200);
    expect(await levelOf(SKU, "warehouse-03")).toEqual(before);
    const again = await took("warehouse-03", "Bin-R-2", 10);
    expect((await resolve("ops", again.id, { resolution: "recount", counted: 7 })).status).toBe(200);
    const after = await levelOf(SKU, "warehouse-03");
    expect([after.on_hand, after.bins["Bin-R-2"]]).toEqual([before.on_hand + 3, 7]);
  });

  it("once: the same twice or ten at once has one effect, another resolution loses to the first", async ({
    expect,
  }) => {
    await stock("warehouse-03", "Bin-R-3", 4);
    const before = await levelOf(SKU, "warehouse-03");
    const { id } = await took("warehouse-03", "Bin-R-3", 5);
    const clicks = await Promise.all(
      Array.from({ length: 10 }, () => resolve("keeper-03", id, { resolution: "accept_scan" })),
    );
    expect(clicks.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(new Set(clicks.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect((await levelOf(SKU, "warehouse-03")).on_hand).toBe(before.on_hand - 4);
    const lost = await resolve("ops", id, { resolution: "keep_books" });
    expectProblem(expect, lost, 409, "ALREADY_DECIDED");
    expect(lost.body.winner).toMatchObject({ by: "keeper-03", resolution: "accept_scan" });
  });

  it("of the place, its region or operations; for all others it doesn't exist, devices may not at all", async ({
    expect,
  }) => {
    await stock("warehouse-01", "Bin-R-1", 1);
    const { id } = await took("warehouse-01", "Bin-R-1", 3);
    await quiet();
    const before = await countRows();
    for (const who of ["keeper-03", "manager-south"]) {
      expectProblem(expect, await resolve(who, id, { resolution: "keep_books" }), 404, "NOT_FOUND");
      expectProblem(expect, await as(who, "GET", `/api/discrepancies/${id}`), 404, "NOT_FOUND");
    }
    for (const who of ["warehouse-01", "tech-north", "admin", "integrator"]) {
      expectProblem(expect, await resolve(who, id, { resolution: "keep_books" }), 403, "FORBIDDEN");
    }
    expectProblem(expect, await resolve("ops", id, { resolution: "keep_books" }, NO_KEY), 400, "KEY_REQUIRED");
    for (const wrong of [
      { resolution: "guess" },
      { resolution: "recount" },
      { resolution: "recount", counted: -1 },
      { resolution: "recount", counted: 1.5 },
      { resolution: "accept_scan", counted: 3 },
      {},
    ]) {
      expectProblem(expect, await resolve("ops", id, wrong), 422, "VALIDATION");
    }
    expectProblem(expect, await resolve("ops", "dsc_nothing", { resolution: "keep_books" }), 404, "NOT_FOUND");
    expect(await countRows()).toEqual(before);
  });

  it("above the policy's limit only if they could approve it", async ({ expect }) => {
    await stock("warehouse-03", "Bin-R-9", 30, "PUMP-001");
    const { id } = await took("warehouse-03", "Bin-R-9", 31, { sku: "PUMP-001" });
    const verdict = { resolution: "accept_scan" };
    for (const who of ["keeper-03", "ops"]) expectProblem(expect, await resolve(who, id, verdict), 403, "OVER_LIMIT");
    expect((await resolve("manager-north", id, verdict)).status).toBe(200);
    expect((await levelOf("PUMP-001", "warehouse-03")).bins["Bin-R-9"] ?? 0).toBe(0);
  });
});

it("lists what the caller may see, newest first, by state, place and part, page by page", async ({ expect }) => {
  const list = async (who: string, query = "") => (await as(who, "GET", `/api/discrepancies${query}`)).body;
  const all = await list("ops");
  expect(all.data.length).toBeGreaterThan(5);
  const ids = all.data.map((row: { id: string }) => row.id);
  for (const [at, id] of ids.slice(1).entries()) expect(id < ids[at]).toBe(true);
  const places = new Set((await list("keeper-03")).data.map((row: { location: string }) => row.location));
  expect([...places]).toEqual(["warehouse-03"]);
  expect((await list("keeper-03", "?location=warehouse-01")).data).toEqual([]);
  const regions = new Set((await list("manager-north")).data.map((row: { region: string }) => row.region));
  expect([...regions]).toEqual(["north"]);
  const open = await list("ops", `?state=open&location=warehouse-01&sku=${SKU}`);
  expect(open.data).toMatchObject([{ state: "open", location: "warehouse-01", sku: SKU }]);
  const paged: string[] = [];
  for (let query = "?limit=2"; ;) {
    const page = await list("ops", query);
    paged.push(...page.data.map((row: { id: string }) => row.id));
    if (page.meta.next_cursor === null) break;
    query = `?limit=2&cursor=${page.meta.next_cursor}`;
  }
  expect(paged).toEqual(ids);
  expect((await list("ops", `?limit=${ids.length}`)).meta).toEqual({ count: ids.length, next_cursor: null });
  expectProblem(expect, await as("ops", "GET", "/api/discrepancies?cursor=%20"), 422, "VALIDATION");
});
