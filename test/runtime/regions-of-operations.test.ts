/** Operations and admins who are bound to a region see and repair what lies there; the rest isn't there for them. */
import { afterEach, beforeAll, beforeEach, describe, it } from "vitest";
import { aroundQueue } from "../support/bindings.ts";
import { as, env, startWorld } from "../support/harness.ts";
import { expectProblem } from "../support/problem.ts";
import { subscribed } from "../support/webhook-world.ts";
import { wrapBindings } from "../support/world.ts";

const EVERYWHERE = null;
const REGIONS = ["north", "south", EVERYWHERE] as const;
const nameOf = (region: string | null) => region ?? "everywhere";

beforeAll(async () => {
  await startWorld();
  const person = env.DB.prepare(
    "INSERT INTO people(id, name, email, role, region) VALUES (?1, ?1, ?1 || '@t.example', ?2, ?3)",
  );
  await env.DB.batch([
    person.bind("ops-north", "operations", "north"),
    person.bind("admin-north", "admin", "north"),
    person.bind("integrator-south", "integrator", "south"),
    person.bind("integrator-north", "integrator", "north"),
  ]);
});

/** In each region, and of no region: an event that died, and one that is parked. None of them travels. */
beforeEach(async () => {
  wrapBindings({ EVENTS_QUEUE: (real) => aroundQueue(real, () => Promise.resolve()) });
  await env.DB.batch([env.DB.prepare("DELETE FROM dead_letters"), env.DB.prepare("DELETE FROM outbox")]);
  const event = env.DB
    .prepare(`INSERT INTO outbox(seq, event_id, bucket, type, subject, region, event, created_at, want, dead, parked_at)
    VALUES (?1, ?2, 0, 'PartUpdated', 'part/' || ?2, ?3, '{}', '2026-01-01T00:00:00.000Z', 16, ?4, ?5)`);
  const letter = env.DB
    .prepare(`INSERT INTO dead_letters(id, kind, queue, key, event_seq, event_id, subscriber, bit, type, subject,
      region, body, error, fingerprint, attempts, message_id, state, first_at, last_at)
    VALUES ('ltr_' || ?1, 'event', 'events', ?1, ?2, 'evt_dead_' || ?1, 'cache-invalidation', 16, 'PartUpdated', 'part/' || ?1,
      ?3, '{}', 'ill', 'one-cause', 5, 'm', 'open', '2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z')`);
  await env.DB.batch(
    REGIONS.flatMap((region, at) => [
      event.bind(1_000 + at, `evt_dead_${nameOf(region)}`, region, 16, null),
      letter.bind(nameOf(region), 1_000 + at, region),
      event.bind(2_000 + at, `evt_parked_${nameOf(region)}`, region, 0, "2026-01-01T00:00:00.000Z"),
    ]),
  );
});
afterEach(() => wrapBindings({}));

const get = async (who: string, path: string) => (await as(who, "GET", path)).body;
const openLetters = async () =>
  (
    await env.DB.prepare("SELECT id FROM dead_letters WHERE state = 'open' ORDER BY id").all<{ id: string }>()
  ).results.map(({ id }) => id);
const OTHERS = ["south", "everywhere"] as const;

