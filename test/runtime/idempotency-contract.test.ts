/** Every POST of the app either writes, and then asks for an Idempotency-Key and says so, or is known not to write. */
import { beforeAll, describe, it } from "vitest";
import { createApp } from "../../src/routes/app.ts";
import { operationsOf, problemsOf, readContract } from "../support/contract.ts";
import { as, call, NO_KEY, startWorld } from "../support/harness.ts";
import { expectProblem } from "../support/problem.ts";

beforeAll(startWorld);

/** POSTs that write nothing of ours: tokens and tickets, reads whose question is a body, and forms of the stand-in supplier. */
const WRITES_NOTHING = /^\/(api\/auth\/token|dev\/token|dev\/supplier\/:id\/[a-z-]+|.*\/(preview|diff|ticket))$/;

/** The body may name the intent by an id of its own, so the header isn't always demanded. */
const NAMED_BY_BODY: Readonly<Record<string, object>> = {
  "/api/commands": {
    type: "UpdateInventory",
    data: { device_id: "warehouse-01", sku: "PUMP-001", quantity_change: 1, location: "Bin-B-03" },
  },
  "/api/commands/replay": { commands: [{ type: "UpdateInventory", data: {} }] },
};

const PERSONAS = ["admin", "ops", "manager-north", "manager-national", "tech-north", "keeper-03", "truck-001"];

const posts = [...new Set(createApp().routes.flatMap(({ method, path }) => (method === "POST" ? [path] : [])))];
const writing = posts.filter((path) => !WRITES_NOTHING.test(path));

it("knows each POST: tokens and the stand-in's forms aside, all of them write", ({ expect }) => {
  expect(writing.length).toBeGreaterThanOrEqual(6);
  expect(posts.filter((path) => WRITES_NOTHING.test(path)).toSorted()).toEqual([
    "/api/auth/token",
    "/dev/supplier/:id/late-acceptances",
    "/dev/supplier/:id/switches",
    "/dev/token",
  ]);
});

describe.for(writing)("POST %s", (path) => {
  const template = path.replaceAll(/:(\w+)/g, "{$1}");
  const namedByBody = NAMED_BY_BODY[template];

  it("declares the header, and what a wrong key answers", async ({ expect }) => {
    const contract = await readContract();
    const found = operationsOf(contract).find((one) => one.method === "POST" && one.path === template);
    if (!found) throw new Error(`${template} isn't documented`);
    const header = found.operation.parameters?.find(({ name }) => name === "Idempotency-Key");
    expect(header).toMatchObject({ in: "header", required: namedByBody === undefined });
    expect(problemsOf(found.operation, "400").codes).toContain("KEY_REQUIRED");
    expect(problemsOf(found.operation, "422").codes).toContain("KEY_REUSED");
  });

  it("refuses whoever may write but sends no key, or none that can be one, and says what to do", async ({ expect }) => {
    const address = path.replaceAll(/:kind/g, "parts").replaceAll(/:\w+/g, "x");
    let refused = 0;
    for (const who of PERSONAS) {
      for (const key of [NO_KEY, { "idempotency-key": "two words" }, { "idempotency-key": "x".repeat(256) }]) {
        const answer = await as(who, "POST", address, namedByBody, key);
        if (answer.status === 403) continue;
        expectProblem(expect, answer, 400, "KEY_REQUIRED");
        expect(answer.body.detail).toContain("Idempotency-Key");
        expect(answer.body.detail).toContain("a new one for each new intent");
        refused++;
      }
    }
    expect(refused, "nobody of the demo may write here").toBeGreaterThanOrEqual(3);
  });

  it("asks for the token first", async ({ expect }) => {
    const answer = await call(path.replaceAll(/:\w+/g, "x"), { method: "POST" });
    expect(answer.status).toBe(401);
    await answer.body?.cancel();
  });
});
