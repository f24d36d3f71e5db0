/** What a subscriber gets: the message, and the done mark that must be in the batch of its effect. */
import type { Message, MessageType } from "../domain/events.ts";
import type { Trace } from "../domain/trace.ts";
import type { DoneMark, UnitOfWork } from "../db/unit-of-work.ts";
import { AppError } from "../domain/errors.ts";
import type { ServiceDeps } from "../services/deps.ts";

export interface Delivery<T extends MessageType = MessageType> {
  readonly message: Extract<Message, { type: T }>;
  readonly region: string | null;
  readonly done: DoneMark;
  readonly trace: Trace;
}

/** The trace that the message was born in: whatever its effect causes belongs to the same story. */
export function traceOfMessage(message: Message): Trace {
  return { traceparent: message.traceparent, correlationId: message.correlationid };
}

/** Commits the effect with its done bit. A bit that is set already means that the effect has happened: fine. */
export async function commitEffect(
  deps: Pick<ServiceDeps, "commit">,
  delivery: Delivery,
  work: Omit<UnitOfWork, "trace" | "done">,
): Promise<void> {
  const committed = await deps.commit({ ...work, trace: delivery.trace, done: delivery.done });
  if (committed.ok || committed.code === "DUPLICATE") return;
  throw new AppError(committed.code, `the effect of ${delivery.message.type} was refused: ${committed.code}`, {
    retryable: true,
  });
}

/** Ends a delivery that has no effect in the database (nothing to do, or the effect lies outside and is done). */
export async function markDone(deps: Pick<ServiceDeps, "commit">, delivery: Delivery): Promise<void> {
  await commitEffect(deps, delivery, { writes: [] });
}
