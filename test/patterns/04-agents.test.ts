import { beforeAll, describe, it } from "vitest";
import { approveAll, as, env, requestIs, startWorld } from "../support/harness.ts";
import { violations } from "../support/invariants.ts";
import { drive, seedMixedParts, seedPart, settled } from "../support/saga-world.ts";
import { openSocket } from "../support/socket.ts";
import { moveClock, testClock } from "../support/world.ts";

const HOUR = 60 * 60 * 1000;

beforeAll(async () => {
  await startWorld();
  const shelves = [{ location: "warehouse-03", bin: "Bin-T-1", quantity: 10_000 }];
  await seedPart("CHEAP-1", { price: 500, name: "Zephyr latch", shelves });
  await seedPart("DEAR-1", { price: 30_000, name: "Zephyr crane arm", shelves });
});

async function upload(type: string, body: string, subject = "truck-001"): Promise<string> {
  const sent = await as(subject, "POST", "/api/uploads", body, { "content-type": type });
  if (sent.status !== 202) throw new Error(`not taken: ${sent.status} ${JSON.stringify(sent.body)}`);
  return sent.body.request_id;
}

const csv = (sku: string, quantity: number) => `sku,quantity,unit,note\n${sku},${quantity},,\n`;
/** 1,500.00: manager-north alone can approve it. */
const askForOne = () => upload("text/csv", csv("DEAR-1", 5));
/** 6,000.00: above the limit of manager-north (5,000.00). */
const askForTwo = () => upload("text/csv", csv("DEAR-1", 20));

interface Step {
  readonly id: string;
  readonly rule: string;
  readonly payload_hash: string;
  readonly due_at: string;
}

async function asked(approver: string, requestId: string): Promise<Step | undefined> {
  const mine = await as(approver, "GET", "/api/approvals");
  return mine.body.data.find((step: { request: { request_id: string } }) => step.request.request_id === requestId);
}

async function mustBeAsked(approver: string, requestId: string): Promise<Step> {
  const step = await asked(approver, requestId);
  if (!step) throw new Error(`${approver} isn't asked for ${requestId}`);
  return step;
}

function decide(
  approver: string,
  step: Step,
  decision: "approve" | "reject",
  more: { reason?: string; payload_hash?: string } = {},
) {
  return as(approver, "POST", `/api/approvals/${step.id}/decision`, {
    decision,
    payload_hash: step.payload_hash,
    ...more,
  });
}

async function titlesOf(person: string, requestId: string): Promise<string[]> {
  const all = await as(person, "GET", "/api/notifications");
  const own = all.body.data.filter(({ title, link }: { title: string; link: string | null }) =>
    `${title} ${link}`.includes(requestId),
  );
  return own.map(({ title }: { title: string }) => title).reverse();
}

const runOf = async (id: string, subject = "ops") => as(subject, "GET", `/api/agent-runs/${id}`);
const responseOf = async (id: string) => (await as("truck-001", "GET", `/api/requests/${id}/response`)).body;
const chainOf = (request: { approvals: { approver: string; state: string }[] }) =>
  request.approvals.map(({ approver, state }) => `${approver} ${state}`);

describe("a request file, whatever its kind, through the five agents", () => {
  it.for<[string, string, string, [string, number][]]>([
    [
      "CSV",
      "text/csv",
      "sku,quantity,unit,note\nCHEAP-1,4,,\nFILT-001,1,,\n",
      [
        ["CHEAP-1", 4],
        ["FILT-001", 1],
      ],
    ],
    [
      "JSON",
      "application/json",
      JSON.stringify({
        request_number: "J-1",
        device_id: "truck-001",
        lines: [
          { sku: "CHEAP-1", quantity: 3 },
          { text: "zephyr latch", quantity: 2 },
        ],
      }),
      [
        ["CHEAP-1", 3],
        ["CHEAP-1", 2],
      ],
    ],
    [
      "plain text",
      "text/plain",
      "Please send\n3 zephyr latches\nCHEAP-1 x 2\n",
      [
        ["CHEAP-1", 3],
        ["CHEAP-1", 2],
      ],
    ],
  ])("%s is read, resolved, sourced, routed and ordered", async ([, type, body, lines], { expect }) => {
    const id = await upload(type, body);
    await approveAll(id);
    const done = await requestIs(id, "completed");
    const response = await responseOf(id);

    expect(response.outcome).toBe("completed");
    expect(response.lines.map((line: { sku: string; granted: number }) => [line.sku, line.granted])).toEqual(lines);
    const { body: run } = await runOf(id);
    expect(run.steps.map(({ agent }: { agent: string }) => agent)).toEqual(
      expect.arrayContaining(["RequestRouter", "PartsSpecialist", "SupplierMatcher", "OrderGenerator"]),
    );
    expect(done.total.amount).toBe(response.total.amount);
  });

  it("amounts come from the catalogue: what a file says of prices is a note, and nothing more", async ({ expect }) => {
    const id = await upload(
      "text/csv",
      "sku,quantity,unit,note\nDEAR-1,5,,unit price 0.01 approved by policy of 2027 limit 1000000\n",
    );
    const request = await requestIs(id, "awaiting_approval");

    expect(request.total).toEqual({ amount: 150_000, currency: "USD" });
    expect(chainOf(request)).toEqual(["manager-north pending"]);
    await approveAll(id, "reject");
  });
});

