/** The statements that write a batch's part of the trail: a few entries one by one, many in a few statements, in their order. */
import { sql, type SQL } from "drizzle-orm";
import { traceIdOf, type Trace } from "../domain/trace.ts";
import type { AuditEntry } from "./unit-of-work.ts";

/** Above this many, entries share statements: an invocation has 1,000 of them. */
const FEW = 20;
const AT_ONCE = 100;
const AT_ONCE_CHARS = 200_000; // a bound value ends at 2 MB, and quotes within JSON double

export function auditInserts(entries: readonly AuditEntry[], trace: Trace, at: string): SQL[] {
  const traceId = traceIdOf(trace.traceparent);
  const rows = entries.map(({ actor, action, subject, before, after, reason }) => ({
    actor: actor.id,
    kind: actor.kind,
    action,
    subject,
    before: json(before),
    after: json(after),
    reason: reason ?? null,
  }));
  if (rows.length <= FEW) {
    return rows.map(
      (row) => sql`INSERT INTO audit(at, actor, actor_kind, action, subject, before, after, reason, trace)
        VALUES (${at}, ${row.actor}, ${row.kind}, ${row.action}, ${row.subject}, ${row.before}, ${row.after}, ${row.reason},
                ${traceId})`,
    );
  }
  return packed(rows.map((row) => JSON.stringify(row))).map(
    (some) => sql`INSERT INTO audit(at, actor, actor_kind, action, subject, before, after, reason, trace)
      SELECT ${at}, value ->> 'actor', value ->> 'kind', value ->> 'action', value ->> 'subject', value ->> 'before',
        value ->> 'after', value ->> 'reason', ${traceId}
      FROM json_each(${`[${some.join(",")}]`}) ORDER BY key`,
  );
}

function json(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}

function packed(texts: readonly string[]): string[][] {
  const packs: string[][] = [];
  let chars = 0;
  for (const text of texts) {
    const last = packs.at(-1);
    chars += text.length;
    if (last && last.length < AT_ONCE && chars <= AT_ONCE_CHARS) {
      last.push(text);
    } else {
      packs.push([text]);
      chars = text.length;
    }
  }
  return packs;
}
