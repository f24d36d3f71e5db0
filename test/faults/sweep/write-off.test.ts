/** The sweep of a change of stock that needs a manager: it waits, is approved, and is applied once. */
import { updateInventory } from "../../support/sweep/commands.ts";
import { seedShelves } from "../../support/sweep/parts.ts";
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";

const PIECES = 400; // of 10.00 each: above the limit of a change by value

sweep({
  name: "write-off",
  prepare: async ({ client, tag }) => {
    const [sku, id] = [`O${tag}`, `cmd_w-${tag}`];
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": PIECES + 10 } });
    const keeper = async () => {
      const sent = await client.send(updateInventory("keeper-03", id, sku, -PIECES));
      if (sent.status !== 202) throw new Error(`a good command is accepted: ${JSON.stringify(sent.body)}`);
    };
    const manager = async () => {
      const asked = await client.look(async () => {
        const { body } = await client.see({ as: "manager-north", method: "GET", path: "/api/approvals" });
        const all: { id: string; payload_hash: string; command: { command_id: string } | null }[] = body.data;
        return all.find((step) => step.command?.command_id === id) ?? null;
      });
      const decided = await client.send({
        as: "manager-north",
        method: "POST",
        path: `/api/approvals/${asked.id}/decision`,
        body: { decision: "approve", payload_hash: asked.payload_hash, reason: "counted" },
      });
      if (decided.status !== 200) throw new Error(`a decision is taken: ${JSON.stringify(decided.body)}`);
    };
    return {
      clients: [keeper, manager],
      check: async () => {
        const left = await env.DB.prepare("SELECT on_hand FROM stock_levels WHERE sku = ?").bind(sku).first("on_hand");
        const { body } = await client.see({ as: "ops", method: "GET", path: `/api/commands/${id}` });
        return left === 10 && body.state === "applied"
          ? []
          : [`4 what was approved is applied once: ${id} is ${body.state}, ${Number(left)} left`];
      },
    };
  },
});
