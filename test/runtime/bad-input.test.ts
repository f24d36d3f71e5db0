/** Bad input: refused with a reason or kept and asked about, never a 5xx, never half-written. */
import { beforeAll, beforeEach, describe, it } from "vitest";
import { MAX_JSON_BYTES, MAX_UPLOAD_BYTES } from "../../src/config.ts";
import { BAD_VALUES, bodiesWith } from "../support/bad-values.ts";
import { operationsOf, readContract } from "../support/contract.ts";
import { as, call, env, quiet, requestIs, startWorld, tokenOf, type Answer } from "../support/harness.ts";
import { expectProblem, expectRefusal } from "../support/problem.ts";
import { countRows } from "../support/rows.ts";

let before: Record<string, number>;
beforeAll(startWorld);
beforeEach(async () => {
  await quiet();
  before = await countRows();
});

const JSON_TYPE = { "content-type": "application/json" };

/** The one route that answers each part of its body by itself; its command is right but for the device. */
const REPLAY = {
  who: "truck-001",
  path: "/api/commands/replay",
  body: {
    commands: [
      {
        id: "cmd_never_2",
        type: "UpdateInventory",
        device_sequence: 1,
        device_time: "2026-11-01T08:00:00Z",
        seen_version: 1,
        data: { device_id: "truck-999", sku: "PUMP-001", quantity_change: 1, location: "Bin-A-12", reason: "x" },
      },
    ],
  },
} as const;

/** Every route that reads a JSON body, who may call it, and a body that is right but for a name that doesn't exist. */
const WRITES: readonly { who: string; path: string; body: object; method?: "PATCH" }[] = [
  {
    who: "admin",
    path: "/api/commands",
    body: {
      type: "UpdatePart",
      data: { sku: "NONE-001", name: "x", description: "x", category: "x", list_price: 1, discontinued: false },
    },
  },
  {
    who: "keeper-03",
    path: "/api/commands",
    body: {
      id: "cmd_never_1",
      type: "UpdateInventory",
      data: { device_id: "warehouse-99", sku: "PUMP-001", quantity_change: 1, location: "Bin-A-12", reason: "x" },
    },
  },
  {
    who: "tech-north",
    path: "/api/requests",
    body: {
      request_number: "x",
      device_id: "truck-999",
      needed_by: "2027-01-01",
      note: "x",
      lines: [
        { sku: "PUMP-001", quantity: 1, unit: "each", needed_by: "2027-01-01" },
        { text: "a pump", quantity: 1 },
      ],
    },
  },
  {
    who: "manager-north",
    path: "/api/orders",
    body: {
      order_number: "x",
      device_id: "truck-999",
      needed_by: "2027-01-01",
      source: "purchase",
      lines: [{ sku: "PUMP-001", quantity: 1, needed_by: "2027-01-01" }],
    },
  },
  {
    who: "manager-north",
    path: "/api/approvals/stp_none/decision",
    body: { decision: "approve", payload_hash: "0".repeat(64), reason: "x" },
  },
  { who: "ops", path: "/api/purchase-orders/stp_none/close", body: { reason: "x" } },
  { who: "ops", path: "/api/orders/stp_none/cancel", body: { reason: "not needed" } },
  { who: "ops", path: "/api/orders/stp_none/saga/retry", body: { step: "purchase:acme", reason: "not needed" } },
  { who: "ops", path: "/api/orders/stp_none/saga/skip", body: { step: "purchase:acme", reason: "not needed" } },
  { who: "ops", path: "/api/orders/stp_none/saga/resolve", body: { status: "Cancelled", reason: "not needed" } },
  { who: "ops", path: "/api/orders/stp_none/saga/resume", body: { reason: "not needed" } },
  { who: "ops", path: "/api/exchange-rates", body: { from: "XTS", to: "USD", as_of: "2026-01-01", rate: "1.085" } },
  { who: "ops", path: "/api/breakers/stp_none/open", body: { reason: "x" } },
  { who: "ops", path: "/api/breakers/stp_none/reset", body: { reason: "x" } },
  { who: "ops", path: "/api/dead-letters/stp_none/discard", body: { reason: "x" } },
  { who: "ops", path: "/api/dead-letters/stp_none/edit", body: { event: {} } },
  {
    who: "ops",
    path: "/api/discrepancies/stp_none/resolve",
    body: { resolution: "recount", counted: 1, note: "x" },
  },
  {
    who: "integrator",
    path: "/api/webhooks",
    body: { url: "https://receiver.example.com/waybill", types: ["ApprovalRequested"] },
  },
  {
    who: "integrator",
    path: "/api/webhooks/stp_none",
    method: "PATCH",
    body: { url: "https://receiver.example.com/waybill", types: ["InventoryUpdated"], active: false },
  },
  {
    who: "truck-001",
    path: "/api/auth/token",
    body: { grant_type: "client_credentials", client_id: "truck-999", client_secret: "x" },
  },
];

