import { afterEach, beforeAll, describe, it } from "vitest";
import { APPROVAL_DUE_MS } from "../../src/config.ts";
import { faultyD1 } from "../support/faulty-d1.ts";
import { as, env, quiet, startWorld, until, type Answer } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { replayed, scanned, settledCommands } from "../support/offline.ts";
import { expectProblem } from "../support/problem.ts";
import { settled } from "../support/saga-world.ts";
import { openSocket } from "../support/socket.ts";
import { accepted, levelOf, sent, updateInventory } from "../support/stock.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

const SKU = "PUMP-001"; // 149.95 a piece

beforeAll(startWorld);
afterEach(async ({ expect }) => {
  await settledCommands();
  expect(await violations(env.DB)).toEqual([]);
});

let made = 0;

/** Puts pieces into a bin of their own. */
async function filled(device: string, pieces: number, sku = SKU): Promise<string> {
  const bin = `Bin-W-${made++}`;
  const done = await sent(device, updateInventory(device, sku, pieces, bin));
  if (done.state !== "applied") throw new Error(JSON.stringify(done));
  return bin;
}

function commandIs(id: string, ...states: string[]): Promise<Answer<any>["body"]> {
  return until(`command ${id} is ${states.join(" or ")}`, async () => {
    const { body } = await as("ops", "GET", `/api/commands/${id}`);
    return states.includes(body.state) ? body : null;
  });
}

/** The step that waits for the person on that command. */
function askedOf(who: string, commandId: string): Promise<Answer<any>["body"]> {
  return until(`${who} is asked about ${commandId}`, async () => {
    const { body } = await as(who, "GET", "/api/approvals");
    return body.data.find((step: any) => step.command?.command_id === commandId);
  });
}

function decide(
  who: string,
  step: { id: string; payload_hash: string },
  decision: "approve" | "reject",
  reason?: string,
) {
  return as(who, "POST", `/api/approvals/${step.id}/decision`, { decision, payload_hash: step.payload_hash, reason });
}

/** A write-off of 20 pumps: 2,999.00, above the limit of 2,500.00. */
async function writeOff(sender = "keeper-03", pieces = 20) {
  const bin = await filled("warehouse-03", 60);
  const command = updateInventory("warehouse-03", SKU, -pieces, bin, `write-off-${made}`);
  await accepted(sender, command);
  const id = command.id ?? "";
  return { id, bin, waiting: await commandIs(id, "awaiting_approval") };
}

/** Lets time pass and the relay look at what is due. */
async function pass(ms: number): Promise<void> {
  moveClock(ms);
  await settled();
}

