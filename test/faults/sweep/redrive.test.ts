/**
 * The sweep of dead letters: a command and one subscriber of an event are given up by their queues; two people send them again at
 * once, and each has its effect once.
 */
import { updateInventory } from "../../support/sweep/commands.ts";
import { seedShelves } from "../../support/sweep/parts.ts";
import { upload } from "../../support/sweep/requests.ts";
import { env } from "../../support/sweep/small-world.ts";
import { stage } from "../../support/sweep/stage.ts";
import { sweep } from "../../support/sweep/sweep.ts";

interface Letter {
  readonly id: string;
  readonly kind: string;
}

sweep({
  name: "redrive",
  prepare: async ({ client, tag }) => {
    const [sku, command] = [`R${tag}`, `cmd_r-${tag}`];
    await seedShelves(sku, { location: "warehouse-03", bins: { "Bin-T-1": 10 } });
    const dying = new Set(["command", "event"]);
    stage.givesUp = (body) => {
      const { command_id: id, event } = body as {
        command_id?: string;
        event?: { type: string; data: { to?: string } };
      };
      if (id === command) return dying.has("command");
      return event?.type === "StatusChanged" && event.data.to === "needs_clarification" && dying.has("event");
    };
    const keeper = async () => {
      await client.send(updateInventory("keeper-03", command, sku, -3));
    };
    const device = async () => {
      await upload(client, "truck-001", [{ sku: "NO-SUCH-PART", quantity: 1 }]);
    };
    const answers: number[] = [];
    const redrive = (who: string, kind: string) => async () => {
      const letter = await client.look(async () => {
        const { body } = await client.see({ as: who, method: "GET", path: "/api/dead-letters?state=any" });
        return (body.data as Letter[]).find((one) => one.kind === kind) ?? null;
      });
      dying.delete(kind);
      const { status } = await client.send({ as: who, method: "POST", path: `/api/dead-letters/${letter.id}/redrive` });
      answers.push(status);
    };
    return {
      clients: [
        keeper,
        device,
        redrive("ops", "command"),
        redrive("admin", "command"),
        redrive("ops", "event"),
        redrive("admin", "event"),
      ],
      check: async () => {
        const { results } = await env.DB.prepare(
          `SELECT l.kind, l.state, COUNT(a.seq) AS redriven FROM dead_letters l
           LEFT JOIN audit a ON a.subject = 'dead_letter/' || l.id AND a.action = 'dead_letter.redriven' GROUP BY l.id ORDER BY 1`,
        ).all<{ kind: string; state: string; redriven: number }>();
        const said = results.map(({ kind, state, redriven }) => `${kind} ${state} ${redriven}`).join(", ");
        const left = await env.DB.prepare("SELECT on_hand FROM stock_levels WHERE sku = ?").bind(sku).first("on_hand");
        return [
          ...(said === "command redriven 1, event redriven 1" ? [] : [`4 a redrive has one effect: ${said}`]),
          ...(left === 7 ? [] : [`4 a redriven command has one effect: ${Number(left)} left`]),
          ...answers.filter((one) => one !== 200 && one !== 409).map((one) => `4 a redrive is answered: ${one}`),
        ];
      },
    };
  },
});
