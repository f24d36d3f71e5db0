import { applyD1Migrations } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { it } from "vitest";

it("boots", async ({ expect }) => {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  const r = await exports.default.fetch("http://x/");
  expect(await r.text()).toBe("ok");
  const t = await env.DB.prepare("select count(*) n from sqlite_master").first();
  expect(t.n).toBeGreaterThan(20);
});
