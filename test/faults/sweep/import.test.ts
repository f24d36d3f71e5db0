/** The sweep of imports: a catalogue, then its stock; each file wholly or not at all, and once. */
import { env } from "../../support/sweep/small-world.ts";
import { sweep } from "../../support/sweep/sweep.ts";

const PARTS = "sku,name,category,subcategory,color,standard_cost,list_price,safety_stock,reorder_point,discontinued";

sweep({
  name: "import",
  prepare: async ({ client, tag }) => {
    const skus = [`I${tag}`, `J${tag}`];
    const answers: string[] = [];
    const send = async (kind: string, header: string, rows: readonly string[]) => {
      const answer = await client.send({
        as: "admin",
        method: "POST",
        path: `/api/imports/${kind}`,
        body: `${header}\n${rows.join("\n")}\n`,
        headers: { "content-type": "text/csv" },
      });
      answers.push(`${kind} ${answer.status}`);
    };
    const part = (price: string) => skus.map((sku) => `${sku},Part ${sku},pumps,,,1.00,${price},0,0,false`);
    const stock = (quantity: number) => skus.map((sku) => `${sku},warehouse-03,Bin-T-1,${quantity}`);
    const admin = async () => {
      await send("parts", PARTS, part("10.00"));
      await send("stock", "sku,warehouse_id,bin,quantity", stock(7));
      await send("parts", PARTS, part("11.00"));
      await send("stock", "sku,warehouse_id,bin,quantity", stock(5));
    };
    const read = async () => {
      await client.look(() =>
        env.DB.prepare("SELECT 1 AS there FROM parts WHERE sku = ?").bind(skus[0]).first<number>("there"),
      );
      for (let n = 0; n < 3; n++) await client.send({ as: "tech-north", method: "GET", path: `/api/parts/${skus[0]}` });
    };
    return {
      clients: [admin, read],
      check: async () => {
        const { results } = await env.DB.prepare(
          "SELECT p.sku, p.list_price, l.on_hand FROM parts p LEFT JOIN stock_levels l ON l.sku = p.sku ORDER BY 1",
        ).all<{ sku: string; list_price: number; on_hand: number }>();
        const wanted = JSON.stringify(skus.map((sku) => ({ sku, list_price: 1_100, on_hand: 5 })));
        return [
          ...answers.filter((one) => !one.endsWith(" 200")).map((one) => `4 a good file is imported: ${one}`),
          ...(JSON.stringify(results) === wanted ? [] : [`4 what was imported is there: ${JSON.stringify(results)}`]),
        ];
      },
    };
  },
});