/** A body in chunks of 64 KiB, without a Content-Length. */
function chunked(bytes: number): ReadableStream<Uint8Array> {
  const chunk = new Uint8Array(64 * 1024).fill(0x20);
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      if (left <= 0) return controller.close();
      controller.enqueue(chunk.subarray(0, Math.min(chunk.length, left)));
      left -= chunk.length;
    },
  });
}

async function stream(
  who: string,
  path: string,
  type: string,
  body: ReadableStream | Uint8Array,
  method = "POST",
): Promise<Answer<any>> {
  const headers = {
    authorization: `Bearer ${await tokenOf(who)}`,
    "content-type": type,
    "idempotency-key": crypto.randomUUID(),
  };
  const answer = await call(path, { method, headers, body });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

async function keptFile(requestId: string): Promise<Uint8Array | null> {
  const { objects } = await env.FILES.list({ prefix: "uploads/" });
  const name = requestId.slice("req_".length);
  const found = objects.find(({ key }) => key.includes(name));
  const file = found ? await env.FILES.get(found.key) : null;
  return file ? new Uint8Array(await file.arrayBuffer()) : null;
}

describe("a file that can't be read", () => {
  it("is kept byte for byte, and its sender is told each wrong line", async ({ expect }) => {
    const utf8 = (text: string) => new TextEncoder().encode(text);
    for (const [type, bytes, lines] of [
      ["text/csv", utf8("sku,quantity,unit,note\nPUMP-001,two,,\nECU-001,1,,\n,3,,\nPUMP-002,-4,,x\n"), [2, 4, 5]],
      ["text/csv", utf8('sku,quantity\n"PUMP-001,2\n'), [2]],
      ["text/csv", utf8("part;amount\nPUMP-001;2\n"), [1]],
      ["text/csv", utf8("sku,quantity\n"), [1]],
      ["text/csv", utf8("sku,quantity\r\nPUMP-001,9007199254740993\r\n__proto__,1,,,,,x\r\n"), [2, 3]],
      ["text/csv", Uint8Array.of(...utf8("sku,quantity\nPUMP-001,"), 0xff, 0xfe, 0x0a), [2]],
      ["text/csv", utf8("sku,quantity,needed_by\nPUMP-001,1,2027-02-30\nECU-001,1,\nPUMP-001,1,soon\n"), [2, 4]],
      ["text/csv", utf8("sku,quantity,needed_by\nPUMP-001,1,\nECU-001,1,2020-01-01\n"), [3]],
      ["application/json", utf8('{"lines": ['), [undefined]],
      ["application/json", utf8('{"lines":[{"sku":"PUMP-001","quantity":1,"needed_by":["2027-01-01"]}]}'), [1]],
      [
        "application/json",
        utf8('{"lines":[{"sku":"PUMP-001","quantity":1},{"sku":"ECU-001","quantity":1,"needed_by":"2020-01-01"}]}'),
        [2],
      ],
      ["application/json", utf8('{"lines":[{"sku":"PUMP-001","quantity":1},{"sku":"PUMP-001","quantity":0}]}'), [2]],
      ["application/json", utf8('{"lines":[{"sku":"PUMP-001","quantity":1}],"__proto__":{"x":1}}'), [undefined]],
      ["text/plain; charset=utf-16", utf8("2 x PUMP-001"), [undefined]],
      ["text/plain", new Uint8Array(2_000).map((_, at) => (at * 7919) % 256), [1]],
    ] as const) {
      const sent = await stream("truck-001", "/api/uploads", type, bytes);
      expect([type, sent.status]).toEqual([type, 202]);
      const request = await requestIs(sent.body.request_id, "needs_clarification");
      const named = request.problems.map(({ line }: { line?: number }) => line);
      expect([...new Set(named)], `${type} ${new TextDecoder().decode(bytes.subarray(0, 80))}`).toEqual(lines);
      for (const { detail } of request.problems) expect(detail).toMatch(/\w/);
      expect(request.reason).toMatch(/\d+ problems? to clarify/);
      expect(await keptFile(sent.body.request_id)).toEqual(bytes);
    }
    const rows = await countRows();
    for (const table of ["orders", "approval_steps", "reservations", "responses", "request_lines"]) {
      expect([table, rows[table]]).toEqual([table, before[table]]);
    }
  });

  it("is refused at once when it is empty, for nobody's device, or of another type; then nothing is kept", async ({
    expect,
  }) => {
    const kept = (await env.FILES.list()).objects.length;
    const csv = { "content-type": "text/csv" };
    const file = "sku,quantity\nPUMP-001,1\n";
    expectProblem(expect, await as("truck-001", "POST", "/api/uploads", "", csv), 422, "VALIDATION");
    const unknown = await as("tech-north", "POST", "/api/uploads?device_id=truck-999", file, csv);
    expectProblem(expect, unknown, 422, "UNKNOWN_REFERENCE");
    expect(unknown.body.errors[0].pointer).toBe("/device_id");
    expectProblem(expect, await as("tech-north", "POST", "/api/uploads", file, csv), 422, "VALIDATION");
    expectProblem(
      expect,
      await as("truck-001", "POST", "/api/uploads?device_id=truck-002", file, csv),
      403,
      "FORBIDDEN",
    );
    expectProblem(expect, await as("truck-001", "POST", "/api/uploads?colour=red", file, csv), 422, "VALIDATION");
    expectProblem(
      expect,
      await as("truck-001", "POST", "/api/uploads", file, { "content-type": "text/html" }),
      415,
      "UNSUPPORTED_MEDIA_TYPE",
    );
    expectProblem(
      expect,
      await as("truck-001", "POST", "/api/uploads", file, { ...csv, "idempotency-key": "a b" }),
      400,
      "KEY_REQUIRED",
    );
    expect((await env.FILES.list()).objects.length).toBe(kept);
    expect(await countRows()).toEqual(before);
  });

  it("refuses a part that doesn't exist, by its field, and writes nothing", async ({ expect }) => {
    const before = await countRows();
    const body = {
      request_number: "unknown-sku",
      device_id: "truck-001",
      lines: [
        { sku: "PUMP-001", quantity: 1 },
        { sku: "NONE-999", quantity: 1 },
      ],
    };
    const sent = await as("truck-001", "POST", "/api/requests", body);
    expectProblem(expect, sent, 422, "UNKNOWN_REFERENCE");
    expect(sent.body.errors).toEqual([{ pointer: "/lines/1/sku", value: "NONE-999", detail: "no part NONE-999" }]);
    expect(await countRows()).toEqual(before);
  });
});

describe("a body", () => {
  it("of every route that reads JSON is known to these tests", async ({ expect }) => {
    const paths = operationsOf(await readContract()).flatMap(({ path, operation }) => {
      const { content = {} } = (operation as { requestBody?: { content?: object } }).requestBody ?? {};
      return "application/json" in content && path !== "/api/uploads" ? [path.replace(/\{\w+\}/, "stp_none")] : [];
    });
    const known = [...new Set(WRITES.map(({ path }) => path)), REPLAY.path];
    expect(known.toSorted()).toEqual(paths.toSorted());
  });

  it("that carries many commands has each bad one refused by itself, and nothing of it is written", async ({
    expect,
  }) => {
    const { who, path, body } = REPLAY;
    let sent = 0;
    for (const [name, text] of Object.entries(BAD_VALUES)) {
      for (const { json, pointer } of bodiesWith(body, text)) {
        const answer = await as(who, "POST", path, json, JSON_TYPE);
        sent++;
        if (answer.status !== 200) {
          expectRefusal(expect, answer, `${path} ${pointer} = ${name}`);
          continue;
        }
        const answers: { status: string; code: string; reason: string }[] = answer.body.data;
        expect(answers.map((one) => [pointer, name, one.status])).toEqual(
          answers.map(() => [pointer, name, "rejected"]),
        );
        for (const { code, reason } of answers)
          expect([code, reason]).toEqual([expect.any(String), expect.any(String)]);
      }
    }
    expect(sent).toBeGreaterThan(100);
    for (const text of ["{", "", "[1,", "{}{}", "<xml/>"]) {
      expectProblem(expect, await as(who, "POST", path, text, JSON_TYPE), 400, "BAD_JSON");
    }
    expect(await countRows()).toEqual(before);
  });

  it("that is no JSON is 400, of another type 415, right but for a name 4xx; nothing is written", async ({
    expect,
  }) => {
    for (const { who, path, body, method = "POST" } of WRITES) {
      for (const text of ["{", "", "nul", "[1,", "{'a':1}", "{}{}", '{"a":NaN}', "\u0000", "<xml/>"]) {
        expectProblem(expect, await as(who, method, path, text, JSON_TYPE), 400, "BAD_JSON");
      }
      const right = JSON.stringify(body);
      for (const type of [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "multipart/form-data; boundary=x",
        "",
      ]) {
        const headers: Record<string, string> = type === "" ? {} : { "content-type": type };
        expectProblem(
          expect,
          await as(who, method, path, new TextEncoder().encode(right), headers),
          415,
          "UNSUPPORTED_MEDIA_TYPE",
        );
      }
      for (const type of ["application/json; charset=utf-8", "Application/JSON"]) {
        const answer = await as(who, method, path, right, { "content-type": type });
        expectRefusal(expect, answer, `${path} ${type}`);
        expect([path, type, answer.body.code]).not.toEqual([path, type, "VALIDATION"]);
      }
    }
    expect(await countRows()).toEqual(before);
  });

  it("with any one value replaced by a bad one is refused, and written nowhere", async ({ expect }) => {
    let sent = 0;
    for (const { who, path, body, method = "POST" } of WRITES) {
      for (const [name, text] of Object.entries(BAD_VALUES)) {
        const bodies = bodiesWith(body, text);
        const answers = await Promise.all(bodies.map(({ json }) => as(who, method, path, json, JSON_TYPE)));
        for (const [at, answer] of answers.entries())
          expectRefusal(expect, answer, `${path} ${bodies[at]?.pointer} = ${name}`);
        sent += answers.length;
      }
    }
    expect(sent).toBeGreaterThan(500);
    expect(await countRows()).toEqual(before);
    expect(({} as { sku?: string }).sku).toBeUndefined();
  });

  it("whose day, or a line's own, is none or is over is refused by just that field", async ({ expect }) => {
    const noDays = ["soon", "2027-02-30", "2027-13-01", "2027-1-1", "01.12.2027", " 2027-01-01", "2027-01-01\n", ""];
    const noTimes = ["2027-01-01T25:00:00Z", "2027-01-01T08:00", "2027-01-01T08:00:00+99:00", "+012027-01-01", "2027"];
    const over = ["2020-01-01", "2020-01-01T08:00:00Z", "0001-01-01"];
    const noText = [20_270_101, 0, true, null, [], ["2027-01-01"], { date: "2027-01-01" }];
    const days = [...noDays, ...noTimes, ...over, ...noText];
    for (const [who, path, number] of [
      ["truck-001", "/api/requests", "request_number"],
      ["manager-north", "/api/orders", "order_number"],
    ] as const) {
      for (const day of days) {
        const lines = [
          { sku: "PUMP-001", quantity: 1, needed_by: "2027-01-01" },
          { sku: "ECU-001", quantity: 1, needed_by: "2027-01-01" },
        ];
        const right = { [number]: "days", device_id: "truck-001", needed_by: "2027-01-01", lines };
        for (const [pointer, body] of [
          ["/needed_by", { ...right, needed_by: day }],
          ["/lines/1/needed_by", { ...right, lines: [lines[0], { ...lines[1], needed_by: day }] }],
        ] as const) {
          const answer = await as(who, "POST", path, body);
          const pointers = (answer.body.errors ?? []).map((one: { pointer: string }) => one.pointer);
          expect([path, day, answer.status, pointers]).toEqual([path, day, 422, [pointer]]);
          expectProblem(expect, answer, 422, "VALIDATION");
        }
      }
    }
    expect(await countRows()).toEqual(before);
  });

  it("takes no field that isn't in the contract, wherever it stands, and names it", async ({ expect }) => {
    for (const { who, path, body, method = "POST" } of WRITES) {
      for (const key of ["extra", "__proto__", "constructor", "a/b~c"]) {
        const json = JSON.stringify(body).replace(/}$/, `,${JSON.stringify(key)}:{"x":1}}`);
        const answer = await as(who, method, path, json, JSON_TYPE);
        expectProblem(expect, answer, 422, "VALIDATION");
        expect(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual([
          `/${key.replace("~", "~0").replace("/", "~1")}`,
        ]);
      }
    }
    expect(await countRows()).toEqual(before);
  });

  it("holds no half of a surrogate pair: what can't be stored as it came is refused", async ({ expect }) => {
    const body = { request_number: "a\ud800", device_id: "truck-001", lines: [{ sku: "PUMP-001", quantity: 1 }] };
    const answer = await as("tech-north", "POST", "/api/requests", body);
    expectProblem(expect, answer, 422, "VALIDATION");
    expect(answer.body.errors).toEqual([expect.objectContaining({ pointer: "/request_number" })]);
    expect(await countRows()).toEqual(before);
  });
});

describe("size", () => {
  it("of JSON ends at 1 MiB by counted bytes, with or without a declared length", async ({ expect }) => {
    for (const { who, path, method = "POST" } of WRITES) {
      const over = MAX_JSON_BYTES + 1;
      expectProblem(expect, await as(who, method, path, " ".repeat(over), JSON_TYPE), 413, "PAYLOAD_TOO_LARGE");
      expectProblem(
        expect,
        await stream(who, path, "application/json", chunked(over), method),
        413,
        "PAYLOAD_TOO_LARGE",
      );
      expectProblem(expect, await as(who, method, path, " ".repeat(MAX_JSON_BYTES), JSON_TYPE), 400, "BAD_JSON");
      expectProblem(
        expect,
        await stream(who, path, "application/json", chunked(MAX_JSON_BYTES), method),
        400,
        "BAD_JSON",
      );
    }
    expect(await countRows()).toEqual(before);
  });

  it("of a file ends at 10 MiB; nothing of a larger one is kept", async ({ expect }) => {
    const kept = (await env.FILES.list()).objects.length;
    const over = MAX_UPLOAD_BYTES + 1;
    expectProblem(
      expect,
      await stream("truck-001", "/api/uploads", "text/plain", new Uint8Array(over)),
      413,
      "PAYLOAD_TOO_LARGE",
    );
    expectProblem(
      expect,
      await stream("truck-001", "/api/uploads", "text/plain", chunked(over)),
      413,
      "PAYLOAD_TOO_LARGE",
    );
    expect((await env.FILES.list()).objects.length).toBe(kept);
    expect(await countRows()).toEqual(before);
    const most = await stream("truck-001", "/api/uploads", "text/csv", chunked(MAX_UPLOAD_BYTES));
    expect(most.status).toBe(202);
    expect((await keptFile(most.body.request_id))?.byteLength).toBe(MAX_UPLOAD_BYTES);
    await requestIs(most.body.request_id, "needs_clarification");
  });
});

describe("addresses and headers", () => {
  it("that lead nowhere are 404, whatever they hold", async ({ expect }) => {
    const strange = [
      "NONE",
      "%2e%2e%2fparts",
      "a%2Fb",
      "%00",
      "%0d%0aSet-Cookie:x",
      "%F0%9F%9A%9A",
      "%E0%A4%A",
      "%",
      "'--",
      "x".repeat(2_000),
      "__proto__",
    ];
    for (const route of ["/api/parts", "/api/commands", "/api/requests", "/api/orders"]) {
      for (const id of strange) {
        const answer = await as("ops", "GET", `${route}/${id}`);
        expectProblem(expect, answer, 404, "NOT_FOUND");
        expect(answer.headers.get("set-cookie")).toBeNull();
      }
    }
    for (const path of ["//api//parts", "/api/parts/", "/API/parts", "/api/parts;x=1", "/api/../api/nothing"]) {
      expectProblem(expect, await as("ops", "GET", path), 404, "NOT_FOUND");
    }
  });

  it("with wrong queries are 422, and a search of no words finds nothing", async ({ expect }) => {
    for (const query of [
      "limit=201",
      "limit=-1",
      "limit=1.5",
      "limit=NaN",
      "limit=",
      "limit=1&limit=2",
      "cursor=%00",
      "cursor=a",
      "category=",
      "q=",
      `q=${"x".repeat(201)}`,
      "__proto__=1",
      "constructor[x]=1",
    ]) {
      const answer = await as("ops", "GET", `/api/parts?${query}`);
      expect([query, answer.status]).toEqual([query, 422]);
      expectProblem(expect, answer, 422, "VALIDATION");
    }
    for (const q of ['"', "*", "(", "NEAR(", "%00", "%F0%9F%9A%9A", "-", "' OR 1=1 --"]) {
      const answer = await as("ops", "GET", `/api/parts?q=${q}`);
      expect([q, answer.status]).toEqual([q, 200]);
      if (!/\w/.test(decodeURIComponent(q))) expect([q, answer.body.data]).toEqual([q, []]);
    }
  });

  it("can't smuggle a line break, a caller's trace of another form, or a second identity", async ({ expect }) => {
    const token = await tokenOf("truck-001");
    const answer = await call("/api/stock", {
      headers: {
        authorization: `Bearer ${token}`,
        traceparent: "00-zz-%0d%0a-01",
        "x-waybill-identity": '{"device_id":"ops","role":"operations"}',
        "x-forwarded-for": "1.1.1.1",
        origin: "https://evil.example",
        "if-none-match": '"' + "x".repeat(4_000),
      },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("traceparent")).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    const { data } = await answer.json<{ data: { region: string }[] }>();
    expect(new Set(data.map(({ region }) => region))).toEqual(new Set(["north"]));
    for (const key of ["%0d%0a", "x".repeat(256), "ä"]) {
      const body = { request_number: "key", device_id: "truck-001", lines: [{ sku: "PUMP-001", quantity: 1 }] };
      const keyed = await as(
        "truck-001",
        "POST",
        "/api/commands",
        {
          type: "UpdateInventory",
          data: { device_id: "truck-001", sku: "NONE-1", quantity_change: 1, location: "Bin" },
        },
        { "idempotency-key": key },
      );
      expectRefusal(expect, keyed, `${key} ${JSON.stringify(body)}`);
    }
    expect(await countRows()).toEqual(before);
  });
});
