/**
 * Parks an event that can't go on: it stays in the outbox, out of the lanes, and operations hear of it in the same batch.
 * They give it back to the relay when its cause is gone.
 */
import { listParked, parkRow, unparkRow, type OpenEvent, type ParkedEvent } from "../db/queries/outbox.ts";
import type { Committed, EventDraft, UnitOfWork } from "../db/unit-of-work.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
import { actorOf, type Principal } from "../domain/identity.ts";
import type { Clock } from "../domain/ports.ts";
import type { Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface ParkingDeps {
  readonly clock: Clock;
  readonly commit: (work: UnitOfWork) => Promise<Committed>;
  readonly newTrace: () => Trace;
}

/** Parking what is parked or finished by now changes nothing. */
export async function parkEvent(
  deps: ParkingDeps,
  row: Pick<OpenEvent, "seq" | "event_id" | "type" | "subject" | "region">,
  reason: string,
): Promise<void> {
  const nowIso = new Date(deps.clock.now()).toISOString();
  await deps.commit({
    trace: deps.newTrace(),
    writes: [parkRow(row, nowIso, reason)],
    audit: [
      { actor: { id: "relay", kind: "system" }, action: "event.parked", subject: `event/${row.event_id}`, reason },
    ],
    // Trouble with the news of trouble isn't news: each would park another one.
    events: row.type === "ErrorOccurred" ? [] : [parkedError(row, reason, nowIso)],
  });
}

function parkedError(
  row: Pick<OpenEvent, "event_id" | "type" | "subject" | "region">,
  reason: string,
  nowIso: string,
): EventDraft<"ErrorOccurred"> {
  return {
    type: "ErrorOccurred",
    subject: `event/${row.event_id}`,
    region: row.region,
    sequence: 1,
    data: {
      code: "EVENT_PARKED",
      kind: "event",
      id: row.event_id,
      message: `${row.type} of ${row.subject}: ${reason}`,
      retryable: true,
      timestamp: nowIso,
    },
  };
}

export interface Unparked {
  readonly ok: true;
  readonly event: ParkedEvent;
}

/** NOT_FOUND: nothing of that id is parked (any more) in the caller's scope; CONFLICT: another one has just given it back. */
export async function unparkEvent(
  deps: ServiceDeps,
  eventId: string,
  by: { readonly principal: Principal; readonly trace: Trace },
): Promise<Unparked | Refusal> {
  const [event] = await listParked(deps.db, { region: by.principal.region, eventId, after: 0, limit: 1 });
  if (!event) return refuse("NOT_FOUND", "no event of this id is parked");
  const done: Unparked = { ok: true, event };
  const committed = await deps.commit({
    trace: by.trace,
    answers: done,
    writes: [unparkRow(event, isoNow(deps))],
    audit: [
      {
        actor: actorOf(by.principal),
        action: "event.unparked",
        subject: `event/${event.event_id}`,
        before: { parked_at: event.parked_at, error: event.error },
      },
    ],
  });
  if (!committed.ok) return refuse("CONFLICT", "it has just been given back to the relay");
  deps.kick([event.bucket]);
  return done;
}
