/** `POST /api/imports/{kind}` as a caller sees it: who may, what is refused, and what a repeat answers. */
import { applyD1Migrations } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { beforeAll, describe, it } from "vitest";
import { IMPORT_FORMATS, IMPORT_KINDS } from "../../src/domain/import-rows.ts";

async function tokenOf(subject: string): Promise<string> {
  const body = JSON.stringify({ subject });
  const answer = await exports.default.fetch("http://waybill.test/dev/token", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { access_token: string }).access_token;
}

async function send(path: string, body: string, as = "admin", type = "text/csv") {
  const answer = await exports.default.fetch(`http://waybill.test/api/imports/${path}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await tokenOf(as)}`,
      "content-type": type,
      "idempotency-key": crypto.randomUUID(),
    },
    body,
  });
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
}

beforeAll(async () => {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  const insert = env.DB.prepare("INSERT INTO people(id, name, email, role, region) VALUES (?, ?, ?, ?, NULL)");
  await env.DB.batch([
    insert.bind("admin", "Admin", "admin@waybill.example", "admin"),
    insert.bind("ops", "Ops", "ops@waybill.example", "operations"),
  ]);
});

describe("POST /api/imports/{kind}", () => {
  it("imports a file once; the repeat is marked and answers the same", async ({ expect }) => {
    const csv = "region_id,name\nnorth,North\nsouth,South\n";
    const dry = await send("regions?dry_run=true", csv);
    expect([dry.status, dry.body]).toMatchObject([200, { kind: "regions", rows: 2, created: 2, dry_run: true }]);
    const first = await send("regions", csv, "admin", "text/csv; charset=utf-8");
    expect([first.status, first.headers.get("idempotent-replayed"), first.body]).toMatchObject([
      200,
      null,
      { dry_run: false, created: 2 },
    ]);
    const second = await send("regions", csv);
    expect([second.status, second.headers.get("idempotent-replayed"), second.body]).toEqual([200, "true", first.body]);
  });

  it("wrong rows are a problem with line, column and value", async ({ expect }) => {
    const refused = await send("warehouses", "warehouse_id,name,region_id\nw-1,,nowhere\n");
    expect(refused.status).toBe(422);
    expect(refused.headers.get("content-type")).toBe("application/problem+json");
    expect(refused.body).toMatchObject({
      code: "VALIDATION",
      detail: "1 thing is wrong with the file; nothing was written",
      errors: [{ line: 2, column: "name", value: "", detail: "must not be empty" }],
    });
  });

  it("only an admin may, only CSV is taken, and other kinds and values of dry_run are refused", async ({ expect }) => {
    const csv = "region_id,name\nx,X\n";
    expect((await send("regions", csv, "ops")).status).toBe(403);
    expect((await send("regions", csv, "admin", "application/json")).status).toBe(415);
    expect((await send("people", csv)).status).toBe(404);
    expect((await send("regions?dry_run=maybe", csv)).status).toBe(422);
    expect((await send("regions?dryrun=true", csv)).status).toBe(422);
    expect((await send("regions", "")).status).toBe(422);
    const nobody = await exports.default.fetch("http://waybill.test/api/imports/regions", {
      method: "POST",
      headers: { "content-type": "text/csv" },
      body: csv,
    });
    expect(nobody.status).toBe(401);
    expect(await env.DB.prepare("SELECT COUNT(*) AS n FROM regions WHERE id = 'x'").first("n")).toBe(0);
  });

  it("a body above 10 MiB is refused before it is read", async ({ expect }) => {
    const refused = await send("regions", `region_id,name\n${"a".repeat(10 * 1024 * 1024)}`);
    expect([refused.status, refused.body["code"]]).toEqual([413, "PAYLOAD_TOO_LARGE"]);
  });

  it("the columns of every kind stand in the OpenAPI document", async ({ expect }) => {
    const document = (await (await exports.default.fetch("http://waybill.test/openapi.json")).json()) as {
      paths: Record<string, { post: { description: string; requestBody: unknown } }>;
    };
    const { description, requestBody } = document.paths["/api/imports/{kind}"]?.post ?? {};
    for (const kind of IMPORT_KINDS) expect(description).toContain(IMPORT_FORMATS[kind].columns.join(","));
    expect(requestBody).toMatchObject({ required: true, content: { "text/csv": {} } });
  });
});
