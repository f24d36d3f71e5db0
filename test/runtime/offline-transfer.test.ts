import { beforeAll, it } from "vitest";
import { as, env, quiet, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { replayed } from "../support/offline.ts";
import { levelOf, sent, updateInventory } from "../support/stock.ts";

beforeAll(startWorld);

it("a transfer of more than the books have is kept by its first such line, and the transfer itself ends rejected", async ({
  expect,
}) => {
  const device = "warehouse-05";
  await sent(device, updateInventory(device, "HOSE-001", 3, "Bin-H"));
  const [answer] = await replayed(device, [
    {
      id: "ship-offline",
      type: "ShipTransfer",
      device_sequence: 1,
      data: {
        device_id: device,
        to_location: "truck-005",
        lines: [{ sku: "HOSE-001", quantity: 5, bin: "Bin-H" }],
      },
    },
  ]);
  expect(answer).toMatchObject({ status: "rejected", code: "INSUFFICIENT_STOCK" });
  const { body: kept } = await as("ops", "GET", `/api/discrepancies/${answer.data.discrepancy_id}`);
  expect(kept).toMatchObject({ kind: "shortage", says: "taken", sku: "HOSE-001", bin: "Bin-H", expected: 3, found: 5 });
  expect((await levelOf("HOSE-001", device)).bins["Bin-H"]).toBe(3);
  await quiet();
  expect(await violations(env.DB)).toEqual([]);
});
