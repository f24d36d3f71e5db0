/** Parks an event that can't go on: it stays in the outbox, out of the lanes, and operations hear of it in the same batch. */
import { parkRow, type OpenEvent } from "../db/queries/outbox.ts";
import type { Committed, UnitOfWork } from "../db/unit-of-work.ts";
import type { Clock } from "../domain/ports.ts";
import type { Trace } from "../domain/trace.ts";

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
    events: [
      {
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
      },
    ],
  });
}
