/** Parked events: in sight, and given back to the relay once, by operations alone. */
import { afterEach, beforeAll, it } from "vitest";
import { MAX_SENDS, RESEND_AFTER_MS } from "../../src/config.ts";
import { aroundQueue } from "../support/bindings.ts";
import { change, type EventMessage } from "../support/dead-letters.ts";
import { as, env, quiet, startWorld, until } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { expectProblem } from "../support/problem.ts";
import { holdRelayPoll, runRelayAlarm } from "../support/relay.ts";
import { moveClock, wrapBindings } from "../support/world.ts";

beforeAll(startWorld);
afterEach(() => wrapBindings({}));

it("an event that the queue lost each time is listed, given back once by two operators at once, and then has its effect", async ({
  expect,
}) => {
  await holdRelayPoll();
  let lost = 0;
  let losing = true;
  wrapBindings({
    EVENTS_QUEUE: (real) =>
      aroundQueue(real, async (send, bodies) => {
        const ours = (bodies as EventMessage[]).some(({ event }) => event.subject === "stock/PUMP-001@warehouse-01");
        if (!ours || !losing) return send();
        lost++;
        return undefined;
      }),
  });
  await change("PUMP-001");
  await until("it is sent", async () => lost > 0);
  for (let sends = 0; sends <= MAX_SENDS; sends++) {
    moveClock(RESEND_AFTER_MS + 1);
    await runRelayAlarm();
  }
  const { body } = await as("ops", "GET", "/api/outbox/parked");
  expect(body.meta).toEqual({ count: 1, next_cursor: null });
  const [event] = body.data;
  expect(event).toMatchObject({
    type: "InventoryUpdated",
    subject: "stock/PUMP-001@warehouse-01",
    reason: `sent ${MAX_SENDS} times, never finished by its subscribers`,
  });
  const path = `/api/outbox/${event.event_id}/unpark`;
  expectProblem(expect, await as("manager-north", "POST", path), 403, "FORBIDDEN");
  losing = false;
  const answers = await Promise.all(["ops", "admin", "ops", "admin"].map((who) => as(who, "POST", path)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  await quiet();
  const row = await env.DB.prepare("SELECT want, done, parked_at FROM outbox WHERE event_id = ?")
    .bind(event.event_id)
    .first<{ want: number; done: number; parked_at: string | null }>();
  expect(row).toEqual({ want: row?.want, done: row?.want, parked_at: null });
  const trail = await as("ops", "GET", `/api/audit?subject=event/${event.event_id}`);
  expect(trail.body.data.map((one: { action: string }) => one.action)).toEqual(["event.parked", "event.unparked"]);
  expectProblem(expect, await as("ops", "POST", path), 404, "NOT_FOUND");
  expect((await as("ops", "GET", "/api/outbox/parked")).body.data).toEqual([]);
  expect(await violations(env.DB)).toEqual([]);
});

it("a cursor that is none of ours is refused, and so is whoever isn't operations", async ({ expect }) => {
  for (const query of ["?cursor=!", "?cursor=eA", "?limit=0", "?x=1"]) {
    expectProblem(expect, await as("ops", "GET", `/api/outbox/parked${query}`), 422, "VALIDATION");
  }
  for (const who of ["truck-001", "tech-north", "manager-north"]) {
    expectProblem(expect, await as(who, "GET", "/api/outbox/parked"), 403, "FORBIDDEN");
  }
});
