/** In-app notifications: one row per event and recipient. */
import { desc, eq, sql } from "drizzle-orm";
import type { Database } from "../database.ts";
import { notifications } from "../schema/requests.ts";
import type { GuardedWrite } from "../unit-of-work.ts";

export interface NewNotification {
  readonly id: string;
  readonly recipient: string;
  readonly eventId: string;
  readonly title: string;
  readonly link: string | null;
  readonly at: string;
}

export function insertNotification(row: NewNotification): GuardedWrite {
  return {
    statement: sql`INSERT INTO notifications(id, recipient, event_id, title, link, created_at)
      VALUES (${row.id}, ${row.recipient}, ${row.eventId}, ${row.title}, ${row.link}, ${row.at})
      ON CONFLICT(event_id, recipient) DO NOTHING`,
  };
}

export async function listNotifications(db: Database, recipient: string, limit: number) {
  return db
    .select()
    .from(notifications)
    .where(eq(notifications.recipient, recipient))
    .orderBy(desc(notifications.id))
    .limit(limit);
}