describe("a change of stock above the limit", () => {
  it("waits for the region's manager, bound to exactly that change, and is applied once when approved", async ({
    expect,
  }) => {
    const before = await levelOf(SKU, "warehouse-03");
    const { id, bin, waiting } = await writeOff();
    expect(waiting).toMatchObject({ result: null, finished_at: null });
    expect((await levelOf(SKU, "warehouse-03")).on_hand).toBe(before.on_hand + 60);
    const step = await askedOf("manager-north", id);
    expect(step).toMatchObject({
      rule: "stock-value",
      request: null,
      command: {
        command_id: id,
        type: "UpdateInventory",
        sku: SKU,
        location: "warehouse-03",
        bin,
        change: -20,
        unit_price: 14_995,
        value: 299_900,
        currency: "USD",
      },
    });
    const decided = await decide("manager-north", step, "approve");
    expect(decided.body).toEqual({ step_id: step.id, command_id: id, state: "approved" });
    const done = await commandIs(id, "applied");
    expect(done.result).toMatchObject({ bin, on_hand: before.on_hand + 40 });
    expect((await levelOf(SKU, "warehouse-03")).bins[bin]).toBe(40);
    const { body: trail } = await as("ops", "GET", `/api/audit?subject=command/${id}`);
    expect(trail.data.map((row: any) => row.action).toSorted()).toEqual(["approval.approved", "approval.asked"]);
    await quiet();
    const { body: told } = await as("keeper-03", "GET", "/api/notifications");
    expect(told.data).toContainEqual(
      expect.objectContaining({ title: "manager-north: approve", link: `/api/commands/${id}` }),
    );
  });

  it("ends rejected with the approver's reason, and changes nothing", async ({ expect }) => {
    const { id, bin } = await writeOff();
    const step = await askedOf("manager-north", id);
    expect((await decide("manager-north", step, "reject", "count again")).status).toBe(200);
    expect(await commandIs(id, "rejected")).toMatchObject({
      reason: "rejected by manager-north (stock-value): count again",
      result: { code: "OVER_LIMIT" },
    });
    expect((await levelOf(SKU, "warehouse-03")).bins[bin]).toBe(60);
  });

  it("is asked about by its share of what is on hand too, unless that is worth little", async ({ expect }) => {
    const sku = "PUMP-002";
    const price = await env.DB.prepare("SELECT list_price AS p FROM parts WHERE sku = ?").bind(sku).first<number>("p");
    const pieces = Math.floor(240_000 / (price ?? 1));
    const bin = await filled("truck-004", pieces, sku);
    const all = updateInventory("truck-004", sku, -pieces, bin, "share-all");
    await accepted("truck-004", all);
    const asked = await commandIs("share-all", "awaiting_approval");
    expect(asked.state).toBe("awaiting_approval");
    const step = await askedOf("manager-south", "share-all");
    expect(step.rule).toBe("stock-share");
    await decide("manager-south", step, "approve");
    await commandIs("share-all", "applied");

    const few = await filled("truck-004", 1, "HOSE-001");
    expect(await sent("truck-004", updateInventory("truck-004", "HOSE-001", -1, few))).toMatchObject({
      state: "applied",
    });
  });

  it("never holds back a receipt, nor what the books refuse anyway", async ({ expect }) => {
    expect((await sent("warehouse-04", updateInventory("warehouse-04", SKU, 500, "Bin-A-big"))).state).toBe("applied");
    const tooMany = await sent("warehouse-04", updateInventory("warehouse-04", SKU, -501, "Bin-A-big"));
    expect(tooMany).toMatchObject({ state: "rejected", result: { code: "INSUFFICIENT_STOCK" } });
  });

  it.for([
    [
      "a receipt makes it one that the books have",
      { place: "truck-004", who: "manager-south", pieces: (n: number) => n - 2, meanwhile: 20, above: 250_000 },
    ],
    [
      "others take so much that its share is more",
      { place: "truck-005", who: "manager-east", pieces: (n: number) => 2 * n, meanwhile: -1, above: 100_000 },
    ],
  ] as const)(
    "is judged by the books that it is applied to: between the two %s",
    async ([, { place, who, pieces, meanwhile, above }], { expect }) => {
      const sku = "PUMP-003";
      const price = await env.DB.prepare("SELECT list_price AS p FROM parts WHERE sku = ?")
        .bind(sku)
        .first<number>("p");
      const taken = Math.floor(above / (price ?? 1)) + 1;
      const stocked = (await levelOf(sku, place)).on_hand;
      const bin = await filled(place, pieces(taken) - stocked, sku);
      const db = env.DB;
      const change = [meanwhile, sku, place] as const;
      const d1 = faultyD1({
        marker: sku,
        kind: "overtaken",
        times: 1,
        by: async () => {
          await db.batch([
            db.prepare("UPDATE stock_levels SET on_hand = on_hand + ?, version = version + 1 WHERE sku = ? AND location = ?").bind(...change), // prettier-ignore
            db.prepare("UPDATE stock_bins SET quantity = quantity + ? WHERE sku = ? AND location = ? AND bin = ?").bind(...change, bin), // prettier-ignore
            db.prepare("INSERT INTO stock_movements(id, quantity, sku, location, bin, kind, source, at) VALUES (?, ?, ?, ?, ?, 'adjustment', 'test', '2026-01-05T06:00:00.000Z')").bind(`mov_${bin}`, ...change, bin), // prettier-ignore
          ]);
        },
      });
      wrapBindings({ DB: d1.wrap });
      const id = `judged-${made}`;
      await accepted(place, updateInventory(place, sku, -taken, bin, id));
      expect((await commandIs(id, "awaiting_approval", "applied", "rejected")).state).toBe("awaiting_approval");
      expect(d1.hits(sku)).toBe(1);
      wrapBindings({});
      await decide(who, await askedOf(who, id), "reject");
      await commandIs(id, "rejected");
    },
  );

  it("goes to whoever's limit covers it, and ends where nobody's does", async ({ expect }) => {
    const bin = await filled("warehouse-03", 2_000);
    await accepted("keeper-03", updateInventory("warehouse-03", SKU, -40, bin, "too-dear-1")); // 5,998.00
    const step = await askedOf("manager-national", "too-dear-1");
    expectProblem(expect, await decide("manager-north", step, "approve"), 403, "FORBIDDEN");
    await decide("manager-national", step, "approve");
    await commandIs("too-dear-1", "applied");
    const refused = await sent("keeper-03", updateInventory("warehouse-03", SKU, -700, bin)); // 104,965.00
    expect(refused).toMatchObject({ state: "rejected", result: { code: "OVER_LIMIT" } });
    expect(refused.reason).toContain("Nobody's limit in north covers 104965.00 USD");
  });
});

