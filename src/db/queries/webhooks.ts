/** Endpoints of webhooks. A change is guarded by the version that it was decided on; a deleted one is kept for its log. */
import { and, asc, eq, ne, or, sql } from "drizzle-orm";
import type { Role } from "../../domain/identity.ts";
import type { Database } from "../database.ts";
import { people } from "../schema/catalogue.ts";
import { webhooks } from "../schema/webhooks.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export type WebhookRow = typeof webhooks.$inferSelect;

export interface NewWebhook {
  readonly id: string;
  readonly owner: string;
  readonly region: string | null;
  readonly url: string;
  readonly types: readonly string[];
  readonly secret: string;
  readonly at: string;
}

/** The row as it begins. */
export function newWebhook({ at, types, ...row }: NewWebhook): WebhookRow {
  const rest = { previousSecret: null, previousUntil: null, state: "active", reason: null, version: 1 } as const;
  return { ...row, ...rest, types: JSON.stringify(types), createdAt: at, updatedAt: at };
}

/** CONFLICT when the owner has `most` already. */
export function insertWebhook(row: WebhookRow, most: number): GuardedWrite {
  return {
    statement: sql`INSERT INTO webhooks(id, owner, region, url, types, secret, state, created_at, updated_at)
      SELECT ${row.id}, ${row.owner}, ${row.region}, ${row.url}, ${row.types}, ${row.secret}, ${row.state},
        ${row.createdAt}, ${row.updatedAt}
      WHERE (SELECT COUNT(*) FROM webhooks WHERE owner = ${row.owner} AND state <> 'deleted') < ${most}`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

export interface WebhookChange {
  readonly url: string;
  readonly types: string;
  readonly secret: string;
  readonly previousSecret: string | null;
  readonly previousUntil: string | null;
  readonly state: WebhookRow["state"];
  readonly reason: string | null;
}

/** Writes the row as `change` says; CONFLICT when it isn't at `row.version` any more. */
export function updateWebhook(row: WebhookRow, change: Partial<WebhookChange>, at: string): GuardedWrite {
  const next = { ...row, ...change };
  return {
    statement: sql`UPDATE webhooks SET url = ${next.url}, types = ${next.types}, secret = ${next.secret},
        previous_secret = ${next.previousSecret}, previous_until = ${next.previousUntil}, state = ${next.state},
        reason = ${next.reason}, version = version + 1, updated_at = ${at}
      WHERE id = ${row.id} AND version = ${row.version}`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

/**
 * Turns an active endpoint off. CONFLICT when it isn't as it was tried any more: another delivery has just done so (one of
 * them tells), or its owner has given it another address.
 */
export function disableWebhook({ id, version }: WebhookRow, reason: string, at: string): GuardedWrite {
  return {
    statement: sql`UPDATE webhooks SET state = 'disabled', reason = ${reason}, version = version + 1, updated_at = ${at}
      WHERE id = ${id} AND version = ${version} AND state = 'active'`,
    expect: { rows: 1, otherwise: "CONFLICT" },
  };
}

/** The endpoint, unless it was deleted. */
export async function findWebhook(db: Database, id: string): Promise<WebhookRow | null> {
  const [row] = await db
    .select()
    .from(webhooks)
    .where(and(eq(webhooks.id, id), ne(webhooks.state, "deleted")))
    .limit(1);
  return row ?? null;
}

/** The endpoints of an owner, oldest first; also `others`: everyone's, or everyone's of a region. */
export function listWebhooks(
  db: Database,
  owner: string,
  others: "none" | "all" | { readonly region: string },
): Promise<WebhookRow[]> {
  const own = eq(webhooks.owner, owner);
  const mine = others === "none" ? own : others === "all" ? undefined : or(own, eq(webhooks.region, others.region));
  return db
    .select()
    .from(webhooks)
    .where(and(ne(webhooks.state, "deleted"), mine))
    .orderBy(asc(webhooks.id))
    .limit(1_000);
}

export interface ListenerRow {
  readonly id: string;
  readonly region: string | null;
  readonly role: Role;
  readonly ownerRegion: string | null;
}

/** The active endpoints that subscribed to a type, with who their owner is today. */
export function listListeners(db: Database, type: string): Promise<ListenerRow[]> {
  return db
    .select({ id: webhooks.id, region: webhooks.region, role: people.role, ownerRegion: people.region })
    .from(webhooks)
    .innerJoin(people, eq(people.id, webhooks.owner))
    .where(
      and(
        eq(webhooks.state, sql`'active'`), // a literal, so that the index of the active ones serves
        sql`EXISTS (SELECT 1 FROM json_each(${webhooks.types}) WHERE value = ${type})`,
      ),
    )
    .orderBy(asc(webhooks.id));
}
