/** Third part: everyone hears of the response, the archive has the same, the trail tells it all, and the books balance. */
import { isDeepStrictEqual } from "node:util";
import { eventOf, lastOf, sameEvent } from "./cast.ts";
import { asked, readRequest, type Money, type OrderView } from "./request.ts";
import { DEVICES, ensure, MANAGERS, until, type Stage } from "./stage.ts";
import type { Row } from "./table.ts";

interface ResponseFile {
  readonly request_id: string;
  readonly outcome: string;
  readonly order_id?: string;
  readonly total: Money;
  readonly lines: readonly { readonly sku: string; readonly requested: number; readonly granted: number }[];
  readonly decided_by: readonly { readonly by: string; readonly rule: string }[];
}

interface TrailStep {
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly reason: string | null;
  readonly after: {
    readonly rule?: string;
    readonly hits?: readonly { readonly rule: string }[];
    readonly resolved?: readonly { readonly sku: string; readonly quantity: number; readonly how: string }[];
    readonly sources?: readonly { readonly sku: string; readonly quantity: number; readonly from: string }[];
    readonly order_id?: string;
    readonly path?: string;
  } | null;
}

/** What the trail must tell, in this order: who, and how the action begins. */
const TRAIL = [
  ["truck-001", "request.uploaded"],
  ["RequestRouter", "request.read"],
  ["PartsSpecialist", "request.lines resolved"],
  ["SupplierMatcher", "request.priced"],
  ["manager-north", "approval.approved"],
  ["manager-national", "approval.approved"],
  ["OrderGenerator", "order.placed"],
  ["order-saga", "order.reserved"],
  ["order-saga", "order.purchased"],
  ["order-saga", "order.stock moved"],
  ["order-saga", "order.completed"],
  ["response-handler", "request.completed"],
  ["cloud-archive", "response.archived"],
] as const;

export async function hearResponse(stage: Stage, requestId: string): Promise<void> {
  await stage.check("ResponseReady reaches all three devices, the same event each, once", async () => {
    const isOurs = eventOf("ResponseReady", (data) => data["request_id"] === requestId);
    const heard = await Promise.all(DEVICES.map((id) => stage.actor(id).hears("ResponseReady", isOurs)));
    const id = sameEvent(heard);
    for (const device of DEVICES) {
      const times = stage.actor(device).lines.filter(isOurs).length;
      ensure(times === 1, `${device} was handed the event ${times} times`);
    }
    stage.rows.push({ at: lastOf(heard), who: "3 devices", what: "hear ResponseReady", why: `event ${id}` });
  });

  await stage.check("all three have acknowledged it: the hub waits for nothing from them", async () => {
    await until(
      () => stage.api.read<Record<string, { unacked: number }>>("ops", "/api/devices/connected"),
      (clients) => DEVICES.every((id) => clients[id]?.unacked === 0),
      (clients) => DEVICES.map((id) => `${id}: ${clients[id]?.unacked ?? "gone"} unacknowledged`).join(", "),
    );
  });
}

export async function compareArchive(stage: Stage, requestId: string, order: OrderView): Promise<void> {
  const response = await stage.check(
    "the response grants every line and names who decided (GET …/response)",
    async () => {
      const file = await stage.api.read<ResponseFile>("truck-001", `/api/requests/${requestId}/response`);
      ensure(file.outcome === "completed", `the outcome is ${file.outcome}`);
      const short = file.lines.filter(({ requested, granted }) => granted !== requested).map(({ sku }) => sku);
      ensure(
        file.lines.length > 0 && short.length === 0,
        `not granted in full: ${short.join(", ") || "there are no lines"}`,
      );
      ensure(
        isDeepStrictEqual(file.total, order.total),
        `the total is ${file.total.amount}, the order's ${order.total.amount}`,
      );
      ensure(file.order_id === order.order_id, `it names the order ${file.order_id}`);
      const deciders = file.decided_by.map(({ by }) => by).join(", ");
      ensure(deciders === MANAGERS.join(", "), `it was decided by ${deciders}`);
      return file;
    },
  );

  await stage.check("the response is archived (GET /api/requests/{id}: the document is stored)", async () => {
    await until(
      () => readRequest(stage, requestId),
      (request) => request.response?.document?.state === "stored",
      (request) => `the document is ${request.response?.document?.state ?? "not queued"}`,
    );
  });

  await stage.check("the archived file and the response agree (GET …/archive)", async () => {
    const file = await stage.api.read<ResponseFile>("truck-001", `/api/requests/${requestId}/archive`);
    ensure(isDeepStrictEqual(file, response), "the archived file differs from the response");
  });
}

export async function readTrail(stage: Stage, requestId: string): Promise<void> {
  await stage.check("the audit trail tells the story in order (GET …/timeline)", async () => {
    const { data } = await stage.api.read<{ data: TrailStep[] }>(
      "manager-north",
      `/api/requests/${requestId}/timeline`,
    );
    let from = 0;
    for (const [actor, action] of TRAIL) {
      const at = data.findIndex(
        (step, index) => index >= from && step.actor === actor && step.action.startsWith(action),
      );
      ensure(at !== -1, `"${action}" by ${actor} is missing${from > 0 ? ` after "${data[from - 1]?.action}"` : ""}`);
      from = at + 1;
    }
    const unexplained = data.filter(({ action, after }) => action === "approval.approved" && !after?.rule);
    ensure(unexplained.length === 0, "an approval in the trail names no rule");
    stage.rows.push(...data.map(rowOf));
  });
}

export async function recount(stage: Stage): Promise<void> {
  await stage.check("the recount finds no discrepancy (GET /api/ops/recount)", async () => {
    const { data } = await stage.api.read<{ data: { rule: string; sku: string; location: string }[] }>(
      "ops",
      "/api/ops/recount",
    );
    const [first] = data;
    ensure(first === undefined, `${data.length} stock rows differ; the first: ${JSON.stringify(first)}`);
  });
}

/** Every process ends when it is told to, and the app notices. */
export async function sayGoodbye(stage: Stage): Promise<void> {
  await stage.check("all five leave in good order, and the app shows none of them any more", async () => {
    const codes = await stage.cast.end();
    const bad = Object.entries(codes).filter(([, code]) => code !== 0);
    ensure(bad.length === 0, `ended otherwise than with 0: ${bad.map(([id, code]) => `${id} ${code}`).join(", ")}`);
    const everyone = [...DEVICES, ...MANAGERS];
    await until(
      () => stage.api.read<Record<string, unknown>>("ops", "/api/devices/connected"),
      (clients) => everyone.every((id) => !(id in clients)),
      (clients) => `still shown: ${everyone.filter((id) => id in clients).join(", ")}`,
    );
  });
}

function rowOf({ at, actor, action, reason, after }: TrailStep): Row {
  const rules = after?.rule ?? after?.hits?.map(({ rule }) => rule).join(" + ");
  const facts = [
    rules,
    reason,
    after?.resolved?.map((line) => `${asked(line)} by ${line.how}`).join(", "),
    after?.sources?.map((line) => `${asked(line)} from ${line.from}`).join(", "),
    after?.order_id,
    after?.path,
  ];
  return { at, who: actor, what: action, why: facts.filter(Boolean).join(": ") };
}