describe("a decision on a command", () => {
  it("is one: ten clicks at once apply it once, and a later word loses to the first", async ({ expect }) => {
    const { id, bin } = await writeOff();
    const step = await askedOf("manager-north", id);
    const clicks = await Promise.all(
      Array.from({ length: 10 }, (_, at) => decide("manager-north", step, at % 2 ? "reject" : "approve")),
    );
    const statuses = clicks.map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 409)).toHaveLength(9);
    const { state } = await commandIs(id, "applied", "rejected");
    expect((await levelOf(SKU, "warehouse-03")).bins[bin]).toBe(state === "applied" ? 40 : 60);
    expectProblem(expect, await decide("manager-north", step, "approve"), 409, "ALREADY_DECIDED");
  });

  it("is for what was seen, by who was asked: another hash, another manager, the sender and a device can't", async ({
    expect,
  }) => {
    const { id } = await writeOff();
    const step = await askedOf("manager-north", id);
    const other = { ...step, payload_hash: "0".repeat(64) };
    expectProblem(expect, await decide("manager-north", other, "approve"), 409, "PAYLOAD_CHANGED");
    expectProblem(expect, await decide("manager-south", step, "approve"), 404, "NOT_FOUND");
    expectProblem(expect, await decide("manager-national", step, "approve"), 403, "FORBIDDEN");
    for (const who of ["keeper-03", "warehouse-03", "ops"]) {
      expectProblem(expect, await decide(who, step, "approve"), 403, "FORBIDDEN");
    }
    expect((await commandIs(id, "awaiting_approval")).state).toBe("awaiting_approval");
    await decide("manager-north", step, "reject");
    await commandIs(id, "rejected");
  });

  it("for a change is guarded still: pieces that went meanwhile make it end rejected", async ({ expect }) => {
    const { id, bin } = await writeOff();
    for (const pieces of [15, 15, 15]) {
      const taken = await sent("keeper-03", updateInventory("warehouse-03", SKU, -pieces, bin));
      expect(taken.state).toBe("applied");
    }
    await decide("manager-north", await askedOf("manager-north", id), "approve");
    expect(await commandIs(id, "rejected")).toMatchObject({ result: { code: "INSUFFICIENT_STOCK" } });
    expect((await levelOf(SKU, "warehouse-03")).bins[bin]).toBe(15);
  });
});

