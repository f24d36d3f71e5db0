/** The main job, end to end: a truck's file becomes an approved, ordered, answered request, and everyone concerned hears it. */
import { beforeAll, it } from "vitest";
import { approveAll, as, env, quiet, requestIs, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { openSocket } from "../support/socket.ts";

beforeAll(startWorld);

it(
  "takes a truck's file through all nine patterns to an acknowledged response",
  { timeout: 60_000 },
  async ({ expect }) => {
    const devices = await Promise.all([
      openSocket("truck-001"),
      openSocket("truck-002"),
      openSocket("warehouse-03", { hello: { device_type: "warehouse" } }),
    ]);
    const before = await as("ops", "GET", "/api/stock?sku=PUMP-001&location=warehouse-03");

    const file = "sku,quantity,unit,note\nECU-001,20,,\nPUMP-001,2,,\n";
    const sent = await as("truck-001", "POST", "/api/uploads?request_number=MAIN-1", file, {
      "content-type": "text/csv",
    });
    expect(sent).toMatchObject({ status: 202, body: { status: "uploaded" } });
    const id: string = sent.body.request_id;
    expect(sent.headers.get("location")).toBe(`/api/requests/${id}`);

    expect(await approveAll(id)).toEqual(["manager-north", "manager-national"]);
    const done = await requestIs(id, "completed", "failed", "needs_attention", "rejected");
    expect(done.status).toBe("completed");
    expect(done.total.amount).toBeGreaterThan(500_000);

    const heard = await Promise.all(
      devices.map((device) =>
        device.event(`ResponseReady of ${id}`, (e) => e.type === "ResponseReady" && e.data.request_id === id),
      ),
    );
    expect(new Set(heard.map((event) => event.id)).size).toBe(1);

    const order = await as("ops", "GET", `/api/orders/${done.order_id}`);
    expect(order.body).toMatchObject({ status: "Completed", request_id: id });
    expect(order.body.purchase_orders).toMatchObject([{ supplier: "acme", status: "placed" }]);
    const after = await as("ops", "GET", "/api/stock?sku=PUMP-001&location=warehouse-03");
    expect(after.body.data[0].on_hand).toBe(before.body.data[0].on_hand - 2);
    const truck = await as("ops", "GET", "/api/stock?location=truck-001");
    expect(truck.body.data).toMatchObject([
      { sku: "ECU-001", on_hand: 0, incoming: 20, in_transit: 0 },
      { sku: "PUMP-001", on_hand: 0, incoming: 0, in_transit: 2 },
    ]);

    const response = await as("truck-001", "GET", `/api/requests/${id}/response`);
    expect(response.body).toMatchObject({
      outcome: "completed",
      decided_by: [{ by: "manager-north" }, { by: "manager-national" }],
    });
    const archived = await until("the response file lies in the archive", async () => {
      const answer = await as("truck-001", "GET", `/api/requests/${id}/archive`);
      return answer.status === 200 ? answer : null;
    });
    expect(archived.body).toEqual(response.body);

    const story = await as("truck-001", "GET", `/api/requests/${id}/timeline`);
    expect(story.body.data.map((step: { action: string }) => step.action)).toEqual([
      "request.uploaded",
      "request.read",
      "request.lines resolved",
      "request.priced",
      "request.chain steps",
      "approval.asked",
      "approval.approved",
      "approval.asked",
      "approval.approved",
      "request.approved",
      "order.placed",
      "order.taken over",
      "order.reserved",
      "order.purchased from acme",
      "order.stock moved",
      "order.completed",
      "request.completed",
      "response.archived",
    ]);
    await quiet();
    expect(await violations(env.DB)).toEqual([]);
    expect((await as("ops", "GET", "/api/ops/invariants")).body.data).toEqual([]);
  },
);