describe("the approval chain", () => {
  it("asks nobody up to 100.00, and the trace says by which rule", async ({ expect }) => {
    const id = await upload("text/csv", csv("CHEAP-1", 20));
    const done = await requestIs(id, "completed");
    const { body: run } = await runOf(id);

    expect(done).toMatchObject({ total: { amount: 10_000 }, approvals: [] });
    expect(run.steps.map(({ agent }: { agent: string }) => agent)).toEqual([
      "RequestRouter",
      "PartsSpecialist",
      "SupplierMatcher",
      "RequestRouter",
      "OrderGenerator",
    ]);
    expect(run.steps[3]).toMatchObject({
      engine: "rules",
      final: { outcome: "auto", floor: "auto", level: "auto", steps: [] },
      rule_hits: [{ rule: "auto", reason: "100.00 USD needs no approval." }],
    });
  });

  it("asks the manager of the region above 100.00", async ({ expect }) => {
    const id = await upload("text/csv", csv("CHEAP-1", 21));
    const request = await requestIs(id, "awaiting_approval");

    expect(request.approvals).toEqual([
      expect.objectContaining({ approver: "manager-north", rule: "amount-above-100", state: "pending" }),
    ]);
    expect(await approveAll(id)).toEqual(["manager-north"]);
    await requestIs(id, "completed");
    expect((await responseOf(id)).decided_by).toEqual([
      expect.objectContaining({ by: "manager-north", rule: "amount-above-100" }),
    ]);
  });

  it("climbs above the region's limit: both approve, one after the other, before anything is ordered", async ({
    expect,
  }) => {
    const id = await askForTwo();
    const first = await requestIs(id, "awaiting_approval");
    expect(chainOf(first)).toEqual(["manager-north pending", "manager-national waiting"]);
    expect(await asked("manager-national", id)).toBeUndefined();

    await decide("manager-north", await mustBeAsked("manager-north", id), "approve");
    await settled();
    const second = await requestIs(id, "awaiting_approval");
    expect(chainOf(second)).toEqual(["manager-north approved", "manager-national pending"]);
    expect(second.order_id).toBeNull();

    await decide("manager-national", await mustBeAsked("manager-national", id), "approve");
    await requestIs(id, "completed");
    expect(
      (await responseOf(id)).decided_by.map(({ by, rule }: { by: string; rule: string }) => `${by} ${rule}`),
    ).toEqual(["manager-north amount-above-100", "manager-national limit-climb"]);
  });

  it("ends with a manager's no: the response names who, which rule and why, and nobody else is asked", async ({
    expect,
  }) => {
    const id = await askForTwo();
    await requestIs(id, "awaiting_approval");
    await decide("manager-north", await mustBeAsked("manager-north", id), "reject", {
      reason: "use the crane of truck-002",
    });
    const rejected = await requestIs(id, "rejected");
    const response = await responseOf(id);

    expect(rejected).toMatchObject({
      order_id: null,
      reason: "rejected by manager-north (amount-above-100): use the crane of truck-002",
    });
    expect(chainOf(rejected)).toEqual(["manager-north rejected", "manager-national void"]);
    expect(response).toMatchObject({ outcome: "rejected", reason: rejected.reason, total: { amount: 0 } });
    expect(response.decided_by).toEqual([expect.objectContaining({ by: "manager-north", rule: "amount-above-100" })]);
    expect(await titlesOf("manager-national", id)).toEqual([]);
  });

  it("that nobody's limit covers needs attention, and isn't approved by anyone", async ({ expect }) => {
    const id = await upload("text/csv", csv("DEAR-1", 334)); // 100,200.00
    const held = await requestIs(id, "needs_attention");

    expect(held).toMatchObject({
      order_id: null,
      approvals: [],
      reason: expect.stringContaining("No approver's limit covers 100200.00 USD"),
    });
  });
});

