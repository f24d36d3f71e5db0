import { afterEach, beforeAll, describe, it } from "vitest";
import { as, env, startWorld, until, type Answer } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { replayed, scanned, settledCommands } from "../support/offline.ts";
import { accepted, levelOf, sent, updateInventory } from "../support/stock.ts";

const SKU = "HOSE-001";

beforeAll(startWorld);
afterEach(async ({ expect }) => {
  await settledCommands();
  expect(await violations(env.DB)).toEqual([]);
});

interface Counted {
  readonly device: string;
  readonly bin: string;
  readonly counted: number;
  readonly sequence: number;
  readonly seen?: number;
  readonly expected?: number;
  readonly sku?: string;
}

function count({ device, bin, counted, sequence, seen, expected, sku = SKU }: Counted) {
  return {
    id: `count-${device}-${sequence}`,
    type: "CountStock",
    device_sequence: sequence,
    data: { device_id: device, sku, location: bin, counted, ...(expected === undefined ? {} : { expected }) },
    ...(seen === undefined ? {} : { seen_version: seen }),
  };
}

const put = (device: string, bin: string, pieces: number, sku = SKU) =>
  sent(device, updateInventory(device, sku, pieces, bin));
const versionOf = async (device: string, sku = SKU) => (await levelOf(sku, device)).version;

function discrepancyOf(answer: Answer<any>["body"]): Promise<Answer<any>["body"]> {
  return as("ops", "GET", `/api/discrepancies/${answer.data.discrepancy_id}`).then(({ body }) => body);
}

describe("a count made offline", () => {
  it("of stock that nobody has changed since sets the bin", async ({ expect }) => {
    await put("truck-001", "Bin-C", 9);
    const seen = await versionOf("truck-001");
    const answers = await replayed("truck-001", [
      count({ device: "truck-001", bin: "Bin-C", counted: 7, sequence: 1, seen }),
    ]);
    expect(answers).toMatchObject([{ status: "applied" }]);
    expect((await levelOf(SKU, "truck-001")).bins["Bin-C"]).toBe(7);
  });

  it("isn't made stale by what the device itself did before it", async ({ expect }) => {
    await put("truck-002", "Bin-C", 9);
    const seen = await versionOf("truck-002");
    const answers = await replayed("truck-002", [
      scanned({ device: "truck-002", sku: SKU, change: -2, bin: "Bin-C", sequence: 1, seen }),
      scanned({ device: "truck-002", sku: SKU, change: 1, bin: "Bin-C", sequence: 2, seen }),
      count({ device: "truck-002", bin: "Bin-C", counted: 6, sequence: 3, seen }),
    ]);
    expect(answers.map(({ status }: { status: string }) => status)).toEqual(["applied", "applied", "applied"]);
    expect((await levelOf(SKU, "truck-002")).bins["Bin-C"]).toBe(6);
  });

  it("that agreed makes none after it look like the device's own doing: what others took meanwhile is seen", async ({
    expect,
  }) => {
    await put("truck-006", "Bin-A", 5);
    await put("truck-006", "Bin-C", 10);
    const seen = await versionOf("truck-006");
    await put("truck-006", "Bin-C", -4);
    const answers = await replayed("truck-006", [
      count({ device: "truck-006", bin: "Bin-A", counted: 5, sequence: 1, seen }),
      count({ device: "truck-006", bin: "Bin-C", counted: 10, sequence: 2, seen }),
    ]);
    expect(answers).toMatchObject([{ status: "applied" }, { status: "rejected", code: "CONFLICT" }]);
    expect((await levelOf(SKU, "truck-006")).bins["Bin-C"]).toBe(6);
  });

  it("that others have overtaken is kept, changes nothing, and holds once a person says so", async ({ expect }) => {
    await put("warehouse-03", "Bin-C", 9);
    const seen = await versionOf("warehouse-03");
    await put("warehouse-03", "Bin-C", 5);
    const [answer] = await replayed("warehouse-03", [
      count({ device: "warehouse-03", bin: "Bin-C", counted: 8, sequence: 1, seen }),
    ]);
    expect(answer).toMatchObject({ status: "rejected", code: "CONFLICT", data: { expected: 14, found: 8 } });
    const kept = await discrepancyOf(answer);
    expect(kept).toMatchObject({ kind: "stale", says: "counted", seen_version: seen, version: seen + 1 });
    expect((await levelOf(SKU, "warehouse-03")).bins["Bin-C"]).toBe(14);
    const path = `/api/discrepancies/${kept.id}/resolve`;
    expect((await as("keeper-03", "POST", path, { resolution: "accept_scan" })).status).toBe(200);
    expect((await levelOf(SKU, "warehouse-03")).bins["Bin-C"]).toBe(8);
  });

  it("that finds what the books say is right however old it is", async ({ expect }) => {
    await put("truck-003", "Bin-C", 9);
    const seen = await versionOf("truck-003");
    await put("truck-003", "Bin-D", 5);
    const [answer] = await replayed("truck-003", [
      count({ device: "truck-003", bin: "Bin-C", counted: 9, sequence: 1, seen }),
    ]);
    expect(answer).toMatchObject({ status: "applied" });
  });

  it("that was begun on other books, or finds less than is reserved, is kept too", async ({ expect }) => {
    await put("truck-004", "Bin-C", 9);
    const reserve = [
      "UPDATE stock_levels SET reserved = reserved + 6 WHERE sku = 'HOSE-001' AND location = 'truck-004'",
      `INSERT INTO reservations(order_id, sku, location, quantity, state, expires_at)
        VALUES ('ord_held', 'HOSE-001', 'truck-004', 6, 'open', '2099-01-01T00:00:00.000Z')`,
      `INSERT INTO outbox(event_id, bucket, type, subject, event, created_at, not_before, want)
        VALUES ('evt_held', 0, 'ReservationDue', 'order/ord_held', '{}', '', '2099-01-01T00:00:00.000Z', 64)`,
    ];
    await env.DB.batch(reserve.map((text) => env.DB.prepare(text)));
    const answers = await replayed("truck-004", [
      count({ device: "truck-004", bin: "Bin-C", counted: 8, sequence: 1, expected: 10 }),
      count({ device: "truck-004", bin: "Bin-C", counted: 5, sequence: 2 }),
    ]);
    const kept = await Promise.all(answers.map(discrepancyOf));
    expect(kept).toMatchObject([
      { kind: "stale", expected: 9, found: 8 },
      { kind: "count", expected: 9, found: 5 },
    ]);
    expect((await levelOf(SKU, "truck-004")).on_hand).toBe(9);
  });
});

