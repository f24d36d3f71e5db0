/** `GET /api/ops/invariants` on the live database: nothing when all is well; each rule that is broken by hand, exactly that row. */
import { beforeAll, describe, it } from "vitest";
import { INVARIANT_BUDGET_MS, NIGHTLY_CRON } from "../../src/config.ts";
import { RULE_GROUPS } from "../../src/db/queries/invariants.ts";
import { INVARIANT_STEPS } from "../../src/services/invariants.ts";
import { listSeals, seal, tamper } from "../support/audit.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { approveAll, as, env, requestIs, startWorld, until } from "../support/harness.ts";
import { expectProblem } from "../support/problem.ts";
import { runCron } from "../support/relay.ts";
import { drive, giveSelfLimit, MANAGER, orderMixed, seedMixedParts, settled } from "../support/saga-world.ts";
import { accepted, sent, updateInventory } from "../support/stock.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

/** In the statements: `:request` was approved and became the order `:done`, `:auto` needed nobody, `:gone` was cancelled. */
const names = new Map<string, string>();

async function ask(number: string, lines: readonly { sku: string; quantity: number }[]): Promise<string> {
  const body = { request_number: number, device_id: "truck-001", lines };
  const answer = await as("truck-001", "POST", "/api/requests", body);
  if (answer.status !== 202) throw new Error(JSON.stringify(answer.body));
  return answer.body.request_id;
}

/** The main job three times over, then everything at rest and sealed. */
beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
  const parts = await seedMixedParts("LIVE");
  const request = await ask("LIVE-1", [
    { sku: parts.stocked, quantity: 15 },
    { sku: parts.bought, quantity: 4 },
  ]);
  await approveAll(request);
  names.set("request", request).set("done", (await requestIs(request, "completed")).order_id);
  const auto = await ask("LIVE-2", [{ sku: parts.stocked, quantity: 2 }]);
  await requestIs(auto, "completed");
  const direct = await orderMixed(await seedMixedParts("LIVE3"));
  await drive(direct);
  const other = await seedMixedParts("LIVE2");
  await other.supplier.switchOn({ refuse: true });
  const gone = await orderMixed(other);
  await drive(gone);
  names.set("auto", auto).set("direct", direct).set("gone", gone);
  await sent("warehouse-03", updateInventory("warehouse-03", parts.stocked, 3, "Bin-T-1", "cmd_live_change"));
  names.set("command", "cmd_live_change").set("writeoff", await approvedWriteOff());
  const scan = { ...updateInventory("warehouse-01", "PUMP-001", -13, "Bin-B-03", "cmd_live_scan"), device_sequence: 1 };
  names.set("scan", (await sent("warehouse-01", scan)).id);
  await settled();
  await until("the responses are archived", async () => {
    const open = await env.DB.prepare("SELECT COUNT(*) AS n FROM cloud_uploads WHERE state <> 'stored'").first<number>(
      "n",
    );
    return open === 0;
  });
  moveClock(60_001);
  await seal();
  await seal();
  await tamper();
  const [last] = (await listSeals()).slice(-1);
  names.set("seal", `${last?.from_seq}–${last?.to_seq}`).set("hash", last?.hash ?? "");
  names
    .set("now", new Date(testClock.now()).toISOString())
    .set("soon", new Date(testClock.now() + 60_000).toISOString());
  for (const [name, text] of Object.entries(FACTS)) {
    names.set(name, String(await env.DB.prepare(named(text)).first("fact")));
  }
});

/** 20 of a pump are written off, which is above the limit: the region's manager approves. */
async function approvedWriteOff(): Promise<string> {
  const id = "cmd_live_writeoff";
  const where = await accepted("keeper-03", updateInventory("warehouse-03", "PUMP-001", -20, "Bin-A-12", id));
  const asked = await until("the manager is asked", async () => {
    const { body } = await as(MANAGER, "GET", "/api/approvals");
    return body.data.find((step: { command: { command_id: string } | null }) => step.command?.command_id === id);
  });
  const vote = { decision: "approve", payload_hash: asked.payload_hash };
  await as(MANAGER, "POST", `/api/approvals/${asked.id}/decision`, vote);
  await until("it is applied", async () => (await as("keeper-03", "GET", where)).body.state === "applied");
  return id;
}

