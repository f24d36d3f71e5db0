/** Second part: a truck asks for parts, two managers approve, and the order is carried out down to the supplier. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expectStatus } from "./api.ts";
import { answerTo, eventOf, type Line } from "./cast.ts";
import { ensure, MANAGERS, until, type Stage } from "./stage.ts";

/** No warehouse has an ECU-001, so it must be bought; twenty cost more than manager-north may approve alone. */
const LINES = [
  { sku: "ECU-001", quantity: 20, note: "recall, all vans" },
  { sku: "PUMP-001", quantity: 2, note: "" },
] as const;
const STEPS = ["create", "reserve", "purchase:", "move", "complete"];
const SETTLED = ["completed", "rejected", "failed", "needs_attention"];

export interface Money {
  readonly amount: number;
  readonly currency: string;
}

interface Uploaded {
  readonly request_id: string;
}

interface Level {
  readonly sku: string;
  readonly incoming: number;
  readonly in_transit: number;
}

export interface RequestView {
  readonly request_id: string;
  readonly status: string;
  readonly reason: string | null;
  readonly total: Money | null;
  readonly order_id: string | null;
  readonly lines: readonly { readonly sku: string | null; readonly quantity: number | null }[];
  readonly approvals: readonly {
    readonly step_id: string;
    readonly approver: string;
    readonly rule: string;
    readonly state: string;
  }[];
  readonly response: {
    readonly outcome: string;
    readonly document: { readonly store: string; readonly state: string; readonly path: string } | null;
  } | null;
}

export interface OrderView {
  readonly order_id: string;
  readonly status: string;
  readonly step: string;
  readonly error: { readonly reason: string } | null;
  readonly total: Money;
  readonly lines: readonly {
    readonly sku: string;
    readonly quantity: number;
    readonly source: string;
    readonly order_quantity: number;
    readonly unit_price: Money;
  }[];
  readonly purchase_orders: readonly {
    readonly supplier: string;
    readonly reference: string | null;
    readonly status: string;
  }[];
}

interface Decided extends Line {
  readonly step_id: string;
  readonly request_id: string;
  readonly state: string;
  readonly rule: string;
  readonly payload_hash: string;
}

export interface Upload {
  readonly requestId: string;
  readonly sentAt: string;
  /** What was on its way to the truck before it asked. */
  readonly onItsWay: readonly number[];
}

export async function uploadFile(stage: Stage): Promise<Upload> {
  const onItsWay = await readOnItsWay(stage);
  const uploaded = await stage.check("truck-001 uploads a CSV request file, answered with 202", async () => {
    const file = join(stage.folder, `${stage.requestNumber}.csv`);
    const rows = LINES.map(({ sku, quantity, note }) => `${sku},${quantity},each,"${note}"`);
    writeFileSync(file, ["sku,quantity,unit,note", ...rows, ""].join("\r\n"));
    stage.actor("truck-001").tell({ do: "upload", file, request_number: stage.requestNumber });
    const answer = await stage.actor("truck-001").hears("answer to its upload", answerTo<Uploaded>("upload"));
    const { request_id: requestId } = expectStatus(answer, 202, "POST /api/uploads");
    const what = `uploads ${stage.requestNumber}.csv`;
    stage.rows.push({ at: answer.sent_at, who: "truck-001", what, why: LINES.map(asked).join(", ") });
    return { requestId, sentAt: answer.sent_at };
  });

  await stage.check("the parts are resolved and priced (GET /api/requests/{id})", async () => {
    const request = await until(
      () => readRequest(stage, uploaded.requestId),
      ({ status, total, approvals }) => (total !== null && approvals.length > 0) || SETTLED.includes(status),
      ({ status }) => `the request is ${status} and has no price`,
    );
    ensure(!SETTLED.includes(request.status), `the request is ${request.status}: ${request.reason}`);
    const found = request.lines
      .map(({ sku, quantity }) => asked({ sku: sku ?? "?", quantity: quantity ?? 0 }))
      .join(", ");
    ensure(found === LINES.map(asked).join(", "), `the lines are ${found}`);
    ensure((request.total?.amount ?? 0) > 0, `the total is ${request.total?.amount}`);
  });
  return { ...uploaded, onItsWay };
}