describe("a count whose difference is above the limit", () => {
  const PUMP = "PUMP-001"; // 149.95 a piece

  async function counting(id: string, bin: string, counted: number) {
    const data = { device_id: "warehouse-03", sku: PUMP, location: bin, counted };
    await accepted("keeper-03", { id, type: "CountStock", data });
    return until(`a manager is asked about ${id}`, async () => {
      const { body } = await as("manager-north", "GET", "/api/approvals");
      return body.data.find((step: any) => step.command?.command_id === id);
    });
  }
  const approve = (step: any) =>
    as("manager-north", "POST", `/api/approvals/${step.id}/decision`, {
      decision: "approve",
      payload_hash: step.payload_hash,
    });
  const ended = (id: string) =>
    until(`${id} has ended`, async () => {
      const { body } = await as("ops", "GET", `/api/commands/${id}`);
      return ["applied", "rejected"].includes(body.state) ? body : null;
    });

  it("waits for a manager in either direction, and is applied when approved", async ({ expect }) => {
    await put("warehouse-03", "Bin-P1", 60, PUMP);
    const less = await counting("count-less-1", "Bin-P1", 40);
    expect(less.command).toMatchObject({ type: "CountStock", change: -20, value: 299_900 });
    await approve(less);
    expect(await ended("count-less-1")).toMatchObject({ state: "applied" });
    const more = await counting("count-more-1", "Bin-P1", 60);
    expect(more.command).toMatchObject({ change: 20 });
    await approve(more);
    expect(await ended("count-more-1")).toMatchObject({ state: "applied" });
    expect((await levelOf(PUMP, "warehouse-03")).bins["Bin-P1"]).toBe(60);
  });

  it("isn't done when by then the difference is another than was approved", async ({ expect }) => {
    await put("warehouse-03", "Bin-P2", 60, PUMP);
    const step = await counting("count-moved-1", "Bin-P2", 40);
    await put("warehouse-03", "Bin-P2", 1, PUMP);
    await approve(step);
    expect(await ended("count-moved-1")).toMatchObject({
      state: "rejected",
      reason: "a change of -20 was approved, and by now it would be -21",
      result: { code: "PAYLOAD_CHANGED" },
    });
    expect((await levelOf(PUMP, "warehouse-03")).bins["Bin-P2"]).toBe(61);
  });
});
