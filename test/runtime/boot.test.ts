import { beforeAll, it } from "vitest";
import { as, call, requestIs, approveAll, startWorld } from "../support/harness.ts";

beforeAll(startWorld);

it("answers its health", async ({ expect }) => {
  const answer = await call("/health");
  expect(answer.status).toBe(200);
});

it("takes a request through", async ({ expect }) => {
  const up = await as("truck-001", "POST", "/api/uploads", "sku,quantity,unit,note\nECU-001,20,,\nPUMP-001,2,,\n", { "content-type": "text/csv" });
  console.log(up.status, JSON.stringify(up.body));
  expect(up.status).toBe(202);
  const id = up.body.request_id;
  console.log(await approveAll(id));
  const done = await requestIs(id, "completed", "failed", "needs_attention", "rejected");
  console.log(JSON.stringify(done, null, 1));
  const story = await as("ops", "GET", `/api/requests/${id}/timeline`);
  for (const s of story.body.data) console.log(s.at, s.actor, s.action, s.reason);
  expect(done.status).toBe("completed");
}, 60000);
