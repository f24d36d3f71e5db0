import { afterEach, beforeAll, describe, it } from "vitest";
import { command, expectRefused, sentOften } from "../support/commands.ts";
import { as, env, quiet, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { seedPart } from "../support/saga-world.ts";
import { openSocket } from "../support/socket.ts";
import { levelOf, sent, updateInventory } from "../support/stock.ts";

beforeAll(startWorld);

afterEach(async ({ expect }) => {
  await quiet();
  expect(await violations(env.DB)).toEqual([]);
});

let parts = 0;

/** 10 in Bin-1 and 4 in Bin-2 of warehouse-03, 9 at warehouse-04 of another region. */
async function newPart(): Promise<string> {
  const sku = `ST-${++parts}`;
  const shelf = (location: string, bin: string, quantity: number) => ({ location, bin, quantity });
  const shelves = [
    shelf("warehouse-03", "Bin-1", 10),
    shelf("warehouse-03", "Bin-2", 4),
    shelf("warehouse-04", "Bin-1", 9),
  ];
  await seedPart(sku, { price: 100, shelves });
  return sku;
}

/** Reserves so many of the part until the test ends it. */
async function reserve(sku: string, quantity: number): Promise<() => Promise<unknown>> {
  const level = (by: number) =>
    env.DB.prepare("UPDATE stock_levels SET reserved = reserved + ? WHERE sku = ? AND location = 'warehouse-03'").bind(
      by,
      sku,
    );
  await env.DB.batch([
    level(quantity),
    env.DB.prepare("INSERT INTO reservations VALUES (?, ?, 'warehouse-03', ?, 'open', '9999')").bind(
      `held-${sku}`,
      sku,
      quantity,
    ),
  ]);
  return () =>
    env.DB.batch([level(-quantity), env.DB.prepare("DELETE FROM reservations WHERE order_id = ?").bind(`held-${sku}`)]);
}

const count = (sku: string, counted: number, more: object = {}) =>
  command("CountStock", { device_id: "warehouse-03", sku, location: "Bin-1", counted, ...more });

describe("CountStock", () => {
  it("sets the bin to what was counted by a movement of the difference, once, and tells the region", async ({
    expect,
  }) => {
    const socket = await openSocket("truck-001");
    await socket.frame("welcome");
    const sku = await newPart();
    const { ended, after, moved, movedAgain } = await sentOften("warehouse-03", count(sku, 7, { reason: "stocktake" }));
    expect(ended).toMatchObject({
      state: "applied",
      result: { sku, location: "warehouse-03", bin: "Bin-1", counted: 7, difference: -3, on_hand: 11 },
    });
    expect(after).toEqual(ended);
    expect([moved, movedAgain]).toEqual([1, 0]);
    expect(await levelOf(sku, "warehouse-03")).toMatchObject({ on_hand: 11, bins: { "Bin-1": 7, "Bin-2": 4 } });
    const movement = await env.DB.prepare("SELECT kind, quantity FROM stock_movements WHERE source = ?")
      .bind(`command/${ended.id}`)
      .first();
    expect(movement).toEqual({ kind: "count", quantity: -3 });
    const told = await socket.event("InventoryUpdated", ({ subject }) => subject === `stock/${sku}@warehouse-03`);
    expect(told.data).toMatchObject({ bin: "Bin-1", quantity_change: -3, on_hand: 11 });
    const { body: trail } = await as("ops", "GET", `/api/audit?subject=stock/${sku}@warehouse-03`);
    expect(trail.data).toEqual([expect.objectContaining({ action: "stock.counted", reason: "stocktake" })]);
    socket.close();
  });

  it("that finds what the books say writes the trail and nothing else", async ({ expect }) => {
    const sku = await newPart();
    const before = await levelOf(sku, "warehouse-03");
    const { ended, moved } = await sentOften("keeper-03", count(sku, 10));
    expect(ended).toMatchObject({ state: "applied", result: { counted: 10, difference: 0, on_hand: 14 } });
    expect([moved, await levelOf(sku, "warehouse-03")]).toEqual([0, before]);
    const { body: trail } = await as("ops", "GET", `/api/audit?subject=stock/${sku}@warehouse-03`);
    expect(trail.data).toHaveLength(1);
  });

  it("opens a bin in which pieces are found, and takes an unknown one in which there are none as it is", async ({
    expect,
  }) => {
    const sku = await newPart();
    expect((await sent("warehouse-03", count(sku, 2, { location: "Bin-9" }))).result).toMatchObject({ difference: 2 });
    expect((await sent("warehouse-03", count(sku, 0, { location: "Bin-8" }))).result).toMatchObject({ difference: 0 });
    expect((await levelOf(sku, "warehouse-03")).bins).toEqual({ "Bin-1": 10, "Bin-2": 4, "Bin-9": 2 });
    const other = `ST-NEW-${parts}`;
    await seedPart(other);
    expect((await sent("warehouse-03", count(other, 3))).result).toMatchObject({ difference: 3, on_hand: 3 });
  });

  it("that would leave less than is reserved is rejected with the figures", async ({ expect }) => {
    const sku = await newPart();
    const free = await reserve(sku, 12);
    const ended = await sent("warehouse-03", count(sku, 7));
    expect(ended).toMatchObject({
      state: "rejected",
      reason: `warehouse-03 would have 11 of ${sku}, but 12 are reserved`,
      result: {
        code: "INSUFFICIENT_STOCK",
        pointer: "/data/counted",
        counted: 7,
        in_bin: 10,
        on_hand: 14,
        reserved: 12,
      },
    });
    expect((await sent("warehouse-03", count(sku, 8))).result).toMatchObject({ difference: -2, on_hand: 12 });
    await free();
  });

  it("begun when the bin held something else is rejected: it would undo what happened since", async ({ expect }) => {
    const sku = await newPart();
    await sent("warehouse-03", updateInventory("warehouse-03", sku, -4, "Bin-1"));
    const ended = await sent("warehouse-03", count(sku, 10, { expected: 10 }));
    expect(ended).toMatchObject({
      state: "rejected",
      reason: `Bin-1 held 10 of ${sku} when it was counted and holds 6 now: count it again`,
      result: { code: "CONFLICT", expected: 10, in_bin: 6 },
    });
    expect((await sent("warehouse-03", count(sku, 5, { expected: 6 }))).result).toMatchObject({ difference: -1 });
  });

  it("of a device that was offline is kept as a discrepancy where the books contradict it", async ({ expect }) => {
    const sku = await newPart();
    const free = await reserve(sku, 12);
    const { version } = await levelOf(sku, "warehouse-03");
    const numbered = { ...count(sku, 3), device_sequence: 1, seen_version: version };
    const ended = await sent("warehouse-03", numbered);
    expect(ended).toMatchObject({ state: "rejected", result: { discrepancy_id: expect.any(String) } });
    const kept = await env.DB.prepare(
      "SELECT kind, says, expected, found, state FROM discrepancies WHERE command_id = ?",
    )
      .bind(numbered.id)
      .first();
    expect(kept).toEqual({ kind: "count", says: "counted", expected: 10, found: 3, state: "open" });
    await free();
  });

  it("that writes off more than the policy's limit waits for a person, and is then applied to the piece", async ({
    expect,
  }) => {
    const sku = `ST-DEAR-${++parts}`;
    await seedPart(sku, { price: 50_000, shelves: [{ location: "warehouse-03", bin: "Bin-1", quantity: 10 }] });
    const ended = await sent("warehouse-03", count(sku, 3));
    expect(ended.state).toBe("awaiting_approval");
    const asked = await until("the manager is asked", async () => {
      const { body } = await as("manager-north", "GET", "/api/approvals");
      return body.data.find((step: { command?: { command_id: string } }) => step.command?.command_id === ended.id);
    });
    const decision = { decision: "approve", payload_hash: asked.payload_hash, reason: "seen it" };
    expect((await as("manager-north", "POST", `/api/approvals/${asked.id}/decision`, decision)).status).toBe(200);
    const after = await until("the count is applied", async () => {
      const { body } = await as("warehouse-03", "GET", `/api/commands/${ended.id}`);
      return body.state === "awaiting_approval" ? null : body;
    });
    expect(after).toMatchObject({ state: "applied", result: { counted: 3, difference: -7, on_hand: 3 } });
  });

  it("side by side with changes leaves what the last one counted, or counted plus what came after", async ({
    expect,
  }) => {
    const sku = await newPart();
    const all = await Promise.all([
      ...Array.from({ length: 6 }, (_, at) => sent("warehouse-03", count(sku, 20 + at))),
      ...Array.from({ length: 6 }, () => sent("warehouse-03", updateInventory("warehouse-03", sku, 1, "Bin-1"))),
    ]);
    expect(new Set(all.map(({ state }) => state))).toEqual(new Set(["applied"]));
    const left = (await levelOf(sku, "warehouse-03")).bins["Bin-1"] ?? 0;
    expect(left).toBeGreaterThanOrEqual(20);
    expect(left).toBeLessThanOrEqual(31);
  });
});

describe("SetMinimum", () => {
  const set = (data: object) => command("SetMinimum", data);

  it("keeps what a place should hold, by a device there or by its name, once", async ({ expect }) => {
    const sku = await newPart();
    const { ended, after } = await sentOften(
      "warehouse-03",
      set({ device_id: "warehouse-03", sku, minimum: 3, maximum: 40 }),
    );
    expect(ended.result).toMatchObject({ location: "warehouse-03", minimum: 3, maximum: 40, on_hand: 14, low: false });
    expect(after).toEqual(ended);
    expect((await sent("ops", set({ location: "warehouse-02", sku, minimum: 1 }))).result).toMatchObject({
      on_hand: 0,
      low: true,
    });
    expect((await sent("keeper-03", set({ location: "warehouse-03", sku, minimum: 4 }))).result).toMatchObject({
      minimum: 4,
      maximum: 40,
    });
    const over = await sent("keeper-03", set({ location: "warehouse-03", sku, minimum: 41 }));
    expect(over).toMatchObject({ state: "rejected", result: { code: "VALIDATION", pointer: "/data/minimum" } });
    const none = await sent("keeper-03", set({ location: "warehouse-03", sku, minimum: 41, maximum: null }));
    expect(none.result).toMatchObject({ minimum: 41, maximum: null, low: true });
    const { body } = await as("keeper-03", "GET", `/api/stock?sku=${sku}&low=true`);
    expect(body.data.map((row: { location: string }) => row.location)).toEqual(["warehouse-02", "warehouse-03"]);
  });

  it("is refused for another's place and for what can't be", async ({ expect }) => {
    const sku = await newPart();
    for (const [who, data, refusal] of [
      ["warehouse-03", { location: "warehouse-01", sku, minimum: 1 }, [403, "FORBIDDEN"]],
      ["keeper-03", { location: "warehouse-01", sku, minimum: 1 }, [403, "FORBIDDEN"]],
      ["keeper-03", { location: "warehouse-04", sku, minimum: 1 }, [422, "UNKNOWN_REFERENCE", "/data/location"]],
      ["warehouse-03", { device_id: "truck-001", sku, minimum: 1 }, [403, "FORBIDDEN"]],
      ["ops", { location: "nowhere", sku, minimum: 1 }, [422, "UNKNOWN_REFERENCE", "/data/location"]],
      ["ops", { sku, minimum: 1 }, [422, "VALIDATION", "/data/location"]],
      [
        "ops",
        { location: "warehouse-03", device_id: "warehouse-03", sku, minimum: 1 },
        [422, "VALIDATION", "/data/location"],
      ],
      ["ops", { location: "warehouse-03", sku: "NONE-1", minimum: 1 }, [422, "UNKNOWN_REFERENCE", "/data/sku"]],
      ["ops", { location: "warehouse-03", sku, minimum: -1 }, [422, "VALIDATION", "/data/minimum"]],
      ["ops", { location: "warehouse-03", sku, minimum: 5, maximum: 4 }, [422, "VALIDATION", "/data/maximum"]],
    ] as const) {
      await expectRefused(expect, who, set(data), refusal);
    }
  });
});

describe("bad input", () => {
  it("names the field, and lists the known types for an unknown one", async ({ expect }) => {
    const sku = await newPart();
    for (const [one, refusal] of [
      [count(sku, -1), [422, "VALIDATION", "/data/counted"]],
      [count(sku, 0.5), [422, "VALIDATION", "/data/counted"]],
      [count(sku, 2 ** 53 + 2), [422, "VALIDATION", "/data/counted"]],
      [count("NONE-1", 1), [422, "UNKNOWN_REFERENCE", "/data/sku"]],
      [count(sku, 1, { location: "warehouse-01/Bin-1" }), [403, "FORBIDDEN"]],
      [count(sku, 1, { location: "nowhere/Bin-1" }), [422, "UNKNOWN_REFERENCE", "/data/location"]],
      [count(sku, 1, { device_id: "warehouse-04" }), [403, "FORBIDDEN"]],
      [updateInventory("warehouse-03", sku, 0, "Bin-1"), [422, "VALIDATION", "/data/quantity_change"]],
      [updateInventory("warehouse-03", sku, 2 ** 53 + 2, "Bin-1"), [422, "VALIDATION", "/data/quantity_change"]],
    ] as const) {
      await expectRefused(expect, "warehouse-03", one, refusal);
    }
    const unknown = await as("warehouse-03", "POST", "/api/commands", command("MoveStock", {}));
    expect(unknown.body.errors).toEqual([
      {
        pointer: "/type",
        detail:
          "must be one of UpdateInventory, UpdatePart, CountStock, SetMinimum, ShipTransfer, ReceiveTransfer, ReceivePurchaseOrder",
      },
    ]);
    expect((await sent("warehouse-03", count(sku, 9))).state).toBe("applied");
  });
});

describe("GET /api/commands", () => {
  it("lists by state and sender, newest first, a device its own and a person their region's, page by page", async ({
    expect,
  }) => {
    const sku = await newPart();
    const bad = await sent("warehouse-01", updateInventory("warehouse-01", sku, -1, "Bin-7"));
    const applied = await sent("warehouse-01", updateInventory("warehouse-01", sku, 1, "Bin-7"));
    const list = async (who: string, query: string) => (await as(who, "GET", `/api/commands?${query}`)).body;
    const ids = (body: { data: { id: string }[] }) => body.data.map(({ id }) => id);
    expect(ids(await list("warehouse-01", ""))).toEqual([bad.id]);
    expect(ids(await list("warehouse-01", "state=applied"))).toEqual([applied.id]);
    expect(ids(await list("warehouse-01", "sender=device:warehouse-03"))).toEqual([]);
    const [row] = (await list("keeper-03", "state=rejected&sender=device:warehouse-01")).data;
    expect(row).toMatchObject({
      id: bad.id,
      sender: "device:warehouse-01",
      data: { sku },
      result: { code: "INSUFFICIENT_STOCK" },
    });
    expect(ids(await list("manager-south", ""))).toEqual([]);
    const whole = ids(await list("ops", "state=applied"));
    expect(whole.length).toBeGreaterThan(10);
    const paged: string[] = [];
    for (let cursor = ""; ;) {
      const page = await list("ops", `state=applied&limit=4${cursor}`);
      paged.push(...ids(page));
      if (page.meta.next_cursor === null) break;
      cursor = `&cursor=${page.meta.next_cursor}`;
    }
    expect(paged).toEqual(whole);
    expect((await as("ops", "GET", "/api/commands?cursor=none")).status).toBe(422);
    expect((await as("ops", "GET", "/api/commands?state=lost")).status).toBe(422);
    expect((await as("tech-north", "GET", "/api/commands")).status).toBe(403);
  });
});