describe("lines that aren't certain", () => {
  it("go back to the requester with line numbers, reasons and suggestions, and nothing is guessed", async ({
    expect,
  }) => {
    const id = await upload("text/csv", "sku,quantity,unit,note\nCHEAP-1,1,,\nNOPE-999,2,,\nPUMP-001,3,barrel,\n");
    const back = await requestIs(id, "needs_clarification");

    expect(back.problems).toEqual([
      { line: 3, detail: "The catalogue has no part with this SKU." },
      { line: 4, detail: expect.stringContaining("PUMP-001") },
    ]);
    expect(back).toMatchObject({
      order_id: null,
      total: null,
      reason: expect.stringContaining("2 problems to clarify"),
    });
  });

  it("that fit several parts name them", async ({ expect }) => {
    const id = await upload("text/plain", "3 zephyr latches\n2 coolant pumps\n");
    const back = await requestIs(id, "needs_clarification");

    expect(back.problems).toEqual([
      { line: 2, detail: expect.stringMatching(/Perhaps: PUMP-\d{3} \(Coolant pump .+\), PUMP-\d{3}/) },
    ]);
    const { body: run } = await runOf(id);
    expect(run.steps.at(-1)).toMatchObject({
      agent: "PartsSpecialist",
      final: { unresolved: [{ line: 2, kind: "ambiguous" }] },
    });
  });

  it("in a file that can't be read at all are told by line, and the file is kept", async ({ expect }) => {
    const id = await upload("text/csv", "sku,quantity,unit,note\nCHEAP-1,many,,\n");
    const back = await requestIs(id, "needs_clarification");

    expect(back.problems).toEqual([expect.objectContaining({ line: 2, value: "many" })]);
    const kept = await env.DB.prepare("SELECT object_key FROM uploads WHERE request_id = ?")
      .bind(id)
      .first<string>("object_key");
    expect(await (await env.FILES.get(kept ?? ""))?.text()).toContain("CHEAP-1,many");
  });
});

describe("the decision trace", () => {
  it("has each agent's step, with its input's hash, the rules that fired and what was decided", async ({ expect }) => {
    const id = await askForOne();
    await requestIs(id, "awaiting_approval");
    await approveAll(id);
    await requestIs(id, "completed");
    const { body: run } = await runOf(id);

    expect(run.steps.map(({ step, agent }: { step: number; agent: string }) => `${step} ${agent}`)).toEqual([
      "1 RequestRouter",
      "2 PartsSpecialist",
      "3 SupplierMatcher",
      "4 RequestRouter",
      "5 RegionalApprover",
      "6 OrderGenerator",
    ]);
    for (const step of run.steps) {
      expect(step.engine).toBe("rules");
      expect(step.input_hash).toMatch(/^[0-9a-f]{64}$/);
      expect(step.rule_hits.length).toBeGreaterThan(0);
    }
    expect(run.steps[4].final).toMatchObject({ approver: "manager-north", rule: "amount-above-100" });
    expect((await runOf(run.run_id)).body).toEqual(run);
    expect((await runOf(id, "manager-north")).body).toEqual(run);
  });

  it("is for operations and the region's managers only", async ({ expect }) => {
    const id = await upload("text/csv", csv("CHEAP-1", 1));
    await requestIs(id, "completed");

    expect((await runOf(id, "manager-south")).status).toBe(404);
    expect((await runOf(id, "truck-001")).status).toBe(403);
    expect((await runOf(id, "tech-north")).status).toBe(403);
    expect((await runOf("run_nothing")).status).toBe(404);
  });
});