const FACTS = {
  discrepancy: "SELECT id AS fact FROM discrepancies WHERE command_id = ':scan'",
  voted: "SELECT seq AS fact FROM audit WHERE subject = 'command/:writeoff' AND action = 'approval.approved'",
  placed: "SELECT event_id AS fact FROM outbox WHERE type = 'OrderPlaced' AND subject = 'order/:done'",
  response: "SELECT id AS fact FROM responses WHERE request_id = ':auto'",
  reserved: "SELECT seq AS fact FROM audit WHERE subject = 'order/:done' AND action = 'order.reserved'",
  approved: "SELECT seq AS fact FROM audit WHERE subject = 'request/:request' AND action = 'approval.approved'",
};

const named = (text: string) => text.replaceAll(/:([a-z]+)\b/g, (_, name: string) => names.get(name) ?? `no ${name}`);

async function run(...statements: readonly string[]): Promise<void> {
  await env.DB.batch(statements.map((text) => env.DB.prepare(named(text))));
}

interface Row {
  readonly rule: string;
  readonly subject: string;
  readonly detail: string;
  readonly expected: unknown;
  readonly found: unknown;
}

async function check(): Promise<{ data: Row[]; meta: { count: number; complete: boolean } }> {
  const { status, body } = await as("ops", "GET", "/api/ops/invariants");
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body;
}

const broken = async () => (await check()).data.map(({ rule, subject }) => `${rule}: ${subject}`).toSorted();

it("finds nothing after approved, automatic, direct and cancelled orders and a command", async ({ expect }) => {
  expect(await check()).toEqual({ data: [], meta: { count: 0, complete: true, next: null } });
});

const AT_SHELF = "sku = 'S-LIVE' AND location = 'warehouse-03'";
const SHELF = "stock/S-LIVE@warehouse-03";
const PURCHASE =
  "INSERT INTO purchase_orders(id, order_id, supplier, idempotency_key, status, total, currency, created_at, updated_at)";
const COMMAND =
  "INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, lease_until, created_at)";
const MOVEMENT = "INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at)";
const TRAIL = "INSERT INTO audit(at, actor, actor_kind, action, subject, trace)";
const NEVER = "9999-01-01T00:00:00.000Z";
const LONG_AGO = "2020-01-01T00:00:00.000Z";

