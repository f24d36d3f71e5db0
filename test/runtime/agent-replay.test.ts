/**
 * The trace holds what each decision rests on: every run that these requests leave behind is decided again from it, bit
 * for bit, and whatever was changed since then shows.
 */
import { beforeAll, describe, it } from "vitest";
import { DECISIONS } from "../../src/agents/decisions.ts";
import { replaySteps } from "../../src/agents/replay.ts";
import { decideDraft } from "../../src/agents/order-generator.ts";
import { storedStep } from "../../src/agents/stored-step.ts";
import { createContainer, sha256Hex } from "../../src/container.ts";
import { findAgentRun, insertAgentStep } from "../../src/db/queries/agent-traces.ts";
import { openDatabase } from "../../src/db/database.ts";
import { canonicalJson } from "../../src/domain/canonical-json.ts";
import { figure } from "../support/figures.ts";
import { approveAll, as, env, requestIs, startWorld } from "../support/harness.ts";
import { seedMixedParts, seedPart, settled } from "../support/saga-world.ts";
import { moveClock } from "../support/world.ts";

const HOUR = 60 * 60 * 1000;

beforeAll(async () => {
  await startWorld();
  const shelves = [{ location: "warehouse-03", bin: "Bin-T-1", quantity: 100_000 }];
  await seedPart("CHEAP-1", { price: 500, name: "Zephyr latch", shelves });
  await seedPart("DEAR-1", { price: 30_000, name: "Zephyr crane arm", shelves });
});

async function upload(type: string, body: string, subject = "truck-001"): Promise<string> {
  const sent = await as(subject, "POST", "/api/uploads", body, { "content-type": type });
  if (sent.status !== 202) throw new Error(`not taken: ${sent.status} ${JSON.stringify(sent.body)}`);
  return sent.body.request_id;
}
const csv = (...lines: [string, number][]) => `sku,quantity\n${lines.map((line) => line.join(",")).join("\n")}\n`;
const deps = () => ({ db: openDatabase(env.DB), sha256: sha256Hex });
const inputOf = async (run: string, step: number) =>
  (await as("ops", "GET", `/api/agent-runs/${run}?inputs=true`)).body.steps.find(
    (one: { step: number }) => one.step === step,
  ).input;

async function rowsOf<Row>(sql: string, ...params: string[]): Promise<Row[]> {
  return (
    await env.DB.prepare(sql)
      .bind(...params)
      .all<Row>()
  ).results;
}

/** Requests of every way through the agents; each has come to rest. */
async function manyRequests(): Promise<void> {
  const parts = await seedMixedParts("REPLAY");
  const auto = await upload("text/csv", csv(["CHEAP-1", 3]));
  const bought = await upload("text/csv", csv([parts.stocked, 2], [parts.bought, 2]));
  const text = await upload("text/plain", "Please send\n3 zephyr latches\nCHEAP-1 x 2\n");
  const json = await upload(
    "application/json",
    JSON.stringify({
      request_number: "J-REPLAY",
      device_id: "truck-001",
      note: "urgent — the Kran is broken 🛠",
      needed_by: new Date(Date.now() + 24 * HOUR).toISOString().slice(0, 10),
      lines: [{ sku: "CHEAP-1", quantity: 3 }],
    }),
  );
  for (const id of [auto, bought, text, json]) {
    await approveAll(id);
    await requestIs(id, "completed");
  }
  const rejected = await upload("text/csv", csv(["DEAR-1", 5]));
  await requestIs(rejected, "awaiting_approval");
  await approveAll(rejected, "reject");
  await requestIs(rejected, "rejected");
  const two = await upload("text/csv", csv(["DEAR-1", 20]));
  await approveAll(two);
  await requestIs(two, "completed");
  await requestIs(await upload("text/csv", csv(["DEAR-1", 334])), "needs_attention");
  await requestIs(await upload("text/csv", csv(["CHEAP-1", 1], ["NOPE-999", 1])), "needs_clarification");
  await requestIs(await upload("text/plain", "2 coolant pumps\n"), "needs_clarification");
  await requestIs(await upload("text/csv", csv(["DEAR-1", 1_000_000])), "needs_clarification", "needs_attention");
  const escalated = await upload("text/csv", csv(["DEAR-1", 5]));
  await requestIs(escalated, "awaiting_approval");
  for (let wait = 0; wait < 3; wait++) {
    moveClock(4 * HOUR + 60_000);
    await settled();
  }
  await requestIs(escalated, "awaiting_approval");
  await approveAll(escalated);
  await requestIs(escalated, "completed");
}

