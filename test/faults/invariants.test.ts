import { beforeAll, it } from "vitest";
import { seal, tamper } from "../support/audit.ts";
import { approveAll, as, env, requestIs, startWorld, until } from "../support/harness.ts";
import { RULES, violations } from "../support/invariants.ts";
import { moveClock } from "../support/world.ts";
import { drive, giveSelfLimit, MANAGER, orderMixed, seedMixedParts, settled } from "../support/saga-world.ts";
import { accepted, sent, updateInventory } from "../support/stock.ts";

/** In the statements: `:request` was approved and became the order `:done`, `:auto` needed nobody, `:gone` was cancelled. */
const names = new Map<string, string>();

async function ask(number: string, lines: readonly { sku: string; quantity: number }[]): Promise<string> {
  const sent = await as("truck-001", "POST", "/api/requests", {
    request_number: number,
    device_id: "truck-001",
    lines,
  });
  if (sent.status !== 202) throw new Error(JSON.stringify(sent.body));
  return sent.body.request_id;
}

beforeAll(async () => {
  await startWorld();
  await giveSelfLimit(MANAGER, 100_000);
  const parts = await seedMixedParts("BITE");
  const request = await ask("BITE-1", [
    { sku: parts.stocked, quantity: 15 },
    { sku: parts.bought, quantity: 4 },
  ]);
  await approveAll(request);
  names.set("request", request).set("done", (await requestIs(request, "completed")).order_id);
  const auto = await ask("BITE-2", [{ sku: parts.stocked, quantity: 2 }]);
  await requestIs(auto, "completed");
  const other = await seedMixedParts("BITE2");
  await other.supplier.switchOn({ refuse: true });
  const gone = await orderMixed(other);
  await drive(gone);
  names.set("auto", auto).set("gone", gone);
  names.set("writeoff", await approvedWriteOff()).set("scan", await refusedScan());
  await settled();
  moveClock(60_001);
  await seal();
  await tamper();
});

/** 20 of a pump are written off, which is above the limit: the region's manager approves. */
async function approvedWriteOff(): Promise<string> {
  const taken = updateInventory("warehouse-03", "PUMP-001", -20, "Bin-A-12", "cmd_bite_writeoff");
  await accepted("keeper-03", taken);
  const asked = await until("the manager is asked", async () => {
    const { body } = await as(MANAGER, "GET", "/api/approvals");
    return body.data.find((step: { command: { command_id: string } | null }) => step.command?.command_id === taken.id);
  });
  const vote = { decision: "approve", payload_hash: asked.payload_hash };
  await as(MANAGER, "POST", `/api/approvals/${asked.id}/decision`, vote);
  await until("it is applied", async () => {
    const { body } = await as("keeper-03", "GET", `/api/commands/${taken.id}`);
    return body.state === "applied";
  });
  return taken.id ?? "";
}

/** A scan of more than was there, by a device that was offline. */
async function refusedScan(): Promise<string> {
  const taken = updateInventory("warehouse-01", "PUMP-001", -13, "Bin-B-03", "cmd_bite_scan");
  const { id } = await sent("warehouse-01", { ...taken, device_sequence: 1 });
  return id;
}

async function run(statements: readonly string[]): Promise<void> {
  const named = statements.map((text) =>
    text.replaceAll(/:([a-z]+)\b/g, (_, name: string) => names.get(name) ?? `no ${name}`),
  );
  await env.DB.batch(named.map((text) => env.DB.prepare(text)));
}

const PURCHASE =
  "INSERT INTO purchase_orders(id, order_id, supplier, idempotency_key, status, total, currency, created_at, updated_at)";
const COMMAND =
  "INSERT INTO commands(id, bucket, type, data, sender, region, state, traceparent, lease_until, created_at)";
const LETTER =
  "INSERT INTO dead_letters(id, kind, queue, key, event_seq, event_id, bit, command_id, body, error, fingerprint, attempts, message_id, state, first_at, last_at, closed_at, reason)";
const TRAIL = "INSERT INTO audit(at, actor, actor_kind, action, subject, trace)";
const MOVEMENT = "INSERT INTO stock_movements(id, sku, location, bin, quantity, kind, source, at)";
const HOOK = `INSERT INTO webhooks(id, owner, url, types, secret, state, created_at, updated_at)
  VALUES ('whk_bite', 'integrator', 'https://hooks.waybill.example/bite', '[]', '', 'disabled', '', '')`;
