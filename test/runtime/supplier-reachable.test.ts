import { it } from "vitest";

it("a fetch from the app's runtime reaches the stand-in supplier", async ({ expect }) => {
  const answer = await fetch("https://suppliers.waybill.example/acme/health");

  expect(answer.status).toBe(200);
  expect(await answer.json()).toEqual({ status: "ok" });
});

it("a switch of one supplier leaves the others as they were", async ({ expect }) => {
  const base = "https://suppliers.waybill.example";
  const set = await fetch(`${base}/broken/switches`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ down: true }),
  });

  expect(set.status).toBe(200);
  expect((await fetch(`${base}/broken/health`)).status).toBe(503);
  expect((await fetch(`${base}/acme/health`)).status).toBe(200);
});
