/** `GET /api/audit/export`: whole seals with their rows, checked by a reader that shares no code with the product. */
import { beforeAll, describe, it } from "vitest";
import { checkAuditLines } from "../../scripts/audit-lines.ts";
import { keepTrail, listSeals, seal, sealTrail, tamper, writeTrail } from "../support/audit.ts";
import { aroundDatabase } from "../support/bindings.ts";
import { as, call, env, startWorld, tokenOf } from "../support/harness.ts";
import { expectProblem } from "../support/problem.ts";
import { moveClock, testClock, wrapBindings } from "../support/world.ts";

type Line = Readonly<Record<string, unknown>>;

let restore: () => Promise<void>;
/** Between the first two sealings, with more than the slack of clocks on both sides. */
let between: string;

/** Seals of rows 1–100, 101–200, 201–250, then 251–260 an hour later; then five rows that no seal covers. */
beforeAll(async () => {
  await startWorld();
  await sealTrail(250);
  moveClock(1_800_000);
  between = new Date(testClock.now()).toISOString();
  moveClock(1_800_000);
  await sealTrail(10);
  await seal();
  await writeTrail(5);
  restore = await keepTrail();
});

async function exported(query = ""): Promise<Line[]> {
  const answer = await call(`/api/audit/export${query}`, {
    headers: { authorization: `Bearer ${await tokenOf("ops")}` },
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(text);
  return text
    .trimEnd()
    .split("\n")
    .map((one) => JSON.parse(one) as Line);
}

const check = (lines: readonly Line[]) => checkAuditLines(lines.map((line) => JSON.stringify(line)));

function summary(lines: readonly Line[]) {
  const rows = lines.filter(({ type }) => type === "row").map(({ seq }) => Number(seq));
  const seals = lines.filter(({ type }) => type === "seal").map(({ to_seq: seq }) => seq);
  return { rows: [rows[0], rows.at(-1)], seals, end: lines.at(-1) };
}

it("holds every row and every seal, and holds good without Waybill", async ({ expect }) => {
  const lines = await exported();
  expect(summary(lines)).toEqual({
    rows: [1, 265],
    seals: [100, 200, 250, 260],
    end: { type: "end", rows: 265, seals: 4, unsealed_rows: 5, next_from_seq: null },
  });
  const row = await env.DB.prepare("SELECT * FROM audit WHERE seq = 7").first();
  expect(lines.find(({ seq }) => seq === 7)).toEqual({ type: "row", ...row });
  expect(await check(lines)).toEqual({
    rows: 265,
    seals: 4,
    unsealed: 5,
    keyIds: [expect.stringMatching(/^[\w-]{43}$/)],
    head: (await listSeals()).at(-1)?.hash,
    problems: [],
  });
  expect(lines[0]).toMatchObject({ keys: [{ kty: "EC", crv: "P-256" }] });
  expect(JSON.stringify(lines[0])).not.toContain('"d"');
});

it("comes as lines, for a file", async ({ expect }) => {
  const answer = await call("/api/audit/export", { headers: { authorization: `Bearer ${await tokenOf("ops")}` } });
  expect(answer.headers.get("content-type")).toBe("application/x-ndjson");
  expect(answer.headers.get("content-disposition")).toContain("attachment");
  expect((await answer.text()).endsWith("}\n")).toBe(true);
});

describe("a part of the trail begins and ends at whole seals", () => {
  it.for<readonly [query: () => string, rows: readonly number[], seals: readonly number[]]>([
    [() => "?from_seq=150&to_seq=160", [101, 200], [200]],
    [() => "?from_seq=101&to_seq=201", [101, 250], [200, 250]],
    [() => "?to_seq=100", [1, 100], [100]],
    [() => "?from_seq=255", [251, 265], [260]],
    [() => "?from_seq=262&to_seq=263", [262, 263], []],
    [() => `?to=${between}`, [1, 250], [100, 200, 250]],
    [() => `?from=${between}`, [251, 265], [260]],
    [() => `?from=${between}&to=${between}`, [], []],
  ])("%#", async ([query, rows, seals], { expect }) => {
    const lines = await exported(query());
    const found = summary(lines);
    expect(found).toMatchObject({ rows: rows.length > 0 ? rows : [undefined, undefined], seals });
    expect((await check(lines)).problems).toEqual([]);
  });
});

it(
  "a long trail is verified and exported in steps, each of which says where the next begins",
  { timeout: 60_000 },
  async ({ expect }) => {
    for (let round = 0; round < 5; round++) {
      await writeTrail(2_000);
      await seal();
    }
    let steps = 0;
    for (let after: number | null = 0; after !== null; steps++) {
      const { body } = await as("ops", "GET", `/api/audit/verify?limit=50&after=${after}`);
      expect(body.data).toEqual([]);
      after = body.meta.next;
    }
    expect(steps).toBe(3);
    const first = await exported();
    expect(first.at(-1)).toMatchObject({ seals: 100, next_from_seq: expect.any(Number) });
    const second = await exported(`?from_seq=${String(first.at(-1)?.["next_from_seq"])}`);
    const together = [...first.slice(0, -1), ...second.slice(1, -1)];
    const rows = together.filter(({ type }) => type === "row").map(({ seq }) => seq);
    expect(rows).toEqual(Array.from({ length: 10_265 }, (_, at) => at + 1));
    const { problems } = await check([
      ...together,
      { type: "end", rows: rows.length, seals: together.length - 1 - rows.length },
    ]);
    expect(problems).toEqual([]);
    await restore();
  },
);

describe("the reader finds", () => {
  it.for<readonly [what: string, bend: (lines: Line[]) => Line[], problem: RegExp]>([
    ["an edited row", (l) => l.map((x) => (x["seq"] === 57 ? { ...x, actor: "nobody" } : x)), /1–100: its rows aren't/],
    ["a lost row", (l) => l.filter((x) => x["seq"] !== 57), /1–100: has 99 rows, sealed were 100/],
    [
      "two rows swapped",
      (l) => l.map((x) => ({ ...x, ...(x["seq"] === 5 ? { seq: 6 } : x["seq"] === 6 ? { seq: 5 } : {}) })),
      /its rows aren't/,
    ],
    ["a lost seal", (l) => l.filter((x) => x["to_seq"] !== 200), /201–250: doesn't go on from the seal before/],
    [
      "an edited seal",
      (l) => l.map((x) => (x["to_seq"] === 250 ? { ...x, sealed_at: "2020" } : x)),
      /its signature doesn't fit/,
    ],
    [
      "a key of someone else's",
      (l) => l.map((x) => (x["to_seq"] === 250 ? { ...x, key_id: "x" } : x)),
      /no key x is known/,
    ],
    ["an end that is missing", (l) => l.slice(0, -1), /incomplete/],
    ["unsealed rows that are missing", (l) => l.filter((x) => x["seq"] !== 263), /lost lines/],
  ])("%s", async ([, bend, problem], { expect }) => {
    expect((await check(bend(await exported()))).problems.join("\n")).toMatch(problem);
  });

  it("what was tampered with in the database", async ({ expect }) => {
    await tamper("DELETE FROM audit WHERE seq = 101", "UPDATE audit_seals SET prev = hash WHERE to_seq = 260");
    const { problems } = await check(await exported());
    await restore();
    expect(problems.filter((one) => one.startsWith("seal 101–200")).length).toBe(2);
    expect(problems.filter((one) => one.startsWith("seal 251–260")).length).toBe(3);
  });
});

it("an export that breaks off has no last line", async ({ expect }) => {
  const authorization = `Bearer ${await tokenOf("ops")}`;
  let reads = 0;
  wrapBindings({
    DB: (real) =>
      aroundDatabase(real, (query, [text = ""]) => {
        if (text.includes("BETWEEN") && ++reads === 3) return Promise.reject(new Error("D1_ERROR: lost"));
        return query();
      }),
  });
  const answer = await call("/api/audit/export", { headers: { authorization } });
  await expect(answer.text()).rejects.toThrow();
  wrapBindings({});
  expect(reads).toBe(3);
});

it.for([
  "?from_seq=1&from=2026-01-01T00:00:00Z",
  "?to_seq=1&to=2026-01-01T00:00:00Z",
  "?from_seq=-1",
  "?from=yesterday",
  "?to_seq=x",
  "?more=1",
])("refuses %s", async (query, { expect }) => {
  expectProblem(expect, await as("ops", "GET", `/api/audit/export${query}`), 422, "VALIDATION");
});

it("is for those whose work is every region's", async ({ expect }) => {
  for (const who of ["manager-north", "manager-national", "integrator", "truck-001"]) {
    expectProblem(expect, await as(who, "GET", "/api/audit/export"), 403, "FORBIDDEN");
  }
});