const DELIVERY =
  "INSERT INTO webhook_deliveries(id, webhook_id, event_id, type, event, state, attempts, round_at, created_at, updated_at)";
const NO_HOOK = ["DELETE FROM webhook_deliveries WHERE id = 'whd_bite'", "DELETE FROM webhooks WHERE id = 'whk_bite'"];
const AT_SHELF = "sku = 'S-BITE' AND location = 'warehouse-03'";
const NEVER = "9999-01-01T00:00:00.000Z";

/** Each rule, the statements that break it, and those that put it right again. */
const BREAKS: readonly (readonly [rule: string, wrong: readonly string[], right: readonly string[]])[] = [
  [
    "1 on_hand is the sum of its movements",
    [`UPDATE stock_levels SET on_hand = on_hand + 1 WHERE ${AT_SHELF}`],
    [`UPDATE stock_levels SET on_hand = on_hand - 1 WHERE ${AT_SHELF}`],
  ],
  [
    "1 on_hand is the sum of its bins",
    [`UPDATE stock_bins SET quantity = quantity + 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-1'`],
    [`UPDATE stock_bins SET quantity = quantity - 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-1'`],
  ],
  [
    "1 a bin holds what its movements brought",
    [
      `UPDATE stock_bins SET quantity = quantity - 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-1'`,
      `UPDATE stock_bins SET quantity = quantity + 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-2'`,
    ],
    [
      `UPDATE stock_bins SET quantity = quantity + 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-1'`,
      `UPDATE stock_bins SET quantity = quantity - 1 WHERE ${AT_SHELF} AND bin = 'Bin-T-2'`,
    ],
  ],
  [
    "1 reserved is the sum of the open reservations",
    [`UPDATE stock_levels SET reserved = reserved + 1 WHERE ${AT_SHELF}`],
    [`UPDATE stock_levels SET reserved = reserved - 1 WHERE ${AT_SHELF}`],
  ],
  [
    "1 in_transit is what is on its way there",
    ["UPDATE stock_levels SET in_transit = in_transit - 1 WHERE sku = 'S-BITE' AND location = 'truck-001'"],
    ["UPDATE stock_levels SET in_transit = in_transit + 1 WHERE sku = 'S-BITE' AND location = 'truck-001'"],
  ],
  [
    "1 what has left is on its way, has arrived or came back",
    ["UPDATE stock_movements SET kind = 'adjustment' WHERE source = 'order/:done'"],
    ["UPDATE stock_movements SET kind = 'ship' WHERE source = 'order/:done'"],
  ],
  [
    "1 incoming is what moved orders bought and nobody received",
    ["UPDATE stock_levels SET incoming = incoming + 1 WHERE sku = 'B-BITE'"],
    ["UPDATE stock_levels SET incoming = incoming - 1 WHERE sku = 'B-BITE'"],
  ],
  [
    "1 what a transfer or a purchase order has received is what its receipts say and its movements brought",
    ["UPDATE purchase_order_lines SET rejected = 1 WHERE sku = 'B-BITE'"],
    ["UPDATE purchase_order_lines SET rejected = 0 WHERE sku = 'B-BITE'"],
  ],
  [
    "1 a SKU's total over places and transit changes by receipts, issues and adjustments only",
    ["UPDATE stock_movements SET kind = 'receipt', source = 'transfer/x' WHERE id LIKE 'mov_S-BITE_%'"],
    ["UPDATE stock_movements SET kind = 'opening', source = 'test' WHERE id LIKE 'mov_S-BITE_%'"],
  ],
  [
    "1 a transfer is received when nothing of it is on its way any more",
    ["UPDATE transfers SET state = 'received' WHERE order_id = ':done'"],
    ["UPDATE transfers SET state = 'in_transit' WHERE order_id = ':done'"],
  ],
  [
    "1 a place is marked low exactly while it is, and each mark was told once",
    [`UPDATE stock_levels SET minimum = 1000, low_mark = 'low_bite' WHERE ${AT_SHELF}`],
    [`UPDATE stock_levels SET minimum = 0, low_mark = NULL WHERE ${AT_SHELF}`],
  ],
  [
    "2 at most one live purchase order per order and supplier",
    [`${PURCHASE} VALUES ('po_bite', ':done', 'sup-bite', 'another key', 'placed', 1, 'USD', '', '')`],
    ["DELETE FROM purchase_orders WHERE id = 'po_bite'"],
  ],
  [
    "2 a completed order has its movements",
    ["UPDATE stock_movements SET source = 'nobody' WHERE source = 'order/:done'"],
    ["UPDATE stock_movements SET source = 'order/:done' WHERE source = 'nobody'"],
  ],
  [
    "2 a completed order has its purchase orders",
    ["UPDATE purchase_orders SET status = 'cancelled' WHERE order_id = ':done'"],
    ["UPDATE purchase_orders SET status = 'placed' WHERE order_id = ':done'"],
  ],
  [
    "2 an order that is over holds no reservation",
    ["UPDATE reservations SET state = 'open' WHERE order_id = ':gone'"],
    ["UPDATE reservations SET state = 'released' WHERE order_id = ':gone'"],
  ],
  [
    "2 a cancelled order has no live purchase order",
    [`${PURCHASE} VALUES ('po_bite', ':gone', 'sup-bite2', 'another key', 'placed', 1, 'USD', '', '')`],
    ["DELETE FROM purchase_orders WHERE id = 'po_bite'"],
  ],
  [
    "2 a cancelled order has moved nothing",
    [`${MOVEMENT} VALUES ('mov_bite', 'S-BITE2', 'warehouse-03', 'Bin-T-1', -1, 'ship', 'order/:gone', '')`],
    ["DELETE FROM stock_movements WHERE id = 'mov_bite'"],
  ],
  [
    "3 every due event has taken effect at each subscriber, is parked, or has a dead letter",
    [`UPDATE outbox SET done = 0, lease_until = '${NEVER}' WHERE type = 'OrderPlaced' AND subject = 'order/:done'`],
    ["UPDATE outbox SET done = want, lease_until = '' WHERE type = 'OrderPlaced' AND subject = 'order/:done'"],
  ],
  [
    "3 a subscriber is done with an event or dead, not both",
    ["UPDATE outbox SET dead = 4 WHERE type = 'OrderPlaced' AND subject = 'order/:done'"],
    ["UPDATE outbox SET dead = 0 WHERE type = 'OrderPlaced' AND subject = 'order/:done'"],
  ],
  [
    "3 for each dead subscriber there is one open letter, and for nobody else",
    ["UPDATE outbox SET done = done & ~4, dead = 4 WHERE type = 'OrderPlaced' AND subject = 'order/:done'"],
    ["UPDATE outbox SET done = want, dead = 0 WHERE type = 'OrderPlaced' AND subject = 'order/:done'"],
  ],
  [
    "3 what was discarded counts as done",
    [
      `${LETTER} SELECT 'dlt_bite', 'event', 'events', 'k', seq, event_id, 4, NULL, '{}', 'x', 'x', 5, 'm', 'discarded', '', '', '', 'x'
        FROM outbox WHERE type = 'OrderPlaced' AND subject = 'order/:done'`,
      "UPDATE outbox SET done = done & ~4 WHERE type = 'OrderPlaced' AND subject = 'order/:done'",
    ],
    [
      "DELETE FROM dead_letters WHERE id = 'dlt_bite'",
      "UPDATE outbox SET done = want WHERE type = 'OrderPlaced' AND subject = 'order/:done'",
    ],
  ],
  [
    "3 nobody marks an event that they weren't to have",
    ["UPDATE outbox SET done = want | 1024, parked_at = 'x' WHERE type = 'OrderPlaced' AND subject = 'order/:done'"],
    ["UPDATE outbox SET done = want, parked_at = NULL WHERE type = 'OrderPlaced' AND subject = 'order/:done'"],
  ],
  [
    "3 whoever was to be told of a request has been told",
    ["CREATE TABLE kept AS SELECT * FROM notifications", "DELETE FROM notifications"],
    ["INSERT INTO notifications SELECT * FROM kept", "DROP TABLE kept"],
  ],
  [
    "3 nobody is told of what they weren't to hear",
    [
      `INSERT INTO notifications(id, recipient, event_id, title, created_at)
        SELECT 'not_bite', 'ops', event_id, '', '' FROM outbox WHERE type = 'RequestUploaded' LIMIT 1`,
    ],
    ["DELETE FROM notifications WHERE id = 'not_bite'"],
  ],
  [
    "3 a response that was handed on is on its way to the archive",
    ["UPDATE cloud_uploads SET response_id = 'x' || response_id"],
    ["UPDATE cloud_uploads SET response_id = substr(response_id, 2)"],
  ],
  [
    "3 what was reserved in vain and is due has been given back",
    [
      "UPDATE reservations SET state = 'open', expires_at = '' WHERE order_id = ':gone'",
      `UPDATE outbox SET not_before = '', done = want WHERE type = 'ReservationDue' AND subject = 'order/:gone'`,
    ],
    [
      "UPDATE reservations SET state = 'released' WHERE order_id = ':gone'",
      `UPDATE outbox SET not_before = '${NEVER}', done = 0 WHERE type = 'ReservationDue' AND subject = 'order/:gone'`,
    ],
  ],
  [
    "4 every accepted command ends",
    [`${COMMAND} VALUES ('cmd_bite', 0, 'UpdatePart', '{}', 'person:ops', 'north', 'accepted', 'x', '${NEVER}', '')`],
    ["DELETE FROM commands WHERE id = 'cmd_bite'"],
  ],
  [
    "4 a dead command has its letter, and an open letter its dead command",
    [`${COMMAND} VALUES ('cmd_bite', 0, 'UpdatePart', '{}', 'person:ops', 'north', 'dead', 'x', '', '')`],
    ["DELETE FROM commands WHERE id = 'cmd_bite'"],
  ],
  [
    "4 an applied inventory command has one effect, a rejected one none",
    [`${COMMAND} VALUES ('cmd_bite', 0, 'UpdateInventory', '{}', 'person:ops', 'north', 'applied', 'x', '', '')`],
    ["DELETE FROM commands WHERE id = 'cmd_bite'"],
  ],
  [
    "4 an applied count has the movement of its difference, a rejected one none",
    [
      `${COMMAND} VALUES ('cmd_bite', 0, 'CountStock', '{}', 'person:ops', 'north', 'applied', 'x', '', '')`,
      "UPDATE commands SET result = '{\"difference\":1}' WHERE id = 'cmd_bite'",
    ],
    ["DELETE FROM commands WHERE id = 'cmd_bite'"],
  ],
  [
    "4 an applied transfer or receipt has one audit row, a rejected one none",
    [`${COMMAND} VALUES ('cmd_bite', 0, 'ShipTransfer', '{}', 'person:ops', 'north', 'applied', 'x', '', '')`],
    ["DELETE FROM commands WHERE id = 'cmd_bite'"],
  ],
  [
    "4 every accepted order ends",
    [`UPDATE orders SET status = 'Pending', next_wake_at = '${NEVER}' WHERE id = ':done'`],
    ["UPDATE orders SET status = 'Completed', next_wake_at = NULL WHERE id = ':done'"],
  ],
  [
    "4 every accepted request ends, or waits for a person",
    ["UPDATE requests SET status = 'ordering' WHERE id = ':request'"],
    ["UPDATE requests SET status = 'completed' WHERE id = ':request'"],
  ],
  [
    "4 an end is answered by one response, and nothing else is",
    ["UPDATE responses SET request_id = 'req_nobody' WHERE request_id = ':request'"],
    ["UPDATE responses SET request_id = ':request' WHERE request_id = 'req_nobody'"],
  ],
  [
    "4 a request and its order agree",
    ["UPDATE orders SET request_id = NULL WHERE id = ':done'"],
    ["UPDATE orders SET request_id = ':request' WHERE id = ':done'"],
  ],
  [
    "5 a lease ends",
    [`UPDATE outbox SET done = 0, lease_until = '${NEVER}' WHERE type = 'OrderPlaced' AND subject = 'order/:done'`],
    ["UPDATE outbox SET done = want, lease_until = '' WHERE type = 'OrderPlaced' AND subject = 'order/:done'"],
  ],
  [
    "5 an order on its way has a time at which it is looked for",
    ["UPDATE orders SET status = 'Cancelling' WHERE id = ':gone'"],
    ["UPDATE orders SET status = 'Cancelled' WHERE id = ':gone'"],
  ],
  [
    "5 whoever is asked has a due time with a timer, or is held in sight",
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
    "5 a request that waits for approval has someone to wait for",
    ["UPDATE requests SET status = 'awaiting_approval' WHERE id = ':auto'"],
    ["UPDATE requests SET status = 'completed' WHERE id = ':auto'"],
  ],
  [
    "5 a request on its way has an event or an order that moves it on",
    ["UPDATE requests SET status = 'pricing' WHERE id = ':auto'"],
    ["UPDATE requests SET status = 'completed' WHERE id = ':auto'"],
  ],
  [
    "3 every try of a webhook's delivery is logged once, and the last one says how it ended",
    [HOOK, `${DELIVERY} VALUES ('whd_bite', 'whk_bite', 'evt_bite', 'OrderEnded', '{}', 'delivered', 1, '', '', '')`],
    NO_HOOK,
  ],
  [
    "5 a webhook's delivery that is pending has a timer that tries it",
    [HOOK, `${DELIVERY} VALUES ('whd_bite', 'whk_bite', 'evt_bite', 'OrderEnded', '{}', 'pending', 0, '', '', '')`],
    NO_HOOK,
  ],
  [
    "5 an open reservation has a timer that gives it back",
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
    "4 a discrepancy keeps the scan of a rejected command, and the command names it",
    ["UPDATE commands SET result = json_remove(result, '$.discrepancy_id') || ' ' WHERE id = ':scan'"],
    [
      "UPDATE commands SET result = json_set(result, '$.discrepancy_id', (SELECT id FROM discrepancies WHERE command_id = ':scan')) WHERE id = ':scan'",
    ],
  ],
  [
    "4 only a resolution that corrects the books moves stock for a discrepancy",
    [
      "UPDATE stock_movements SET source = (SELECT 'discrepancy/' || id FROM discrepancies WHERE command_id = ':scan') WHERE source = 'command/:writeoff'",
    ],
    ["UPDATE stock_movements SET source = 'command/:writeoff' WHERE source LIKE 'discrepancy/%'"],
  ],
  [
    "5 a command that waits for approval has someone to wait for",
    ["UPDATE commands SET state = 'awaiting_approval' WHERE id = ':writeoff'"],
    ["UPDATE commands SET state = 'applied' WHERE id = ':writeoff'"],
  ],
  [
    "7 whoever decides on a command is entitled, covers its value, and didn't send it",
    ["UPDATE commands SET sender = 'person' || char(58) || 'manager-north' WHERE id = ':writeoff'"],
    ["UPDATE commands SET sender = 'person' || char(58) || 'keeper-03' WHERE id = ':writeoff'"],
  ],
  [
    "7 a command that needed approval did what was approved, and nothing else",
    ["UPDATE stock_movements SET bin = 'Bin-X' WHERE source = 'command/:writeoff'"],
    ["UPDATE stock_movements SET bin = 'Bin-A-12' WHERE source = 'command/:writeoff'"],
  ],
  [
    "7 the ballots of a command are bound to what is kept with it",
    ["UPDATE commands SET approval = approval || ' ' WHERE id = ':writeoff'"],
    ["UPDATE commands SET approval = rtrim(approval) WHERE id = ':writeoff'"],
  ],
  [
    "6 one audit row for each state that a request came to",
    ["UPDATE audit SET action = 'lost' WHERE subject = 'request/:request' AND action = 'request.priced'"],
    ["UPDATE audit SET action = 'request.priced' WHERE subject = 'request/:request' AND action = 'lost'"],
  ],
  [
    "6 the states of a request are one chain, from its upload to where it stands",
    [`${TRAIL} VALUES ('', 'truck-001', 'device', 'request.uploaded', 'request/:request', 'bite')`],
    ["DELETE FROM audit WHERE trace = 'bite'"],
  ],
  [
    "6 one audit row for each batch of a saga",
    ["UPDATE audit SET actor = 'nobody' WHERE subject = 'order/:done' AND action = 'order.reserved'"],
    ["UPDATE audit SET actor = 'order-saga' WHERE subject = 'order/:done' AND action = 'order.reserved'"],
  ],
  [
    "6 the end of an order is in its trail once, and told once",
    ["UPDATE outbox SET type = 'Nothing' WHERE type = 'OrderEnded' AND subject = 'order/:gone'"],
    ["UPDATE outbox SET type = 'OrderEnded' WHERE type = 'Nothing' AND subject = 'order/:gone'"],
  ],
  [
    "6 one audit row for each inventory command that ended",
    [`${COMMAND} VALUES ('cmd_bite', 0, 'UpdateInventory', '{}', 'device:x', 'north', 'rejected', '', '', '')`],
    ["DELETE FROM commands WHERE id = 'cmd_bite'"],
  ],
  [
    "6 one audit row for each response that is in the archive",
    [`${TRAIL} VALUES ('', 'cloud-archive', 'system', 'response.archived', 'request/:request', '')`],
    ["DELETE FROM audit WHERE at = ''"],
  ],
  [
    "6 an order is placed once in the trail",
    [`${TRAIL} VALUES ('', 'x', 'person', 'order.placed', 'order/:gone', '')`],
    ["DELETE FROM audit WHERE at = ''"],
  ],
  [
    "6 one audit row for each state of a dead letter",
    [
      `${LETTER} VALUES ('dlt_bite', 'message', 'uploads', 'k', NULL, NULL, NULL, NULL, '{}', 'x', 'x', 5, 'm', 'redriven', '', '', '', NULL)`,
    ],
    ["DELETE FROM dead_letters WHERE id = 'dlt_bite'"],
  ],
  [
    "6 one audit row for each ballot",
    ["UPDATE audit SET action = 'lost' WHERE subject = 'request/:request' AND action = 'approval.approved'"],
    ["UPDATE audit SET action = 'approval.approved' WHERE subject = 'request/:request' AND action = 'lost'"],
  ],
  [
    "6 the seals verify",
    ["UPDATE audit SET reason = 'x' || COALESCE(reason, '') WHERE seq = 1"],
    ["UPDATE audit SET reason = NULLIF(substr(reason, 2), '') WHERE seq = 1"],
  ],
  [
    "7 a decided step has its ballot, bound to what was approved",
    ["UPDATE ballots SET payload_hash = 'x' || payload_hash WHERE request_id = ':request'"],
    ["UPDATE ballots SET payload_hash = substr(payload_hash, 2) WHERE request_id = ':request'"],
  ],
  [
    "7 whoever decides is entitled",
    ["UPDATE people SET region = 'south' WHERE id = 'manager-north'"],
    ["UPDATE people SET region = 'north' WHERE id = 'manager-north'"],
  ],
  [
    "7 nobody decides on their own request",
    ["UPDATE requests SET requester = 'manager-north' WHERE id = ':request'"],
    ["UPDATE requests SET requester = 'truck-001' WHERE id = ':request'"],
  ],
  [
    "7 one person decides once per request",
    [
      `INSERT INTO approval_steps(id, request_id, position, approver, rule, state, payload_hash)
        SELECT 'stp_bite', request_id, 999, approver, rule, 'approved', payload_hash FROM approval_steps WHERE request_id = ':request'`,
      `INSERT INTO ballots(id, step_id, request_id, request_version, payload_hash, approver, decision, at)
        SELECT 'bal_bite', 'stp_bite', request_id, 1, payload_hash, approver, decision, at FROM ballots WHERE request_id = ':request'`,
    ],
    ["DELETE FROM ballots WHERE id = 'bal_bite'", "DELETE FROM approval_steps WHERE id = 'stp_bite'"],
  ],
  [
    "7 an order that needed approval has one of someone whose limit covers it",
    ["UPDATE people SET approval_limit = 1 WHERE id = 'manager-north'"],
    ["UPDATE people SET approval_limit = 500000 WHERE id = 'manager-north'"],
  ],
  [
    "7 nothing is ordered while a step of it is open or rejected",
    ["UPDATE approval_steps SET state = 'waiting' WHERE request_id = ':request'"],
    ["UPDATE approval_steps SET state = 'approved' WHERE request_id = ':request'"],
  ],
  [
    "7 as many distinct people approve as the rules ask for",
    ["UPDATE approval_steps SET state = 'escalated' WHERE request_id = ':request'"],
    ["UPDATE approval_steps SET state = 'approved' WHERE request_id = ':request'"],
  ],
  [
    "7 what was ordered is what was approved",
    ["UPDATE order_lines SET unit_price = unit_price + 1 WHERE order_id = ':done' AND line = 1"],
    ["UPDATE order_lines SET unit_price = unit_price - 1 WHERE order_id = ':done' AND line = 1"],
  ],
];

it("all holds after an approved, an automatic and a cancelled order", async ({ expect }) => {
  expect(await violations(env.DB)).toEqual([]);
});

it("every rule has a break below", ({ expect }) => {
  expect(BREAKS.map(([rule]) => rule).sort()).toEqual([...RULES].sort());
});

it.for(BREAKS)("a database where this doesn't hold is reported: %s", async ([rule, wrong, right], { expect }) => {
  await run(wrong);
  const found = await violations(env.DB);
  await run(right);

  expect(found.filter((one) => one.startsWith(`${rule}: `))).not.toEqual([]);
  expect(await violations(env.DB)).toEqual([]);
});

it("what is still on its way is no violation when it is asked so", async ({ expect }) => {
  const pending = await ask("BITE-3", [{ sku: "S-BITE2", quantity: 15 }]);
  await requestIs(pending, "awaiting_approval");
  await settled();

  expect(await violations(env.DB)).toEqual([expect.stringContaining(`${pending} is awaiting_approval`)]);
  expect(await violations(env.DB, { allowUnfinished: true })).toEqual([]);
});