describe("nobody decides in time", () => {
  it("the next one up is asked, who alone can then approve it", async ({ expect }) => {
    const { id } = await writeOff();
    const first = await askedOf("manager-north", id);
    await pass(APPROVAL_DUE_MS + 1_000);
    const second = await askedOf("manager-national", id);
    expect(second.id).not.toBe(first.id);
    const late = await decide("manager-north", first, "approve");
    expectProblem(expect, late, 409, "ALREADY_DECIDED");
    await decide("manager-national", second, "approve");
    await commandIs(id, "applied");
    await quiet();
    const { body: told } = await as("manager-national", "GET", "/api/notifications");
    expect(told.data).toContainEqual(expect.objectContaining({ title: `${id} was escalated to you` }));
  });

  it("and nobody is left: it ends rejected, never waits for ever, and is reminded of before", async ({ expect }) => {
    const { id, bin } = await writeOff();
    await askedOf("manager-north", id);
    await pass(APPROVAL_DUE_MS * 0.6);
    const { body: told } = await as("manager-north", "GET", "/api/notifications");
    expect(told.data).toContainEqual(expect.objectContaining({ title: `Reminder: ${id} waits for you` }));
    await pass(APPROVAL_DUE_MS);
    await askedOf("manager-national", id);
    await pass(APPROVAL_DUE_MS + 1_000);
    const ended = await commandIs(id, "rejected");
    expect(ended).toMatchObject({ result: { code: "OVER_LIMIT" } });
    expect(ended.reason).toContain("manager-national didn't decide in time");
    expect((await levelOf(SKU, "warehouse-03")).bins[bin]).toBe(60);
  });
});

describe("a scan above the limit, by a device that was offline", () => {
  it("waits like any other, and doesn't hold up the device's later commands", async ({ expect }) => {
    const socket = await openSocket("warehouse-03", { hello: { device_type: "warehouse" } });
    const bin = await filled("warehouse-03", 60);
    const [big, small] = [
      scanned({ device: "warehouse-03", sku: SKU, change: -20, bin, sequence: 1 }),
      scanned({ device: "warehouse-03", sku: SKU, change: -1, bin, sequence: 2 }),
    ] as const;
    expect(await replayed("warehouse-03", [big, small])).toMatchObject([
      { id: big.id, status: "awaiting_approval" },
      { id: small.id, status: "applied" },
    ]);
    await decide("manager-north", await askedOf("manager-north", big.id), "approve");
    const ended = await socket.event("the end", ({ data }) => data.id === big.id && data.to === "applied");
    expect(ended.data).toMatchObject({ kind: "command", from: "awaiting_approval" });
    expect((await levelOf(SKU, "warehouse-03")).bins[bin]).toBe(39);
    socket.close();
  });

  it("that isn't approved is kept as a discrepancy, which the keeper can't resolve past the manager", async ({
    expect,
  }) => {
    const bin = await filled("warehouse-03", 60);
    const scan = scanned({ device: "warehouse-03", sku: SKU, change: -20, bin, sequence: 3 });
    await replayed("warehouse-03", [scan]);
    await decide("manager-north", await askedOf("manager-north", scan.id), "reject", "look again");
    const answer = await commandIs(scan.id, "rejected");
    expect(answer.reason).toContain("look again");
    const { body } = await as("keeper-03", "GET", "/api/discrepancies?state=open");
    expect(body.data).toMatchObject([{ command_id: scan.id, kind: "not_approved", expected: 60, found: 20 }]);
    const path = `/api/discrepancies/${body.data[0].id}/resolve`;
    const past = await as("keeper-03", "POST", path, { resolution: "accept_scan" });
    expectProblem(expect, past, 403, "OVER_LIMIT");
    expect((await as("keeper-03", "POST", path, { resolution: "keep_books" })).status).toBe(200);
    expect((await levelOf(SKU, "warehouse-03")).bins[bin]).toBe(60);
  });
});