/** Both managers hear of their step, look it up and approve it, each in its own process. */
export async function approveRequest(stage: Stage, requestId: string): Promise<void> {
  const hashes = new Set<string>();
  for (const id of MANAGERS) {
    await stage.check(`${id} hears ApprovalRequested for itself and approves what it was shown`, async () => {
      const isMine = eventOf(
        "ApprovalRequested",
        (data) => data["request_id"] === requestId && data["approver"] === id,
      );
      const { event, at } = await stage.actor(id).hears("ApprovalRequested", isMine);
      const isDecision = (line: Line): line is Decided =>
        line.frame === "decided" && line["step_id"] === event.data["step_id"];
      const decided = await stage.actor(id).hears("answer to its decision", isDecision);
      ensure(decided.state === "approved" && decided.request_id === requestId, `the step is ${decided.state}`);
      hashes.add(decided.payload_hash);
      stage.rows.push({ at, who: id, what: "hears ApprovalRequested", why: `event ${event.id}` });
    });
  }
  await stage.check(
    "the total is above manager-north's limit: two steps, both approved on the same payload",
    async () => {
      const { approvals } = await readRequest(stage, requestId);
      const steps = approvals.map(({ approver, state }) => `${approver} ${state}`).join(", ");
      ensure(steps === "manager-north approved, manager-national approved", `the steps are: ${steps}`);
      ensure(approvals[1]?.rule === "limit-climb", `manager-national was asked by the rule ${approvals[1]?.rule}`);
      ensure(hashes.size === 1, "the managers approved different payloads");
    },
  );
}

/** The order's saga, checked step by step once the request is settled. */
export async function carryOutOrder(stage: Stage, { requestId, onItsWay }: Upload): Promise<OrderView> {
  const orderId = await stage.check("the request is completed", async () => {
    const request = await until(
      () => readRequest(stage, requestId),
      ({ status }) => SETTLED.includes(status),
      ({ status }) => `the request is still ${status}`,
    );
    ensure(request.status === "completed", `the request is ${request.status}: ${request.reason}`);
    ensure(request.order_id !== null, "the request is completed and names no order");
    return request.order_id;
  });

  const order = await stage.check(
    "the order is Completed, and its lines add up to its total (GET /api/orders/{id})",
    async () => {
      const found = await stage.api.read<OrderView>("manager-north", `/api/orders/${orderId}`);
      ensure(found.status === "Completed", `the order is ${found.status}: ${found.error?.reason}`);
      const sum = found.lines.reduce((total, line) => total + line.order_quantity * line.unit_price.amount, 0);
      ensure(sum === found.total.amount, `the lines add up to ${sum}, the order says ${found.total.amount}`);
      const taken = found.lines.map(({ sku, source }) => `${sku} from ${source}`).join(", ");
      ensure(taken === "ECU-001 from purchase, PUMP-001 from stock", `the lines are: ${taken}`);
      return found;
    },
  );

  await stage.check("the saga did every step once: reserve, buy, move (GET /api/orders/{id}/saga)", async () => {
    const saga = await stage.api.read<{ phase: string; journal: { step: string; state: string }[] }>(
      "manager-north",
      `/api/orders/${orderId}/saga`,
    );
    const done = saga.journal.filter(({ state }) => state === "done").map(({ step }) => step);
    const isAsPlanned = done.length === STEPS.length && STEPS.every((step, at) => done[at]?.startsWith(step));
    ensure(saga.phase === "ended" && isAsPlanned, `the saga is ${saga.phase} and did ${done.join(", ") || "nothing"}`);
  });

  await stage.check("the purchase order has the supplier's own reference", async () => {
    const [bought, ...more] = order.purchase_orders;
    ensure(bought !== undefined && more.length === 0, `there are ${order.purchase_orders.length} purchase orders`);
    ensure(
      bought.status === "placed" && bought.reference !== null,
      `${bought.supplier}'s is ${bought.status}, ${bought.reference}`,
    );
  });

  await stage.check("20 ECU-001 and 2 PUMP-001 more are on their way to truck-001 (GET /api/stock)", async () => {
    const now = await readOnItsWay(stage);
    for (const [at, line] of LINES.entries()) {
      const more = (now[at] ?? 0) - (onItsWay[at] ?? 0);
      // More than that when an order of an earlier, interrupted demo ends at the same time.
      ensure(more >= line.quantity, `${more} more ${line.sku} are on their way, not ${line.quantity}`);
    }
  });
  return order;
}

/** Bought or in transit to the truck, for each line. */
async function readOnItsWay(stage: Stage): Promise<number[]> {
  const { data } = await stage.api.read<{ data: Level[] }>("truck-001", "/api/stock?location=truck-001");
  return LINES.map(({ sku }) => {
    const level = data.find((one) => one.sku === sku);
    return level ? level.incoming + level.in_transit : 0;
  });
}

export function readRequest(stage: Stage, requestId: string): Promise<RequestView> {
  return stage.api.read<RequestView>("truck-001", `/api/requests/${requestId}`);
}

export function asked({ sku, quantity }: { readonly sku: string; readonly quantity: number }): string {
  return `${sku} × ${quantity}`;
}
