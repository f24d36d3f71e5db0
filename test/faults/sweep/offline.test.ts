/**
 * The sweep of a device that comes back: it replays what it did meanwhile, in its own order, one scan of which contradicts the
 * books, and its keeper resolves that by the scan.
 */
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
    const keeper = async () => {
      const found = await client.look(async () => {
        const { body } = await client.see({ as: "keeper-03", method: "GET", path: `/api/discrepancies?sku=${sku}` });
        return (body.data[0] as { id: string } | undefined) ?? null;
      });
      const path = `/api/discrepancies/${found.id}/resolve`;
      const answer = await client.send({ as: "keeper-03", method: "POST", path, body: { resolution: "accept_scan" } });
      if (answer.status !== 200) throw new Error(`it is resolved: ${JSON.stringify(answer.body)}`);
    };
    return {
      clients: [device, keeper],
      check: async () => {
        const { results } = await env.DB.prepare(
          `SELECT c.state, c.device_sequence AS place, d.kind || ', ' || d.resolution AS kind FROM commands c LEFT JOIN discrepancies d ON d.command_id = c.id
           ORDER BY c.device_sequence`,
        ).all<{ state: string; place: number; kind: string | null }>();
        const left = await env.DB.prepare("SELECT on_hand FROM stock_levels WHERE sku = ?").bind(sku).first("on_hand");
        const said = results.map(({ state, kind }) => `${state}${kind === null ? "" : ` (${kind})`}`).join(", ");
        // The six that were taken are found and go out, with the last two if these had come by then.
        return said === "applied, applied, rejected (shortage, accept_scan), applied" && (left === 2 || left === 0)
          ? []
          : [`4 what a device did offline is done in its order: ${said}; ${Number(left)} left`];
      },
    };
  },
});