/** What breaks the rule, what puts it right, and each row that must be reported: nothing else. */
const BREAKS: readonly (readonly [rows: readonly string[], wrong: readonly string[], right: readonly string[]])[] = [
  [
    [`1 on_hand is the sum of its movements: ${SHELF}`, `1 on_hand is the sum of its bins: ${SHELF}`],
    [`UPDATE stock_levels SET on_hand = on_hand + 1 WHERE ${AT_SHELF}`],
    [`UPDATE stock_levels SET on_hand = on_hand - 1 WHERE ${AT_SHELF}`],
  ],
  [
    [`1 on_hand is the sum of its bins: ${SHELF}`, `1 a bin holds what its movements brought: ${SHELF}/Bin-T-1`],
    [`UPDATE stock_bins SET quantity = quantity + 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-1'`],
    [`UPDATE stock_bins SET quantity = quantity - 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-1'`],
  ],
  [
    [
      `1 a bin holds what its movements brought: ${SHELF}/Bin-T-1`,
      `1 a bin holds what its movements brought: ${SHELF}/Bin-T-2`,
    ],
    [
      `UPDATE stock_bins SET quantity = quantity + 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-1'`,
      `UPDATE stock_bins SET quantity = quantity - 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-2'`,
    ],
    [
      `UPDATE stock_bins SET quantity = quantity - 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-1'`,
      `UPDATE stock_bins SET quantity = quantity + 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-2'`,
    ],
  ],
  [
    [`1 reserved is the sum of its open reservations: ${SHELF}`],
    [`UPDATE stock_levels SET reserved = reserved + 1 WHERE ${AT_SHELF}`],
    [`UPDATE stock_levels SET reserved = reserved - 1 WHERE ${AT_SHELF}`],
  ],
  [
    ["1 in_transit is the sum of its transfers: stock/S-LIVE@truck-001"],
    ["UPDATE stock_levels SET in_transit = in_transit - 1 WHERE sku = 'S-LIVE' AND location = 'truck-001'"],
    ["UPDATE stock_levels SET in_transit = in_transit + 1 WHERE sku = 'S-LIVE' AND location = 'truck-001'"],
  ],
  [
    [
      "1 a movement has its level: stock/S-LIVE@nowhere",
      "1 on_hand is the sum of its movements: stock/S-LIVE@nowhere",
      "1 a bin holds what its movements brought: stock/S-LIVE@nowhere/Bin-0",
    ],
    [`${MOVEMENT} VALUES ('mov_live', 'S-LIVE', 'nowhere', 'Bin-0', 4, 'adjustment', 'test', ':now')`],
    ["DELETE FROM stock_movements WHERE id = 'mov_live'"],
  ],
  [
    ["1 what was shipped is in a transfer, or came back: part/S-LIVE"],
    ["UPDATE stock_movements SET kind = 'adjustment' WHERE source = 'order/:done'"],
    ["UPDATE stock_movements SET kind = 'ship' WHERE source = 'order/:done'"],
  ],
  [
    ["2 an order has one live purchase order per supplier: order/:done"],
    [`${PURCHASE} VALUES ('po_live', ':done', 'sup-live', 'another key', 'placed', 1, 'USD', '', '')`],
    ["DELETE FROM purchase_orders WHERE id = 'po_live'"],
  ],
  [
    ["2 a completed order has moved what it takes from stock: order/:direct"],
    ["UPDATE order_lines SET quantity = quantity + 1 WHERE order_id = ':direct' AND source <> 'purchase'"],
    ["UPDATE order_lines SET quantity = quantity - 1 WHERE order_id = ':direct' AND source <> 'purchase'"],
  ],
  [
    ["2 a completed order has bought what it takes from suppliers: order/:direct"],
    ["UPDATE order_lines SET order_quantity = order_quantity + 1 WHERE order_id = ':direct' AND source = 'purchase'"],
    ["UPDATE order_lines SET order_quantity = order_quantity - 1 WHERE order_id = ':direct' AND source = 'purchase'"],
  ],
  [
    [
      "2 an order that is over holds no reservation: order/:gone",
      "1 reserved is the sum of its open reservations: stock/S-LIVE2@warehouse-03",
    ],
    ["UPDATE reservations SET state = 'open' WHERE order_id = ':gone'"],
    ["UPDATE reservations SET state = 'released' WHERE order_id = ':gone'"],
  ],
  [
    ["2 a cancelled order has no live purchase order: order/:gone"],
    [`${PURCHASE} VALUES ('po_live', ':gone', 'sup-live2', 'another key', 'placed', 1, 'USD', '', '')`],
    ["DELETE FROM purchase_orders WHERE id = 'po_live'"],
  ],
  [
    ["2 a cancelled order has nothing on its way: order/:gone"],
    [
      `INSERT INTO transfers(id, order_id, from_location, to_location, state, created_at)
       VALUES ('trf_live', ':gone', 'warehouse-03', 'truck-001', 'in_transit', ':now')`,
    ],
    ["DELETE FROM transfers WHERE id = 'trf_live'"],
  ],
  [
    ["3 a due event takes effect at each subscriber, is parked, or has a dead letter: event/:placed"],
    [
      `UPDATE outbox SET done = want & ~4, created_at = '${LONG_AGO}', lease_until = ':soon' WHERE event_id = ':placed'`,
    ],
    ["UPDATE outbox SET done = want, created_at = event ->> '$.time', lease_until = '' WHERE event_id = ':placed'"],
  ],
  [
    ["3 a dead subscriber has its open letter, and isn't done: event/:placed"],
    ["UPDATE outbox SET done = want & ~4, dead = 4 WHERE event_id = ':placed'"],
    ["UPDATE outbox SET done = want, dead = 0 WHERE event_id = ':placed'"],
  ],
  [
    ["3 nobody marks an event that they weren't to have: event/:placed"],
    ["UPDATE outbox SET done = want | 1048576, parked_at = 'x' WHERE event_id = ':placed'"],
    ["UPDATE outbox SET done = want, parked_at = NULL WHERE event_id = ':placed'"],
  ],
  [
    ["4 an accepted command ends: command/cmd_live"],
    [
      `${COMMAND} VALUES ('cmd_live', 0, 'UpdatePart', '{}', 'person:ops', 'north', 'accepted', 'x', ':soon', '${LONG_AGO}')`,
    ],
    ["DELETE FROM commands WHERE id = 'cmd_live'"],
  ],
  [
    ["4 a command that changes stock has its effect once: command/cmd_live"],
    [`${COMMAND} VALUES ('cmd_live', 0, 'UpdateInventory', '{}', 'person:ops', 'north', 'applied', 'x', '', ':now')`],
    ["DELETE FROM commands WHERE id = 'cmd_live'"],
  ],
  [
    ["4 a command that changes stock has its effect once: command/:command"],
    [
      "UPDATE stock_movements SET source = 'command/:command', at = ':now' WHERE id = 'mov_S-LIVE_warehouse-03_Bin-T-2'",
    ],
    ["UPDATE stock_movements SET source = 'test', at = '' WHERE id = 'mov_S-LIVE_warehouse-03_Bin-T-2'"],
  ],
  [
    ["4 an order ends: order/:direct", "6 the end of an order is in the trail once: order/:direct"],
    [
      `UPDATE orders SET status = 'Pending', next_wake_at = '${NEVER}', created_at = '${LONG_AGO}' WHERE id = ':direct'`,
    ],
    ["UPDATE orders SET status = 'Completed', next_wake_at = NULL, created_at = ':now' WHERE id = ':direct'"],
  ],
  [
    ["4 a request that ended has its one response, and no other has one: request/:request"],
    ["UPDATE responses SET request_id = 'req_nobody' WHERE request_id = ':request'"],
    ["UPDATE responses SET request_id = ':request' WHERE request_id = 'req_nobody'"],
  ],
  [
    ["4 a request and its order agree: request/:request"],
    ["UPDATE orders SET request_id = NULL WHERE id = ':done'"],
    ["UPDATE orders SET request_id = ':request' WHERE id = ':done'"],
  ],
  [
    [
      "5 a request that waits for approval has someone to wait for: request/:auto",
      "4 a request that ended has its one response, and no other has one: request/:auto",
    ],
    ["UPDATE requests SET status = 'awaiting_approval' WHERE id = ':auto'"],
    ["UPDATE requests SET status = 'completed' WHERE id = ':auto'"],
  ],
  [
    [
      "5 a request on its way has an event or an order that moves it on: request/:auto",
      "4 a request that ended has its one response, and no other has one: request/:auto",
    ],
    ["UPDATE requests SET status = 'pricing' WHERE id = ':auto'"],
    ["UPDATE requests SET status = 'completed' WHERE id = ':auto'"],
  ],
  [
    [
      "5 an open reservation has a timer that gives it back: order/:done",
      "2 an order that is over holds no reservation: order/:done",
      `1 reserved is the sum of its open reservations: ${SHELF}`,
    ],
    [
      "UPDATE reservations SET state = 'open' WHERE order_id = ':done'",
      "UPDATE outbox SET parked_at = 'x' WHERE type = 'ReservationDue' AND subject = 'order/:done'",
    ],
    [
      "UPDATE reservations SET state = 'used' WHERE order_id = ':done'",
      "UPDATE outbox SET parked_at = NULL WHERE type = 'ReservationDue' AND subject = 'order/:done'",
    ],
  ],
  [
    ["5 a lease ends: event/:placed"],
    [`UPDATE outbox SET done = want & ~4, lease_until = '${NEVER}' WHERE event_id = ':placed'`],
    ["UPDATE outbox SET done = want, lease_until = '' WHERE event_id = ':placed'"],
  ],
  [
    ["5 a lease ends: command/cmd_live"],
    [
      `${COMMAND} VALUES ('cmd_live', 0, 'UpdatePart', '{}', 'person:ops', 'north', 'accepted', 'x', '${NEVER}', ':now')`,
    ],
    ["DELETE FROM commands WHERE id = 'cmd_live'"],
  ],
  [
    ["5 an order on its way is woken in time: order/:gone", "6 the end of an order is in the trail once: order/:gone"],
    [`UPDATE orders SET status = 'Cancelling', next_wake_at = '${LONG_AGO}' WHERE id = ':gone'`],
    ["UPDATE orders SET status = 'Cancelled', next_wake_at = NULL WHERE id = ':gone'"],
  ],
  [
    ["5 a response on its way to the archive is tried: response/:response"],
    [`UPDATE cloud_uploads SET state = 'queued', due_at = '${LONG_AGO}' WHERE response_id = ':response'`],
    ["UPDATE cloud_uploads SET state = 'stored', due_at = ':now' WHERE response_id = ':response'"],
  ],
  [
    [
      "5 whoever is asked has a due time with a timer, or is held in sight: request/:request",
      "7 a decided step has its ballot, bound to what was approved: request/:request",
      "7 what needed approval has one of someone whose limit covers it: request/:request",
      "7 nothing is ordered while a step of it is open or rejected: request/:request",
      "7 as many distinct people approve as the rules ask for: request/:request",
    ],
    [
      "UPDATE approval_steps SET state = 'pending' WHERE request_id = ':request'",
      "UPDATE outbox SET parked_at = 'x' WHERE type = 'ApprovalDue' AND subject = 'request/:request'",
    ],
    [
      "UPDATE approval_steps SET state = 'approved' WHERE request_id = ':request'",
      "UPDATE outbox SET parked_at = NULL WHERE type = 'ApprovalDue' AND subject = 'request/:request'",
    ],
  ],
  [
    ["6 each batch of an order's saga is in the trail: order/:done", "6 the seals verify: audit/:reserved–:reserved"],
    ["UPDATE audit SET actor = 'nobody' WHERE seq = :reserved"],
    ["UPDATE audit SET actor = 'order-saga' WHERE seq = :reserved"],
  ],
  [
    ["6 the end of an order is in the trail once: order/:gone"],
    [`${TRAIL} VALUES (':now', 'nobody', 'system', 'order.cancelled', 'order/:gone', 'live')`],
    ["DELETE FROM audit WHERE trace = 'live'"],
  ],
  [
    ["6 a request is in the trail from its upload to its end, each once: request/:request"],
    [`${TRAIL} VALUES (':now', 'truck-001', 'device', 'request.uploaded', 'request/:request', 'live')`],
    ["DELETE FROM audit WHERE trace = 'live'"],
  ],
  [
    ["6 each ballot is in the trail once: request/:request", "6 the seals verify: audit/:approved–:approved"],
    ["UPDATE audit SET action = 'lost' WHERE seq = :approved"],
    ["UPDATE audit SET action = 'approval.approved' WHERE seq = :approved"],
  ],
  [
    ["6 the seals verify: audit/:seal"],
    ["UPDATE audit_seals SET hash = prev WHERE hash = ':hash'"],
    ["UPDATE audit_seals SET hash = ':hash' WHERE hash = prev"],
  ],
  [
    ["7 a decided step has its ballot, bound to what was approved: request/:request"],
    ["UPDATE ballots SET payload_hash = 'x' || payload_hash WHERE request_id = ':request'"],
    ["UPDATE ballots SET payload_hash = substr(payload_hash, 2) WHERE request_id = ':request'"],
  ],
  [
    [
      "7 whoever decides is entitled: request/:request",
      "7 whoever decides on a command is entitled, and didn't send it: command/:writeoff",
    ],
    ["UPDATE people SET region = 'south' WHERE id = 'manager-north'"],
    ["UPDATE people SET region = 'north' WHERE id = 'manager-north'"],
  ],
  [
    ["7 nobody decides on their own request: request/:request"],
    ["UPDATE requests SET requester = 'manager-north' WHERE id = ':request'"],
    ["UPDATE requests SET requester = 'truck-001' WHERE id = ':request'"],
  ],
  [
    ["4 a discrepancy is that of a rejected command which names it: discrepancy/:discrepancy"],
    ["UPDATE commands SET result = json_set(result, '$.discrepancy_id', 'dsc_none') WHERE id = ':scan'"],
    ["UPDATE commands SET result = json_set(result, '$.discrepancy_id', ':discrepancy') WHERE id = ':scan'"],
  ],
  [
    [
      "5 a command that waits for approval has someone to wait for: command/:writeoff",
      "4 a command that changes stock has its effect once: command/:writeoff",
    ],
    ["UPDATE commands SET state = 'awaiting_approval' WHERE id = ':writeoff'"],
    ["UPDATE commands SET state = 'applied' WHERE id = ':writeoff'"],
  ],
  [
    [
      "7 a command that was applied after approval was approved: command/:writeoff",
      "7 a decided step has its ballot, bound to what was approved: command/:writeoff",
    ],
    ["UPDATE approval_steps SET state = 'void' WHERE command_id = ':writeoff'"],
    ["UPDATE approval_steps SET state = 'approved' WHERE command_id = ':writeoff'"],
  ],
  [
    ["7 whoever decides on a command is entitled, and didn't send it: command/:writeoff"],
    [`UPDATE commands SET sender = 'person' || char(58) || '${MANAGER}' WHERE id = ':writeoff'`],
    ["UPDATE commands SET sender = 'person' || char(58) || 'keeper-03' WHERE id = ':writeoff'"],
  ],
  [
    ["6 each ballot is in the trail once: command/:writeoff", "6 the seals verify: audit/:voted–:voted"],
    ["UPDATE audit SET action = 'lost' WHERE seq = :voted"],
    ["UPDATE audit SET action = 'approval.approved' WHERE seq = :voted"],
  ],
  [
    ["5 whoever is asked has a due time with a timer, or is held in sight: command/:writeoff"],
    [
      `INSERT INTO approval_steps(id, command_id, position, approver, rule, state, payload_hash, due_at)
        SELECT 'stp_live', command_id, 999, approver, rule, 'pending', payload_hash, ':now' FROM approval_steps WHERE command_id = ':writeoff'`,
    ],
    ["DELETE FROM approval_steps WHERE id = 'stp_live'"],
  ],
  [
    ["5 a webhook's delivery that is pending has a timer that tries it: webhook-delivery/whd_live"],
    [
      `INSERT INTO webhooks(id, owner, url, types, secret, state, created_at, updated_at)
        VALUES ('whk_live', 'integrator', 'https://hooks.waybill.example/live', '[]', '', 'disabled', '', '')`,
      `INSERT INTO webhook_deliveries(id, webhook_id, event_id, type, event, state, round_at, created_at, updated_at)
        VALUES ('whd_live', 'whk_live', 'evt_live', 'OrderPlaced', '{}', 'pending', '', '', '')`,
    ],
    ["DELETE FROM webhook_deliveries WHERE id = 'whd_live'", "DELETE FROM webhooks WHERE id = 'whk_live'"],
  ],
  [
    ["7 one person decides once per request: request/:request", "6 each ballot is in the trail once: request/:request"],
    [
      `INSERT INTO approval_steps(id, request_id, position, approver, rule, state, payload_hash)
        SELECT 'stp_live', request_id, 999, approver, rule, 'approved', payload_hash FROM approval_steps WHERE request_id = ':request'`,
      `INSERT INTO ballots(id, step_id, request_id, request_version, payload_hash, approver, decision, at)
        SELECT 'bal_live', 'stp_live', request_id, 1, payload_hash, approver, decision, at FROM ballots WHERE request_id = ':request'`,
    ],
    ["DELETE FROM ballots WHERE id = 'bal_live'", "DELETE FROM approval_steps WHERE id = 'stp_live'"],
  ],
  [
    [
      "7 what needed approval has one of someone whose limit covers it: request/:request",
      "7 whoever decides on a command is entitled, and didn't send it: command/:writeoff",
    ],
    ["UPDATE people SET approval_limit = 1 WHERE id = 'manager-north'"],
    ["UPDATE people SET approval_limit = 500000 WHERE id = 'manager-north'"],
  ],
  [
    ["7 nothing is ordered while a step of it is open or rejected: request/:request"],
    [
      `INSERT INTO approval_steps(id, request_id, position, approver, rule, state, payload_hash)
        SELECT 'stp_live', request_id, 999, approver, rule, 'waiting', payload_hash FROM approval_steps WHERE request_id = ':request'`,
    ],
    ["DELETE FROM approval_steps WHERE id = 'stp_live'"],
  ],
  [
    ["7 as many distinct people approve as the rules ask for: request/:request"],
    ["UPDATE requests SET context = json_set(context, '$.trusted.chain.level', 'two') WHERE id = ':request'"],
    ["UPDATE requests SET context = json_set(context, '$.trusted.chain.level', 'one') WHERE id = ':request'"],
  ],
  [
    ["7 what was ordered is what was approved: request/:request"],
    ["UPDATE order_lines SET unit_price = unit_price + 1 WHERE order_id = ':done' AND line = 1"],
    ["UPDATE order_lines SET unit_price = unit_price - 1 WHERE order_id = ':done' AND line = 1"],
  ],
];

