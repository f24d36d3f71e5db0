/** What is wrong is refused clearly, and nothing that is right has to wait for it. */
import { beforeAll, describe, it } from "vitest";
import { as, quiet, requestIs, startWorld, tokenOf, call, type Answer } from "../support/harness.ts";
import { expectProblem } from "../support/problem.ts";
import { deliverMessages } from "../support/relay.ts";
import { countRows } from "../support/rows.ts";
import { levelOf, sent, updateInventory } from "../support/stock.ts";
import { uploadLines } from "../support/uploading.ts";

beforeAll(startWorld);

const ROWS = 100_000;

/** Sends text as it stands: a number that JavaScript can't hold must get there. */
async function post(who: string, path: string, type: string, text: string): Promise<Answer<any>> {
  const headers = {
    authorization: `Bearer ${await tokenOf(who)}`,
    "content-type": type,
    "idempotency-key": crypto.randomUUID(),
  };
  const answer = await call(path, { method: "POST", headers, body: text });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

async function oneGoesOn(): Promise<string> {
  return (await sent("warehouse-03", updateInventory("warehouse-03", "PUMP-001", 1, "Bin-A-12"))).state;
}

describe("a command", () => {
  it.for(["0", "-0", "0.5", "1e-3", "9007199254740993", "-9007199254740993", "1e400", "1000000001"])(
    "of a quantity of %s is refused at that field, and the next one is applied",
    async (quantity, { expect }) => {
      await quiet();
      const before = await countRows();
      const text = `{"type":"UpdateInventory","data":{"device_id":"warehouse-03","sku":"PUMP-001","quantity_change":${quantity},"location":"Bin-A-12"}}`;
      const answer = await post("warehouse-03", "/api/commands", "application/json", text);
      expectProblem(expect, answer, 422, "VALIDATION");
      const pointers = answer.body.errors.map(({ pointer }: { pointer: string }) => pointer);
      expect([...new Set(pointers)]).toEqual(["/data/quantity_change"]);
      expect(await countRows()).toEqual(before);
      expect(await oneGoesOn()).toBe("applied");
    },
  );

  it("that takes from a bin that isn't there ends rejected, and the next one is applied", async ({ expect }) => {
    const before = await levelOf("PUMP-001", "warehouse-03");
    const taken = await sent("warehouse-03", updateInventory("warehouse-03", "PUMP-001", -1, "Bin-Z-99"));
    expect(taken).toMatchObject({ state: "rejected", result: { code: "INSUFFICIENT_STOCK" } });
    expect(taken.reason).toMatch(/PUMP-001/);
    expect(await levelOf("PUMP-001", "warehouse-03")).toEqual(before);
    expect(await oneGoesOn()).toBe("applied");
  });

  it("for another region's stock is refused, whether the part or the place is that region's", async ({ expect }) => {
    await quiet();
    const before = await countRows();
    const there = updateInventory("warehouse-03", "PUMP-001", 1, "warehouse-04/Bin-A-01");
    expectProblem(expect, await as("warehouse-03", "POST", "/api/commands", there), 403, "FORBIDDEN");
    const theirs = updateInventory("warehouse-04", "PUMP-001", 1, "Bin-A-01");
    expectProblem(expect, await as("keeper-03", "POST", "/api/commands", theirs), 403, "FORBIDDEN");
    expect(await countRows()).toEqual(before);
    expect((await levelOf("PUMP-001", "warehouse-04")).on_hand).toBe(25);
    expect(await oneGoesOn()).toBe("applied");
  });

  it("message that is none, or names a command that isn't there, is acknowledged and stops nothing", async ({
    expect,
  }) => {
    const bodies = ["garbage", null, 7, {}, { command_id: "" }, { command_id: "cmd_of_nobody" }, { command_id: 7 }];
    await deliverMessages("commands", bodies);
    expect(await oneGoesOn()).toBe("applied");
  });
});

describe(`a file of ${ROWS} rows`, () => {
  const lines = Array.from({ length: ROWS }, () => "PUMP-001,1,,").join("\n");

  it("as a request goes back to its sender with the reason, and another request goes through", async ({ expect }) => {
    const file = await post("truck-001", "/api/uploads", "text/csv", `sku,quantity,unit,note\n${lines}\n`);
    const other = uploadLines("truck-002", "truck-002", [["WIPR-009", 1]]);
    expect(file.status).toBe(202);
    const request = await requestIs(file.body.request_id, "needs_clarification");
    expect(request.problems.length).toBeLessThanOrEqual(100);
    expect(JSON.stringify(request.problems)).toMatch(/1[ ,]?000/); // how many lines a request may have
    const { status } = await requestIs(await other, "completed", "awaiting_approval");
    expect(["completed", "awaiting_approval"]).toContain(status);
  });

  it("as an import is refused as a whole, with how many rows it may have", async ({ expect }) => {
    await quiet();
    const before = await countRows();
    const stock = Array.from({ length: ROWS }, (_, n) => `BULK-${n},warehouse-03,Bin-1,1`).join("\n");
    const answer = await post("admin", "/api/imports/stock", "text/csv", `sku,warehouse_id,bin,quantity\n${stock}\n`);
    expectProblem(expect, answer, 422, "VALIDATION");
    expect(JSON.stringify(answer.body)).toMatch(/25[ ,]?000/);
    const after = await countRows();
    const written = ["parts", "stock_levels", "stock_bins", "stock_movements", "outbox"];
    for (const table of written) expect([table, after[table]]).toEqual([table, before[table]]);
    expect(await oneGoesOn()).toBe("applied");
  });
});
