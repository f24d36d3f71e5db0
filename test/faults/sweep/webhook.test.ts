/**
 * The sweep of webhooks: someone subscribes, stock changes, and a receiver that fails its first request gets each event at
 * least once, whole and signed, and whatever it was told twice has the same id and body.
 */
import { endOfCommand, updateInventory } from "../../support/sweep/commands.ts";
import { seedShelves } from "../../support/sweep/parts.ts";
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";
import { verified, webhookReceiver, type Receiver } from "../../support/webhook-receiver.ts";

sweep({
  name: "webhook",
  horizonMs: 20 * 60_000,
  prepare: async ({ client, tag }) => {
    const sku = `K${tag}`;
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": 10 } });
    const receiver = webhookReceiver(`k-${tag}-${crypto.randomUUID()}`);
    await receiver.behave({ fail_next: 1, status: 503 });
    const sent: string[] = [];
    let secret = "";
    const integrator = async () => {
      const body = { url: receiver.url, types: ["InventoryUpdated"] };
      const made = await client.send({ as: "integrator", method: "POST", path: "/api/webhooks", body });
      ({ secret } = made.body);
      for (const quantity of [5, -4]) {
        const answer = await client.send(updateInventory("warehouse-03", `cmd_${quantity}-${tag}`, sku, quantity));
        sent.push(`${answer.status} ${answer.body.id}`);
      }
    };
    return {
      clients: [integrator],
      check: async () => [...(await endOfCommand(client, sent)), ...(await wrongAt(receiver, secret, sku))],
    };
  },
});

/** What the receiver didn't get, or got otherwise than it was committed. */
async function wrongAt(receiver: Receiver, secret: string, sku: string): Promise<string[]> {
  const { results: events } = await env.DB.prepare(
    "SELECT event_id, event FROM outbox WHERE type = 'InventoryUpdated' AND event ->> '$.data.sku' = ?",
  )
    .bind(sku)
    .all<{ event_id: string; event: string }>();
  const { requests } = await receiver.received();
  const found: string[] = [];
  for (const { event_id: id, event } of events) {
    const own = requests.filter((request) => request.id === id);
    if (!own.some(({ answered }) => answered === 204)) found.push(`3 a webhook gets each event: ${id}`);
    for (const request of own) {
      const told = verified(secret, request, Number(request.timestamp) * 1000);
      if (JSON.stringify(told) !== JSON.stringify(JSON.parse(event)) || request.body !== own[0]?.body)
        found.push(`3 a webhook says what was committed: ${id}`);
    }
  }
  const known = new Set(events.map(({ event_id: id }) => id));
  for (const { id } of requests)
    if (!known.has(id)) found.push(`3 a webhook gets what was committed, and nothing else: ${id}`);
  if (events.length !== 2) found.push(`4 two changes are two events: ${events.length}`);
  return found;
}
