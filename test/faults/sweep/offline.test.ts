/** The sweep of a device that comes back: it replays what it did meanwhile, in its own order, one scan of which contradicts the books. */
import { seedShelves } from "../../support/sweep/parts.ts";
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";

const CHANGES = [4, -9, -6, 2] as const; // of 5 on hand: the third takes more than is there

sweep({
  name: "offline",
  prepare: async ({ client, tag }) => {
    const sku = `F${tag}`;
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": 5 } });
    const commands = CHANGES.map((change, at) => ({
      id: `scan-${tag}-${at + 1}`,
      type: "UpdateInventory",
      data: { device_id: "warehouse-03", sku, quantity_change: change, location: "Bin-T-1" },
      device_sequence: at + 1,
    }));
    const device = async () => {
      const part = (from: number, to: number) =>
        client.send({
          as: "warehouse-03",
          method: "POST",
          path: "/api/commands/replay",
          body: { commands: commands.slice(from, to) },
        });
      // The connection breaks in the middle, and the device begins anew.
      await part(0, 2);
      await part(0, 4);
    };
    return {
      clients: [device],
      check: async () => {
        const { results } = await env.DB.prepare(
          `SELECT c.state, c.device_sequence AS place, d.kind FROM commands c LEFT JOIN discrepancies d ON d.command_id = c.id
           ORDER BY c.device_sequence`,
        ).all<{ state: string; place: number; kind: string | null }>();
        const left = await env.DB.prepare("SELECT on_hand FROM stock_levels WHERE sku = ?").bind(sku).first("on_hand");
        const said = results.map(({ state, kind }) => `${state}${kind === null ? "" : ` (${kind})`}`).join(", ");
        return said === "applied, applied, rejected (shortage), applied" && left === 2
          ? []
          : [`4 what a device did offline is done in its order: ${said}; ${Number(left)} left`];
      },
    };
  },
});