describe("a row that is broken by hand is reported, and nothing else", () => {
  it.for(BREAKS.map((one) => [one[0][0] ?? "", one] as const))("%s", async ([, [rows, wrong, right]], { expect }) => {
    await run(...wrong);
    const found = await broken();
    await run(...right);
    expect(found).toEqual(rows.map(named).toSorted());
    expect(await broken()).toEqual([]);
  });
});

it("every rule is broken by some of these, but for the sealing's delay, which has a test of its own", async ({
  expect,
}) => {
  const rules = Object.values(RULE_GROUPS).flatMap((group) => group.rules.map(({ rule }) => rule));
  const broken = new Set(BREAKS.flatMap(([rows]) => rows.map((row) => row.slice(0, row.indexOf(": ")))));
  expect(rules.filter((rule) => !broken.has(rule))).toEqual([]);
  expect(rules.length).toBeGreaterThan(28);
});

it("a row tells what was expected and what is", async ({ expect }) => {
  await run(`UPDATE stock_levels SET reserved = reserved + 1 WHERE ${AT_SHELF}`);
  const { data, meta } = await check();
  await run(`UPDATE stock_levels SET reserved = reserved - 1 WHERE ${AT_SHELF}`);
  expect(data).toEqual([
    {
      rule: "1 reserved is the sum of its open reservations",
      subject: SHELF,
      detail: "by recount",
      expected: 0,
      found: 1,
    },
  ]);
  expect(meta).toEqual({ count: 1, complete: true, next: null });
});