describe("replay", () => {
  it("of every run decides the same, bit for bit", { timeout: 120_000 }, async ({ expect }) => {
    await manyRequests();
    const runs = await rowsOf<{ id: string }>("SELECT id FROM agent_runs");
    let steps = 0;
    for (const { id } of runs) {
      const { body } = await as("ops", "GET", `/api/agent-runs/${id}/replay`);
      expect(body.same, JSON.stringify(body)).toBe(true);
      expect(new Set(body.steps.map(({ outcome }: { outcome: string }) => outcome))).toEqual(new Set(["same"]));
      steps += body.steps.length;
    }
    const kinds = await rowsOf<{ decision: string }>("SELECT DISTINCT decision FROM agent_steps");
    figure("replay of stored runs", { runs: runs.length, steps, different: 0 });
    expect(kinds.map(({ decision }) => decision).toSorted()).toEqual(Object.keys(DECISIONS).toSorted());
    expect(runs.length).toBeGreaterThanOrEqual(11);
  });

  it("says so of an input that was changed, even where the decision stays as it was", async ({ expect }) => {
    const id = await upload("text/csv", csv(["CHEAP-1", 3]));
    await requestIs(id, "completed");
    const run = (await as("ops", "GET", `/api/agent-runs/${id}`)).body.run_id as string;
    const change = async (step: number, bent: (input: Record<string, never>) => unknown) => {
      const text = canonicalJson(bent(await inputOf(run, step)));
      const packed = new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip")));
      await env.DB.prepare("UPDATE agent_steps SET input = ? WHERE run_id = ? AND step = ?")
        .bind(await packed.arrayBuffer(), run, step)
        .run();
      return (await as("ops", "GET", `/api/agent-runs/${run}/replay`)).body.steps[step - 1];
    };

    const later = (input: { facts?: { now: number } }) => ({
      ...input,
      facts: { ...input.facts, now: (input.facts?.now ?? 0) + 1 },
    });
    expect(await change(1, later)).toMatchObject({
      outcome: "different",
      differs: ["the kept input isn't the one that was decided on"],
    });
    const dearer = (input: { approval?: object }) => ({ ...input, approval: { ...input.approval, total: 5_000_000 } });
    expect(await change(4, dearer)).toMatchObject({
      outcome: "different",
      differs: expect.arrayContaining(["the rules that fired", "what was decided"]),
    });
    await env.DB.prepare("UPDATE agent_steps SET input = x'00' WHERE run_id = ? AND step = 2").bind(run).run();
    const { body } = await as("ops", "GET", `/api/agent-runs/${run}/replay`);
    expect(body.same).toBe(false);
    expect(body.steps[1].differs).toEqual([expect.stringContaining("it can't be decided again")]);
    expect(body.steps.map(({ outcome }: { outcome: string }) => outcome)).toEqual([
      "different",
      "different",
      "same",
      "different",
      "same",
    ]);
  });

  it("says so of rules that decide otherwise today", async ({ expect }) => {
    const id = await upload("text/csv", csv(["CHEAP-1", 21]));
    await approveAll(id);
    await requestIs(id, "completed");
    const run = await findAgentRun(deps().db, id);
    const stricter = await replaySteps(deps(), run?.steps ?? [], {
      ...DECISIONS,
      route_approval: (input, engine) => {
        const { policy, ...rest } = input as { policy: { rules: object[] } };
        const rules = policy.rules.map((rule) => ({ ...rule, level: "two" }));
        return DECISIONS.route_approval({ ...rest, policy: { ...policy, rules } }, engine);
      },
    });
    const differing = stricter.filter(({ outcome }) => outcome === "different");
    expect(differing).toEqual([
      expect.objectContaining({ decision: "route_approval", differs: expect.arrayContaining(["what was decided"]) }),
    ]);
  });

  it("takes the steps of before inputs were kept as they are: readable, and not to be decided again", async ({
    expect,
  }) => {
    const id = await upload("text/csv", csv(["CHEAP-1", 3]));
    await requestIs(id, "completed");
    await env.DB.prepare(
      "UPDATE agent_steps SET input = NULL, decision = NULL, decision_hash = NULL WHERE run_id = (SELECT id FROM agent_runs WHERE request_id = ?)",
    )
      .bind(id)
      .run();
    const { body } = await as("ops", "GET", `/api/agent-runs/${id}/replay`);
    expect(body).toMatchObject({
      same: true,
      steps: expect.arrayContaining([
        { step: 1, agent: "RequestRouter", decision: null, outcome: "not_kept", differs: [] },
      ]),
    });
    expect((await as("ops", "GET", `/api/agent-runs/${id}?inputs=true`)).body.steps[0]).toMatchObject({
      input: null,
      decision: null,
    });
  });

  it("is for operations and the region's managers only", async ({ expect }) => {
    const id = await upload("text/csv", csv(["CHEAP-1", 1]));
    await requestIs(id, "completed");
    expect((await as("manager-north", "GET", `/api/agent-runs/${id}/replay`)).status).toBe(200);
    expect((await as("manager-south", "GET", `/api/agent-runs/${id}/replay`)).status).toBe(404);
    expect((await as("truck-001", "GET", `/api/agent-runs/${id}/replay`)).status).toBe(403);
  });
});

