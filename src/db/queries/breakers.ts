/** The list of breakers: what each object last wrote of itself, and every dependency that could have one. */
import { sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export interface ShownCircuit {
  readonly dependency: string;
  readonly revision: number;
  /** The state as JSON. */
  readonly circuit: string;
  readonly since: string | null;
  readonly actor: string | null;
  readonly actor_kind: string | null;
  readonly reason: string | null;
  readonly updated_at: string;
}

/** A dependency, with what its breaker last wrote; without it the breaker has never had anything to write. */
export type ListedBreaker = { [K in keyof ShownCircuit]: K extends "dependency" ? string : ShownCircuit[K] | null };

/** Shows this state unless a later one is shown: what was written long ago may land at any time. */
export function showCircuit(shown: ShownCircuit): GuardedWrite {
  return {
    statement: sql`INSERT INTO breakers(dependency, revision, circuit, since, actor, actor_kind, reason, updated_at)
      VALUES (${shown.dependency}, ${shown.revision}, ${shown.circuit}, ${shown.since}, ${shown.actor},
              ${shown.actor_kind}, ${shown.reason}, ${shown.updated_at})
      ON CONFLICT(dependency) DO UPDATE SET revision = excluded.revision, circuit = excluded.circuit,
        since = excluded.since, actor = excluded.actor, actor_kind = excluded.actor_kind, reason = excluded.reason,
        updated_at = excluded.updated_at
      WHERE breakers.revision < excluded.revision`,
  };
}

/** Marks the transition of this revision as told; DUPLICATE: it was told before. Follows `showCircuit` in a batch. */
export function markAnnounced(dependency: string, revision: number): GuardedWrite {
  return {
    statement: sql`UPDATE breakers SET announced = ${revision}
      WHERE dependency = ${dependency} AND announced < ${revision}`,
    expect: { rows: 1, otherwise: "DUPLICATE" },
  };
}

/** Every dependency: those named, suppliers that can be called, active webhooks, and whatever has a breaker. By name. */
function dependencies(named: readonly string[]) {
  return sql`(SELECT value AS dependency FROM json_each(${JSON.stringify(named)})
    UNION SELECT 'supplier:' || id FROM suppliers WHERE url IS NOT NULL
    UNION SELECT 'webhook:' || id FROM webhooks WHERE state = 'active'
    UNION SELECT dependency FROM breakers)`;
}

export function listBreakers(
  db: Database,
  q: {
    readonly named: readonly string[];
    readonly after: string;
    readonly limit: number;
    readonly state: string | undefined;
    readonly dependency?: string;
  },
): Promise<ListedBreaker[]> {
  const only = q.dependency === undefined ? sql`` : sql`AND d.dependency = ${q.dependency}`;
  const state = q.state === undefined ? sql`` : sql`AND coalesce(b.circuit ->> '$.kind', 'closed') = ${q.state}`;
  return db.all<ListedBreaker>(sql`SELECT d.dependency, b.revision, b.circuit, b.since, b.actor, b.actor_kind, b.reason,
      b.updated_at
    FROM ${dependencies(q.named)} AS d LEFT JOIN breakers AS b ON b.dependency = d.dependency
    WHERE d.dependency > ${q.after} ${only} ${state} ORDER BY d.dependency LIMIT ${q.limit}`);
}