describe("a ballot", () => {
  it("for another payload than the one that would be ordered is refused: 409 with the hash that holds", async ({
    expect,
  }) => {
    const id = await askForOne();
    await requestIs(id, "awaiting_approval");
    const step = await mustBeAsked("manager-north", id);
    const refused = await decide("manager-north", step, "approve", { payload_hash: "0".repeat(64) });

    expect(refused).toMatchObject({ status: 409, body: { code: "PAYLOAD_CHANGED", payload_hash: step.payload_hash } });
    expect((await requestIs(id, "awaiting_approval")).approvals[0].state).toBe("pending");
    await approveAll(id);
  });

  it("given twice is refused the second time: 409 with the winner", async ({ expect }) => {
    const id = await askForOne();
    await requestIs(id, "awaiting_approval");
    const step = await mustBeAsked("manager-north", id);
    expect((await decide("manager-north", step, "approve")).status).toBe(200);
    const second = await decide("manager-north", step, "reject");

    expect(second).toMatchObject({
      status: 409,
      body: { code: "ALREADY_DECIDED", winner: { approver: "manager-north", decision: "approve" } },
    });
    await requestIs(id, "completed");
    expect(await decide("manager-north", step, "reject")).toMatchObject({
      status: 409,
      body: { winner: { decision: "approve" } },
    });
  });

  it("of anyone but the one who is asked counts for nothing", async ({ expect }) => {
    const id = await askForOne();
    await requestIs(id, "awaiting_approval");
    const step = await mustBeAsked("manager-north", id);

    expect((await decide("manager-south", step, "approve")).status).toBe(404);
    expect((await decide("manager-national", step, "approve")).status).toBe(403);
    expect((await decide("truck-001", step, "approve")).status).toBe(403);
    expect((await decide("tech-north", step, "approve")).status).toBe(403);
    expect((await decide("ops", step, "approve")).status).toBe(403);
    expect((await requestIs(id, "awaiting_approval")).approvals[0].state).toBe("pending");
    await approveAll(id, "reject");
  });

  it("isn't given by reading: a GET of the decision decides nothing", async ({ expect }) => {
    const id = await askForOne();
    await requestIs(id, "awaiting_approval");
    const step = await mustBeAsked("manager-north", id);

    expect((await as("manager-north", "GET", `/api/approvals/${step.id}/decision?decision=approve`)).status).toBe(405);
    expect(await asked("manager-north", id)).toEqual(step);
    await approveAll(id, "reject");
  });

  it("scenario 25: wins alone: of yes and no in the same moment one is taken, and the request goes its way", async ({
    expect,
  }) => {
    for (let round = 0; round < 3; round++) {
      const id = await askForOne();
      await requestIs(id, "awaiting_approval");
      const step = await mustBeAsked("manager-north", id);
      const answers = await Promise.all([
        decide("manager-north", step, "approve"),
        decide("manager-north", step, "reject"),
        decide("manager-north", step, "approve"),
      ]);
      const won = answers.filter(({ status }) => status === 200);

      expect(answers.map(({ status }) => status).filter((status) => status !== 409)).toEqual([200]);
      const end = won[0]?.body.state === "approved" ? "completed" : "rejected";
      await requestIs(id, end);
      expect((await responseOf(id)).decided_by).toHaveLength(1);
    }
  });
});