it("of very many broken rows it reports the first thousand, and counts them all", async ({ expect }) => {
  const many = `SELECT 'cmd_many_' || a.key || '_' || b.key FROM json_each(?1) a, json_each(?1) b`;
  await env.DB.prepare(
    `INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, created_at, finished_at)
     SELECT column, 0, 'UpdateInventory', '{}', 'person:ops', 'north', 'applied', 'x', ?2, ?2 FROM (${many.replace(" FROM", " AS column FROM")})`,
  )
    .bind(JSON.stringify(Array.from({ length: 35 }, (_, at) => at)), named(":now"))
    .run();
  const { data, meta } = await check();
  await run("DELETE FROM commands WHERE id LIKE 'cmd_many_%'");
  expect([data.length, meta.count]).toEqual([1_000, 1_225]);
});

it("a check that runs out of its time says where the next one goes on, and together they check all", async ({
  expect,
}) => {
  const wrong = [
    `UPDATE stock_levels SET reserved = reserved + 1 WHERE ${AT_SHELF}`,
    "UPDATE people SET region = 'south' WHERE id = 'manager-north'",
  ];
  const right = [
    `UPDATE stock_levels SET reserved = reserved - 1 WHERE ${AT_SHELF}`,
    "UPDATE people SET region = 'north' WHERE id = 'manager-north'",
  ];
  await run(...wrong);
  // The first read of each call takes as long as a call may check.
  let slow = true;
  wrapBindings({
    DB: (real) =>
      aroundDatabase(real, (query) => {
        if (slow) moveClock(INVARIANT_BUDGET_MS);
        slow = false;
        return query();
      }),
  });
  const found: string[] = [];
  let calls = 0;
  for (let cursor: string | null = ""; cursor !== null; calls++) {
    slow = true;
    const query: string = cursor === "" ? "" : `?cursor=${cursor}`;
    const { body } = await as("ops", "GET", `/api/ops/invariants${query}`);
    found.push(...body.data.map(({ rule, subject }: Row) => `${rule}: ${subject}`));
    expect(body.meta.complete).toBe(body.meta.next === null);
    cursor = body.meta.next;
  }
  wrapBindings({});
  await run(...right);
  expect(calls).toBe(INVARIANT_STEPS.length);
  expect(found).toEqual(
    [
      `1 reserved is the sum of its open reservations: ${SHELF}`,
      "7 whoever decides is entitled: request/:request",
      "7 whoever decides on a command is entitled, and didn't send it: command/:writeoff",
    ].map(named),
  );
});

