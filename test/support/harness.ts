/** One call gives a seeded world: migrations, demo data, tokens by persona, sockets, and waiting for what must come. */
import { applyD1Migrations, type D1Migration } from "cloudflare:test";
import { env as bindings, exports } from "cloudflare:workers";
import { DEMO_SEED, demoData, seedStatements } from "../../scripts/demo-data.ts";
import type { Env } from "../../src/env.ts";
import { testClock, wrapBindings } from "./world.ts";

export const env = bindings as unknown as Env & { readonly TEST_MIGRATIONS: D1Migration[] };

/** The product's front door. Tests of the patterns use nothing else. */
export function call(path: string, init?: RequestInit): Promise<Response> {
  return (exports as unknown as { default: Fetcher }).default.fetch(`https://waybill.test${path}`, init);
}

/** Migrates and seeds the file's own database, once per file. */
export async function startWorld(): Promise<void> {
  wrapBindings({});
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
  const seeded = await env.DB.prepare("SELECT COUNT(*) AS n FROM regions").first<number>("n");
  if (seeded === 0) {
    const statements = seedStatements(demoData(DEMO_SEED));
    await env.DB.batch(statements.map(({ sql, params }) => env.DB.prepare(sql).bind(...params)));
  }
}

const tokens = new Map<string, { readonly token: string; readonly until: number }>();

/** The persona's token; made anew when the test's clock has passed its end. */
export async function tokenOf(subject: string): Promise<string> {
  const known = tokens.get(subject);
  if (known && known.until > testClock.now()) return known.token;
  const answer = await call("/dev/token", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ subject }),
  });
  if (answer.status !== 200) throw new Error(`no token for ${subject}: ${await answer.text()}`);
  const { access_token: token, expires_in: seconds } = await answer.json<{
    access_token: string;
    expires_in: number;
  }>();
  tokens.set(subject, { token, until: testClock.now() + seconds * 1000 - 60_000 });
  return token;
}

export interface Answer<T = Record<string, never>> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

// eslint-disable-next-line -- the caller says what it expects of a JSON answer and asserts it
type Json = any;

/** For `as()`: send no Idempotency-Key. */
export const NO_KEY = { "idempotency-key": "" };

/** What a persona sends. A body that isn't text or bytes goes as JSON. A POST has a new Idempotency-Key unless it brings its own. */
export async function as(
  subject: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<Json>> {
  const raw = typeof body === "string" || body instanceof Uint8Array;
  const sent = new Headers({
    authorization: `Bearer ${await tokenOf(subject)}`,
    ...(body === undefined || raw ? {} : { "content-type": "application/json" }),
    ...(method === "POST" ? { "idempotency-key": crypto.randomUUID() } : {}),
    ...headers,
  });
  if (sent.get("idempotency-key") === "") sent.delete("idempotency-key");
  const answer = await call(path, {
    method,
    headers: sent,
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await answer.text();
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  return { status: answer.status, headers: answer.headers, body: isJson && text !== "" ? JSON.parse(text) : text };
}

/** Waits for a condition; the deadline is real time, and its message says what never came. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | null | undefined | false>,
  deadlineMs = 15_000,
): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const found = await probe();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`never happened within ${deadlineMs} ms: ${what}`);
    await scheduler.wait(20);
  }
}

/** The request once it has the status (or one of them). */
export function requestIs(id: string, ...statuses: string[]): Promise<Json> {
  return until(`request ${id} is ${statuses.join(" or ")}`, async () => {
    const { body } = await as("ops", "GET", `/api/requests/${id}`);
    return statuses.includes(body.status) ? body : null;
  });
}

/** Decides whatever of the request waits, as each approver asked, until it goes on. */
export async function approveAll(requestId: string, decision: "approve" | "reject" = "approve"): Promise<string[]> {
  const approvers: string[] = [];
  for (;;) {
    const request = await requestIs(
      requestId,
      "awaiting_approval",
      "ordering",
      "completed",
      "failed",
      "rejected",
      "needs_attention",
    );
    if (request.status !== "awaiting_approval") return approvers;
    const step = request.approvals.find((one: Json) => one.state === "pending");
    if (!step) {
      await scheduler.wait(20);
      continue;
    }
    const mine = await as(step.approver, "GET", "/api/approvals");
    const asked = mine.body.data.find((one: Json) => one.id === step.step_id);
    if (!asked) continue;
    const decided = await as(step.approver, "POST", `/api/approvals/${asked.id}/decision`, {
      decision,
      payload_hash: asked.payload_hash,
      reason: "scripted",
    });
    if (decided.status !== 200) throw new Error(`decision refused: ${JSON.stringify(decided.body)}`);
    approvers.push(step.approver);
  }
}

/** Everything that was committed has reached every subscriber; timers that aren't due may wait. */
export async function quiet(deadlineMs?: number): Promise<void> {
  const isEmpty = async () => {
    const row = await env.DB.prepare(
      "SELECT COUNT(*) AS n FROM outbox WHERE (done | dead) <> want AND parked_at IS NULL AND not_before <= ?",
    )
      .bind(new Date().toISOString())
      .first<number>("n");
    return row === 0;
  };
  await until("the outbox is empty", isEmpty, deadlineMs);
}
