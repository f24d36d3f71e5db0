import { afterEach, beforeAll, it } from "vitest";
import { memoryStore } from "../../sdk/device/command-queue.ts";
import { as, env, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { lineOf, settledCommands } from "../support/offline.ts";
import { deviceOf, type Device } from "../support/offline-device.ts";
import { levelOf } from "../support/stock.ts";

const SKU = "HOSE-001";

beforeAll(startWorld);
afterEach(async ({ expect }) => {
  await settledCommands();
  expect(await violations(env.DB)).toEqual([]);
});

const put = (device: string, change: number) => ({
  device_id: device,
  sku: SKU,
  quantity_change: change,
  location: "Bin-Q",
});

async function make(device: Device, name: string, changes: readonly number[]): Promise<string[]> {
  const made = await Promise.all(changes.map((change) => device.queue.add("UpdateInventory", put(name, change))));
  return made.map(({ id }) => id);
}

const answered = (device: Device, count: number) =>
  until(`${count} ends were told`, async () => (device.ends.length >= count ? device.ends : null));

it("a device that was offline sends what it kept in order, and each has its end", async ({ expect }) => {
  const truck = await deviceOf("truck-001", "truck");
  const ids = await make(truck, "truck-001", [7, -2, -9, 1]);
  expect(truck.queue.kept().map(({ id, device_sequence: n }) => [id, n])).toEqual(ids.map((id, at) => [id, at + 1]));
  const socket = await truck.connect();
  const ends = await answered(truck, 4);
  const byId = new Map(ends.map(({ command, answer }) => [command.id, answer]));
  expect(ids.map((id) => byId.get(id))).toMatchObject([
    { status: "applied", data: { on_hand: 7 } },
    { status: "applied", data: { on_hand: 5 } },
    {
      status: "rejected",
      code: "INSUFFICIENT_STOCK",
      data: { expected: 5, found: 9, discrepancy_id: expect.any(String) },
    },
    { status: "applied", data: { on_hand: 6 } },
  ]);
  expect(truck.queue.kept()).toEqual([]);
  socket.cut();
});

it("a lost reply is asked for again, and nothing is done twice, however often the connection is cut", async ({
  expect,
}) => {
  const store = memoryStore();
  const truck = await deviceOf("truck-002", "truck", store);
  await make(truck, "truck-002", [5, -1, -1]);
  for (let cut = 0; cut < 4; cut++) {
    const socket = await truck.connect({ dropResults: true });
    await until("the hub has answered", async () => socket.results() > 0);
    socket.cut();
  }
  expect(truck.queue.kept()).toHaveLength(3);
  await settledCommands();

  // The device is switched off and on again: what it kept is what it goes on with.
  const restarted = await deviceOf("truck-002", "truck", store);
  const later = await make(restarted, "truck-002", [-1]);
  expect(restarted.queue.kept().map(({ device_sequence: n }) => n)).toEqual([1, 2, 3, 4]);
  const socket = await restarted.connect();
  const ends = await answered(restarted, 4);
  expect(ends.map(({ answer }) => answer.status)).toEqual(["applied", "applied", "applied", "applied"]);
  expect(ends.at(-1)?.command.id).toBe(later[0]);
  expect((await levelOf(SKU, "truck-002")).on_hand).toBe(2);
  expect(await lineOf("truck-002")).toHaveLength(4);
  expect((await store.load()).kept).toEqual([]);
  socket.cut();
});

it("what is made while the kept ones are sent comes after them: executed in the order made", async ({ expect }) => {
  const warehouse = await deviceOf("warehouse-02", "warehouse");
  await make(
    warehouse,
    "warehouse-02",
    Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? 3 : -2)),
  );
  const socket = await warehouse.connect();
  await make(
    warehouse,
    "warehouse-02",
    Array.from({ length: 10 }, () => 1),
  );
  await answered(warehouse, 30);
  expect(warehouse.ends.every(({ answer }) => answer.status === "applied")).toBe(true);
  expect((await levelOf(SKU, "warehouse-02")).bins["Bin-Q"]).toBe(20);
  const { results } = await env.DB.prepare(
    `SELECT c.device_sequence AS n FROM stock_movements m JOIN commands c ON m.source = 'command/' || c.id
     WHERE c.sender = 'device:warehouse-02' ORDER BY m.id`,
  ).all<{ n: number }>();
  expect(results.map(({ n }) => n)).toEqual(Array.from({ length: 30 }, (_, at) => at + 1));
  socket.cut();
});

it("a device that was set up anew, and numbers from 1 again, goes on after its highest number", async ({ expect }) => {
  const before = await deviceOf("truck-003", "truck");
  const first = await before.connect();
  await make(before, "truck-003", [4, -1]);
  await answered(before, 2);
  first.cut();

  const anew = await deviceOf("truck-003", "truck");
  await make(anew, "truck-003", [-1, -1]);
  const socket = await anew.connect();
  const ends = await answered(anew, 2);
  expect(ends.map(({ command, answer }) => [command.device_sequence, answer.status])).toEqual([
    [3, "applied"],
    [4, "applied"],
  ]);
  expect((await levelOf(SKU, "truck-003")).on_hand).toBe(1);
  socket.cut();
});

it("what waits for a person has its end when the person has decided", async ({ expect }) => {
  const warehouse = await deviceOf("warehouse-03", "warehouse");
  const socket = await warehouse.connect();
  const data = (change: number) => ({
    device_id: "warehouse-03",
    sku: "PUMP-001",
    quantity_change: change,
    location: "Bin-W",
  });
  await warehouse.queue.add("UpdateInventory", data(30));
  const { id } = await warehouse.queue.add("UpdateInventory", data(-20));
  const asked = await until("the manager is asked", async () => {
    const { body } = await as("manager-north", "GET", "/api/approvals");
    return body.data.find((step: { command: { command_id: string } | null }) => step.command?.command_id === id);
  });
  await answered(warehouse, 1);
  expect(warehouse.queue.kept().map((command) => command.id)).toEqual([id]);
  const vote = { decision: "approve", payload_hash: asked.payload_hash };
  await as("manager-north", "POST", `/api/approvals/${asked.id}/decision`, vote);
  const ends = await answered(warehouse, 2);
  expect(ends[1]).toMatchObject({ command: { id }, answer: { status: "applied" } });
  socket.cut();
});