it("only reads", async ({ expect }) => {
  const seen: string[] = [];
  wrapBindings({
    DB: (real) =>
      aroundDatabase(real, (query, texts) => {
        seen.push(...texts);
        return query();
      }),
  });
  await check();
  wrapBindings({});
  expect(seen.length).toBeGreaterThan(INVARIANT_STEPS.length);
  expect(
    seen.filter((text) => !/^\s*(SELECT|WITH)\b/i.test(text) || /\b(INSERT|UPDATE|DELETE|REPLACE)\b/i.test(text)),
  ).toEqual([]);
});

it("a trail that isn't sealed in time is reported", async ({ expect }) => {
  await seal();
  wrapBindings({
    ARCHIVE: (real) =>
      new Proxy(real, {
        get(target, key) {
          if (key === "head") return () => Promise.reject(new Error("the archive is down"));
          const value: unknown = Reflect.get(target, key);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      }),
  });
  await run(`${TRAIL} VALUES (':now', 'nobody', 'system', 'thing.changed', 'thing/1', 'late')`);
  moveClock(11 * 60_000);
  const found = await broken();
  wrapBindings({});
  expect(found).toEqual([expect.stringMatching(/^6 the trail is sealed in time: audit\/\d+$/)]);
});

describe("the nightly run", () => {
  const night = (time: number) => runCron({ cron: NIGHTLY_CRON, scheduledTime: new Date(time) });
  const reports = async () => (await as("ops", "GET", "/api/ops/invariants/reports")).body.data;
  const told = () =>
    env.DB.prepare(
      "SELECT COUNT(*) AS n FROM outbox WHERE type = 'ErrorOccurred' AND event ->> '$.data.code' = 'INVARIANT_BROKEN'",
    ).first<number>("n");

  it("keeps a report, and says nothing when nothing is broken", async ({ expect }) => {
    await seal();
    await night(testClock.now());
    expect(await reports()).toEqual([
      {
        id: expect.stringMatching(/^inv_/),
        started_at: expect.any(String),
        duration_ms: expect.any(Number),
        state: "complete",
        progress: null,
        broken: 0,
        rows: [],
      },
    ]);
    expect(await told()).toBe(0);
  });

  it("keeps what is broken and tells of it once, also when the cron comes twice", async ({ expect }) => {
    await run(`UPDATE stock_levels SET reserved = reserved + 1 WHERE ${AT_SHELF}`);
    const time = testClock.now() + 1;
    moveClock(1_000);
    await night(time);
    await night(time);
    await run(`UPDATE stock_levels SET reserved = reserved - 1 WHERE ${AT_SHELF}`);
    const [newest, ...older] = await reports();
    expect(older.length).toBe(1);
    expect(newest).toMatchObject({ broken: 1, rows: [{ subject: SHELF, expected: 0, found: 1 }] });
    expect(await told()).toBe(1);
    const notice = await until("operations are notified", async () => {
      const { body } = await as("ops", "GET", "/api/notifications");
      return body.data.find(({ title }: { title: string }) => title.startsWith("INVARIANT_BROKEN"));
    });
    expect(notice.title).toContain(SHELF);
    const trail = await as("ops", "GET", `/api/audit?subject=invariant-report/${newest.id}`);
    expect(trail.body.data).toMatchObject([{ action: "invariants.checked", after: { broken: 1 } }]);
  });

  it("every other cron is that of every minute", async ({ expect }) => {
    await runCron();
    expect((await reports()).length).toBe(2);
  });
});

it.for(["?cursor=!", "?cursor=e30", "?cursor=eyJzdGVwIjo5OSwiYWZ0ZXIiOm51bGx9", "?more=1"])(
  "refuses %s",
  async (query, { expect }) => {
    expectProblem(expect, await as("ops", "GET", `/api/ops/invariants${query}`), 422, "VALIDATION");
  },
);

it("is for operations", async ({ expect }) => {
  for (const path of ["/api/ops/invariants", "/api/ops/invariants/reports"]) {
    for (const who of ["manager-north", "manager-national", "truck-001", "integrator"]) {
      expectProblem(expect, await as(who, "GET", path), 403, "FORBIDDEN");
    }
  }
});