describe("the sealed trail", () => {
  it("names each decision by the hashes of its input and of what was decided", async ({ expect }) => {
    const id = await upload("text/csv", csv(["CHEAP-1", 21]));
    await approveAll(id);
    await requestIs(id, "completed");
    const { body: run } = await as("ops", "GET", `/api/agent-runs/${id}?inputs=true`);
    const { body: trail } = await as("ops", "GET", `/api/requests/${id}/timeline`);
    const named = trail.data.flatMap(({ after }: { after: { decisions?: object[] } | null }) => after?.decisions ?? []);

    expect(run.steps.length).toBeGreaterThanOrEqual(6);
    expect(named).toEqual(
      run.steps.map((step: { decision: string; input_hash: string; decision_hash: string }) => {
        return { decision: step.decision, input: step.input_hash, decided: step.decision_hash };
      }),
    );
    for (const { input, input_hash: hash } of run.steps) expect(await sha256Hex(canonicalJson(input))).toBe(hash);
  });
});

describe("a request of 1,000 lines", () => {
  it(
    "is kept whole, with its candidates, in values that the database takes",
    { timeout: 120_000 },
    async ({ expect }) => {
      const skus = await rowsOf<{ sku: string }>("SELECT sku FROM parts ORDER BY sku");
      const lines = Array.from({ length: 1_000 }, (_, line): [string, number] => [
        skus[line % skus.length]?.sku ?? "",
        1,
      ]);
      const id = await upload("text/csv", csv(...lines));
      await requestIs(id, "needs_clarification", "awaiting_approval", "needs_attention", "rejected", "completed");
      const [kept] = await rowsOf<{ bytes: number; steps: number }>(
        "SELECT MAX(length(input)) AS bytes, COUNT(*) AS steps FROM agent_steps WHERE run_id = (SELECT id FROM agent_runs WHERE request_id = ?)",
        id,
      );
      const text = JSON.stringify(await inputOf(`run_${id.slice(4)}`, 2));
      figure("kept input of 1,000 lines", { lines: 1_000, json_bytes: text.length, kept_bytes: kept?.bytes ?? 0 });

      expect((JSON.parse(text) as { lines: unknown[] }).lines).toHaveLength(1_000);
      expect((await as("ops", "GET", `/api/agent-runs/${id}/replay`)).body.same).toBe(true);
    },
  );

  it("and one whose input is larger than a row may be goes on in further rows", async ({ expect }) => {
    const id = await upload("text/csv", csv(["CHEAP-1", 1]));
    await requestIs(id, "completed");
    const waiting: Promise<unknown>[] = [];
    const container = createContainer(env, { waitUntil: (work) => void waiting.push(work) });
    const noise = Array.from({ length: 60_000 }, () => crypto.randomUUID()).join("");
    const { section, trace } = decideDraft({ allocations: [], currency: noise });
    const step = await storedStep({ ...trace, section }, sha256Hex);
    const written = await container.commit({
      trace: container.newTrace(),
      writes: insertAgentStep(id, step, new Date().toISOString()),
    });
    await Promise.all(waiting);

    expect(written.ok).toBe(true);
    expect(step.furtherInput.length).toBeGreaterThan(0);
    const { body } = await as("ops", "GET", `/api/agent-runs/${id}/replay`);
    expect(body.steps.at(-1)).toMatchObject({ decision: "draft_order", outcome: "same" });
  });
});
