/** The trail as its tests handle it: rows written, sealed and tampered with, and the copies beside the database. */
import { createContainer } from "../../src/container.ts";
import type { Seal, SealCopy } from "../../src/domain/audit-seal.ts";
import { sealAudit } from "../../src/services/audit-seals.ts";
import { auditDeps } from "../../src/wiring/audit.ts";
import { env } from "./harness.ts";
import { moveClock, testClock, throughWorld } from "./world.ts";

let written = 0;

/** Writes rows of now, without a relay that would seal them. */
export async function writeTrail(count: number): Promise<void> {
  const at = new Date(testClock.now()).toISOString();
  const numbers = JSON.stringify(Array.from({ length: count }, () => ++written));
  await env.DB.prepare(
    `INSERT INTO audit(at, actor, actor_kind, action, subject, after, trace)
     SELECT ?, 'ops', 'person', 'thing.changed', 'thing/' || value, json_object('n', value), 'trace' FROM json_each(?)`,
  )
    .bind(at, numbers)
    .run();
}

/** The sealing job, as the relay runs it. */
export function seal(): Promise<void> {
  const background = { waitUntil: () => {} };
  return sealAudit(auditDeps(createContainer(throughWorld(env), background)));
}

/** Writes rows and seals all that there are. */
export async function sealTrail(count: number): Promise<void> {
  await writeTrail(count);
  moveClock(60_001);
  await seal();
}

export async function listSeals(): Promise<Seal[]> {
  const { results } = await env.DB.prepare("SELECT * FROM audit_seals ORDER BY to_seq").all<Seal>();
  return results;
}

export async function listCopyKeys(): Promise<string[]> {
  return (await env.ARCHIVE.list({ prefix: "audit-seals/" })).objects.map(({ key }) => key);
}

export function copyKeyOf({ to_seq: seq }: { readonly to_seq: number }): string {
  return `audit-seals/${String(seq).padStart(16, "0")}.json`;
}

export async function readCopy(seal: { readonly to_seq: number }): Promise<SealCopy | null> {
  return (await env.ARCHIVE.get(copyKeyOf(seal)))?.json<SealCopy>() ?? null;
}

/** Whoever owns the database may drop the triggers that keep the trail append-only, and then do anything. */
export async function tamper(...statements: readonly string[]): Promise<void> {
  const triggers = ["audit_no_update", "audit_no_delete", "audit_seals_no_update", "audit_seals_no_delete"];
  await env.DB.batch(
    [...triggers.map((name) => `DROP TRIGGER IF EXISTS ${name}`), ...statements].map((text) => env.DB.prepare(text)),
  );
}

/** Keeps the trail, its seals and their copies as they are now; what it returns puts them back. */
export async function keepTrail(): Promise<() => Promise<void>> {
  await env.DB.batch([
    env.DB.prepare("CREATE TABLE kept_audit AS SELECT * FROM audit"),
    env.DB.prepare("CREATE TABLE kept_seals AS SELECT * FROM audit_seals"),
  ]);
  const copies = await Promise.all(
    (await listCopyKeys()).map(async (key) => [key, await (await env.ARCHIVE.get(key))?.text()] as const),
  );
  return async () => {
    await tamper(
      "DELETE FROM audit",
      "DELETE FROM audit_seals",
      "INSERT INTO audit SELECT * FROM kept_audit",
      "INSERT INTO audit_seals SELECT * FROM kept_seals",
    );
    await env.ARCHIVE.delete(await listCopyKeys());
    for (const [key, text] of copies) await env.ARCHIVE.put(key, text ?? "");
  };
}