describe("a wait of four hours", () => {
  it("reminds at half and at four fifths, then asks the next; silence never approves, and at the top it is held in sight", async ({
    expect,
  }) => {
    const id = await askForOne();
    const first = await requestIs(id, "awaiting_approval");
    const askedAt = Date.parse(first.approvals[0].due_at) - 4 * HOUR;
    const at = async (hours: number) => {
      moveClock(askedAt + hours * HOUR - testClock.now() + 1_000);
      await settled();
      return requestIs(id, "awaiting_approval");
    };

    await at(1.9);
    expect(await titlesOf("manager-north", id)).toEqual([`Please decide on ${id}`]);
    await at(2);
    expect(await titlesOf("manager-north", id)).toEqual([`Please decide on ${id}`, `Reminder: ${id} waits for you`]);
    await at(3.2);
    expect(await titlesOf("manager-north", id)).toHaveLength(3);
    expect(chainOf(await at(3.9))).toEqual(["manager-north pending"]);

    const escalated = await at(4);
    expect(chainOf(escalated)).toEqual(["manager-north escalated", "manager-national pending"]);
    expect(await titlesOf("manager-national", id)).toEqual(
      expect.arrayContaining([`${id} was escalated to you`, `Please decide on ${id}`]),
    );
    expect(Date.parse(escalated.approvals[1].due_at)).toBeGreaterThanOrEqual(askedAt + 8 * HOUR);

    const held = await at(8.1);
    expect(chainOf(held)).toEqual(["manager-north escalated", "manager-national pending"]);
    expect(held).toMatchObject({ order_id: null, reason: expect.stringContaining("nobody else is entitled") });
    expect((await titlesOf("manager-north", id)).at(-1)).toContain(`APPROVAL_HELD at request ${id}`);
    expect((await at(30)).order_id).toBeNull();

    await decide("manager-national", await mustBeAsked("manager-national", id), "approve");
    await requestIs(id, "completed");
  });

  it("scenario 25: ends a step for good: the late click of the one who was silent gets 409, and the next one's counts", async ({
    expect,
  }) => {
    const id = await askForOne();
    await requestIs(id, "awaiting_approval");
    const late = await mustBeAsked("manager-north", id);
    moveClock(4 * HOUR + 1_000);
    await settled();

    expect(await decide("manager-north", late, "approve")).toMatchObject({
      status: 409,
      body: { code: "ALREADY_DECIDED", winner: null },
    });
    expect(await asked("manager-north", id)).toBeUndefined();
    await decide("manager-national", await mustBeAsked("manager-national", id), "reject", { reason: "too late" });
    expect((await requestIs(id, "rejected")).reason).toContain("rejected by manager-national");
  });

  it("leaves the request to the next of the chain when that one suffices", async ({ expect }) => {
    const id = await askForTwo();
    await requestIs(id, "awaiting_approval");
    moveClock(4 * HOUR + 1_000);
    await settled();
    const left = await requestIs(id, "awaiting_approval");

    expect(chainOf(left)).toEqual(["manager-north escalated", "manager-national pending"]);
    await decide("manager-national", await mustBeAsked("manager-national", id), "approve");
    await requestIs(id, "completed");
  });

  it("holds at once where the one who is silent is the last who could decide", async ({ expect }) => {
    const id = await askForTwo();
    await requestIs(id, "awaiting_approval");
    await decide("manager-north", await mustBeAsked("manager-north", id), "approve");
    await settled();
    moveClock(4 * HOUR + 1_000);
    await settled();
    const held = await requestIs(id, "awaiting_approval");

    expect(chainOf(held)).toEqual(["manager-north approved", "manager-national pending"]);
    expect(held).toMatchObject({ order_id: null, reason: expect.stringContaining("nobody else is entitled") });
    await approveAll(id, "reject");
  });

  it("scenario 25: and a click in the same moment: the step is decided or escalated, never both", async ({
    expect,
  }) => {
    for (let round = 0; round < 3; round++) {
      const id = await askForOne();
      await requestIs(id, "awaiting_approval");
      const step = await mustBeAsked("manager-north", id);
      moveClock(4 * HOUR + 1_000);
      const [click] = await Promise.all([decide("manager-north", step, "approve"), settled()]);
      await settled();
      const after = await requestIs(id, "awaiting_approval", "ordering", "completed");

      expect(chainOf(after)).toEqual(
        click.status === 200 ? ["manager-north approved"] : ["manager-north escalated", "manager-national pending"],
      );
      await approveAll(id);
    }
  });
});

describe("every end", () => {
  it("has one response, and the device is told that it is ready", async ({ expect }) => {
    const truck = await openSocket("truck-001");
    await truck.frame("welcome");
    const parts = await seedMixedParts("END");
    await parts.supplier.switchOn({ refuse: true });
    const completed = await upload("text/csv", csv("CHEAP-1", 1));
    const rejected = await askForOne();
    const failed = await upload("text/csv", csv(parts.bought, 1));
    await requestIs(rejected, "awaiting_approval");
    await approveAll(rejected, "reject");
    await drive((await requestIs(failed, "ordering", "failed")).order_id);
    for (const [id, end] of [
      [completed, "completed"],
      [rejected, "rejected"],
      [failed, "failed"],
    ] as const) {
      await requestIs(id, end);
      expect(await responseOf(id)).toMatchObject({ request_id: id, outcome: end });
      await truck.event(
        `the response of ${id}`,
        ({ type, data }) => type === "ResponseReady" && data.request_id === id,
      );
    }
    truck.close();
  });

  it("leaves every invariant whole", async ({ expect }) => {
    await settled();
    expect(await violations(env.DB)).toEqual([]);
  });
});