describe.for(["ops-north", "admin-north"])("%s", (who) => {
  it("lists and counts the dead letters and the parked events of the north alone", async ({ expect }) => {
    expect((await get(who, "/api/dead-letters")).data).toMatchObject([{ id: "ltr_north" }]);
    expect((await get(who, "/api/dead-letters/groups")).data).toMatchObject([
      { count: 1, sample: { id: "ltr_north" } },
    ]);
    expect((await get(who, "/api/outbox/parked")).data).toMatchObject([{ event_id: "evt_parked_north" }]);
    expect(await get(who, "/api/outbox")).toMatchObject({ parked: 1, dead_letters: 1 });
    expect(await get("ops", "/api/outbox")).toMatchObject({ parked: 3, dead_letters: 3 });
    expect((await get("ops", "/api/dead-letters")).meta.count).toBe(3);
  });

  it.for(OTHERS)(
    "finds no letter of %s: neither to read nor to redrive, edit or discard",
    async (region, { expect }) => {
      const path = `/api/dead-letters/ltr_${region}`;
      expectProblem(expect, await as(who, "GET", path), 404, "NOT_FOUND");
      expectProblem(expect, await as(who, "POST", `${path}/redrive`), 404, "NOT_FOUND");
      expectProblem(expect, await as(who, "POST", `${path}/redrive?dry_run=true`), 404, "NOT_FOUND");
      expectProblem(expect, await as(who, "POST", `${path}/edit`, { event: {} }), 404, "NOT_FOUND");
      expectProblem(expect, await as(who, "POST", `${path}/discard`, { reason: "no" }), 404, "NOT_FOUND");
      expect(await openLetters()).toHaveLength(3);
    },
  );

  it.for(["all=true", "fingerprint=one-cause"])(
    "redrives the letters of the north by %s, no others",
    async (choice, { expect }) => {
      const answer = await as(who, "POST", `/api/dead-letters/redrive?${choice}`);
      expect(answer.body).toMatchObject({ data: [{ id: "ltr_north" }], meta: { count: 1, remaining: 0 } });
      expect(await openLetters()).toEqual(["ltr_everywhere", "ltr_south"]);
    },
  );

  it("gives back the parked event of the north, no other", async ({ expect }) => {
    for (const region of OTHERS) {
      expectProblem(expect, await as(who, "POST", `/api/outbox/evt_parked_${region}/unpark`), 404, "NOT_FOUND");
    }
    expect((await as(who, "POST", "/api/outbox/evt_parked_north/unpark")).status).toBe(200);
  });

  it("is told of the north's stock by the recount, and refused what concerns every region", async ({ expect }) => {
    const wrong = env.DB.prepare(
      "UPDATE stock_levels SET on_hand = on_hand + 1 WHERE sku = 'PUMP-001' AND location = ?",
    );
    const right = env.DB.prepare(
      "UPDATE stock_levels SET on_hand = on_hand - 1 WHERE sku = 'PUMP-001' AND location = ?",
    );
    await env.DB.prepare(
      "INSERT OR IGNORE INTO locations(id, kind, name, region) VALUES ('warehouse-south', 'warehouse', 'South', 'south')",
    ).run();
    await env.DB.prepare(
      "INSERT OR IGNORE INTO stock_levels(sku, location, on_hand) VALUES ('PUMP-001', 'warehouse-south', 0)",
    ).run();
    await env.DB.batch([wrong.bind("warehouse-01"), wrong.bind("warehouse-south")]);
    const placesOf = async (asker: string) =>
      new Set((await get(asker, "/api/ops/recount")).data.map(({ location }: { location: string }) => location));
    expect(await placesOf(who)).toEqual(new Set(["warehouse-01"]));
    expect(await placesOf("ops")).toEqual(new Set(["warehouse-01", "warehouse-south"]));
    await env.DB.batch([right.bind("warehouse-01"), right.bind("warehouse-south")]);
    for (const path of [
      "/api/ops/invariants",
      "/api/ops/invariants/reports",
      "/api/audit/verify",
      "/api/audit/export",
    ]) {
      expectProblem(expect, await as(who, "GET", path), 403, "FORBIDDEN");
    }
  });

  it("reads the breakers and the exchange rates, which are every region's, and changes none of them", async ({
    expect,
  }) => {
    const rate = { from: "EUR", to: "USD", as_of: "2026-02-01", rate: "1.08" };
    const turn = (asker: string, to: "open" | "reset") =>
      as(asker, "POST", `/api/breakers/archive/${to}`, { reason: "a drill" });
    expectProblem(expect, await turn(who, "open"), 403, "FORBIDDEN");
    expectProblem(expect, await as(who, "POST", "/api/exchange-rates", rate), 403, "FORBIDDEN");
    expect(await get(who, "/api/breakers/archive")).toMatchObject({ state: "closed" });
    expect((await get("ops", "/api/exchange-rates")).data).not.toContainEqual(rate);

    expect((await turn("ops", "open")).status).toBe(200);
    expectProblem(expect, await turn(who, "reset"), 403, "FORBIDDEN");
    const listed = (await get(who, "/api/breakers?state=open")).data;
    expect(listed).toMatchObject([{ dependency: "archive", forced: true }]);
    expect((await turn("ops", "reset")).status).toBe(200);
  });
});

it("an admin of a region has the endpoints of that region, and those of every region see all", async ({ expect }) => {
  const ours = await subscribed("integrator-north");
  const [south, all] = [await subscribed("integrator-south"), await subscribed("integrator")];
  const listed = async (who: string) =>
    (await get(who, "/api/webhooks")).data.map(({ id }: { id: string }) => id).sort();
  expect(await listed("admin-north")).toEqual([ours.id]);
  expect(await listed("admin")).toEqual([ours.id, south.id, all.id].sort());
  expect((await as("admin-north", "GET", `/api/webhooks/${ours.id}/deliveries`)).status).toBe(200);
  for (const { id } of [south, all]) {
    expectProblem(expect, await as("admin-north", "GET", `/api/webhooks/${id}`), 404, "NOT_FOUND");
    expectProblem(expect, await as("admin-north", "GET", `/api/webhooks/${id}/deliveries`), 404, "NOT_FOUND");
    expectProblem(expect, await as("admin-north", "POST", `/api/webhooks/${id}/rotate`), 404, "NOT_FOUND");
    const { body } = await as("admin", "POST", `/api/webhooks/${id}/test`);
    const path = `/api/webhooks/deliveries/${body.delivery_id}`;
    expectProblem(expect, await as("admin-north", "GET", path), 404, "NOT_FOUND");
    expectProblem(expect, await as("admin-north", "POST", `${path}/replay`), 404, "NOT_FOUND");
  }
});
