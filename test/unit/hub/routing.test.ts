import { describe, it } from "vitest";
import type { Message, MessageType } from "../../../src/domain/events.ts";
import {
  defaultTopics,
  grantTopics,
  hubName,
  isForDevices,
  matches,
  mayReceive,
  shardOf,
  topicsOf,
  type HubIdentity,
} from "../../../src/domain/hub/routing.ts";

const TRUCK: HubIdentity = {
  device_id: "truck-002",
  device_type: "truck",
  region: "north",
  role: "device",
  credential_version: 1,
};
const MANAGER: HubIdentity = { ...TRUCK, device_id: "manager-north", device_type: "person", role: "manager" };
const OPS: HubIdentity = { ...MANAGER, device_id: "ops", role: "operations", region: null };

function message(type: MessageType, data: object): Message {
  return { type, data } as unknown as Message;
}

describe("the hub of a device", () => {
  it("is named by region and shard", ({ expect }) => {
    expect(hubName("north", 2)).toBe("hub:north:2");
  });

  it("is spread evenly, also for ids that differ in their last digit only", ({ expect }) => {
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < 4_000; i++) {
      const shard = shardOf(`truck-${String(i).padStart(4, "0")}`, 4);
      counts[shard] = (counts[shard] ?? 0) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(850);
  });

  it("moves only to the new shard when a shard is added, and then about one device in five", ({ expect }) => {
    const ids = Array.from({ length: 2_000 }, (_, i) => `truck-${i}`);
    const moved = ids.filter((id) => shardOf(id, 4) !== shardOf(id, 5));
    expect(moved.every((id) => shardOf(id, 5) === 4)).toBe(true);
    expect(moved.length).toBeGreaterThan(300);
    expect(moved.length).toBeLessThan(500);
  });
});

describe("the topics of an event", () => {
  it("are the region, the device that asked and the request", ({ expect }) => {
    expect(topicsOf(message("ResponseReady", { request_id: "req_1", device_id: "truck-001" }), "north")).toEqual([
      "all",
      "region:north",
      "device:truck-001",
      "request:req_1",
    ]);
  });

  it("name the part of a stock change, and the request of a status change", ({ expect }) => {
    expect(topicsOf(message("InventoryUpdated", { sku: "BRK-1" }), "north")).toEqual([
      "all",
      "region:north",
      "sku:BRK-1",
    ]);
    const changed = message("StatusChanged", { kind: "request", id: "req_9" });
    expect(topicsOf(changed, "north")).toContain("request:req_9");
    const order = message("StatusChanged", { kind: "order", id: "ord_9", request_id: "req_9" });
    expect(topicsOf(order, "north")).toContain("request:req_9");
    expect(topicsOf(order, "north")).not.toContain("request:ord_9");
  });

  it("are none for what stays inside", ({ expect }) => {
    for (const type of ["ResponseCreated", "ImportCompleted", "ApprovalDue", "CacheDropDue"] as const) {
      expect(isForDevices(type)).toBe(false);
      expect(topicsOf(message(type, { request_id: "req_1", keys: [] }), "north")).toEqual([]);
    }
  });

  it("are operations' alone for a circuit, and the sender's for a refused command", ({ expect }) => {
    expect(topicsOf(message("CircuitOpened", { dependency: "acme" }), "north")).toEqual(["all"]);
    expect(topicsOf(message("CommandRejected", { device_id: "truck-002" }), "north")).toEqual([
      "all",
      "device:truck-002",
    ]);
  });

  it("reach every region for a part that has no region", ({ expect }) => {
    const topics = topicsOf(message("PartUpdated", { sku: "BRK-1" }), null);
    expect(matches(["region:north"], topics)).toBe(true);
    expect(matches(["region:south"], topics)).toBe(true);
    expect(matches(["device:truck-002"], topics)).toBe(false);
  });
});

describe("permission", () => {
  it("gives a device that names nothing its own mail and its region: it sees a neighbour's answer", ({ expect }) => {
    expect(defaultTopics(TRUCK)).toEqual(["device:truck-002", "region:north"]);
    const topics = topicsOf(message("ResponseReady", { request_id: "req_1", device_id: "truck-001" }), "north");
    expect(mayReceive(TRUCK, defaultTopics(TRUCK), { type: "ResponseReady", topics })).toBe(true);
  });

  it("is denied by default", ({ expect }) => {
    const wanted = ["device:truck-002", "region:north", "sku:BRK-1", "request:req_1"];
    const not = [
      "all",
      "region:south",
      "region:*",
      "device:truck-001",
      "",
      "stock:1",
      "region:",
      "sku:a b",
      "Region:north",
    ];
    expect(grantTopics(TRUCK, [...wanted, ...not, "sku:BRK-1"])).toEqual({ granted: wanted, refused: not });
  });

  it("lets managers and operations listen to a device, and operations alone to everything", ({ expect }) => {
    expect(grantTopics(MANAGER, ["device:truck-001", "all", "region:south"])).toEqual({
      granted: ["device:truck-001"],
      refused: ["all", "region:south"],
    });
    expect(grantTopics(OPS, ["all", "device:truck-001", "region:south", "region:*"])).toEqual({
      granted: ["all", "device:truck-001", "region:south"],
      refused: ["region:*"],
    });
    expect(defaultTopics(OPS)).toEqual(["device:ops"]);
  });

  it("is checked again at publish: a topic held from better days brings nothing", ({ expect }) => {
    const event = { type: "CircuitOpened", topics: ["all"] };
    expect(mayReceive(OPS, ["all"], event)).toBe(true);
    expect(mayReceive({ ...OPS, role: "technician" }, ["all"], event)).toBe(false);
  });

  it("keeps approvals from trucks of the region, but for those whom they name", ({ expect }) => {
    const data = { request_id: "req_1", approver: "manager-north" };
    const event = { type: "ApprovalRequested", topics: topicsOf(message("ApprovalRequested", data), "north") };
    expect(mayReceive(TRUCK, ["region:north", "request:req_1"], event)).toBe(false);
    expect(mayReceive(MANAGER, ["region:north"], event)).toBe(true);
    const keeper: HubIdentity = { ...TRUCK, device_id: "manager-north", role: "keeper" };
    expect(mayReceive(keeper, ["device:manager-north"], event)).toBe(true);
  });
});
