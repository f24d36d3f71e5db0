/**
 * Makes dead letters of what a queue gave up: the letter, the mark on what died, the trail and the word to those concerned
 * are one batch. What is dead, done or ended already makes no second letter, so the queue may bring a message again.
 */
import {
  findDyingEvent,
  killCommand,
  markDead,
  noteCommandFailure,
  noteFailures,
  type Failure,
} from "../db/queries/burials.ts";
import { findCommand } from "../db/queries/commands.ts";
import { addDeath, insertLetters, type NewDeadLetter } from "../db/queries/dead-letters.ts";
import type { AnyEventDraft, AuditEntry, UnitOfWork } from "../db/unit-of-work.ts";
import { causeText, type Cause } from "../domain/dead-letter.ts";
import { AppError } from "../domain/errors.ts";
import { parseEvent } from "../domain/events.ts";
import type { Actor } from "../domain/trace.ts";
import { queueSubscribersIn, SUBSCRIBER_BITS } from "../events/subscriptions.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

const UNDERTAKER: Actor = { id: "dead-letters", kind: "system" };
/** The consumer was ended before it could say what it failed at. */
const UNTOLD: Failure = { error: "no failure was noted: the consumer was ended each time", attempts: 0 };

/** Notes what subscribers failed at, for the letter if the message dies. */
export async function noteSubscriberFailures(
  deps: Pick<ServiceDeps, "commit" | "newTrace">,
  event: { readonly seq: number; readonly event_id: string },
  failures: Readonly<Record<string, string>>,
): Promise<void> {
  await deps.commit({ trace: deps.newTrace(), writes: [noteFailures(event.seq, event.event_id, failures)] });
}

export async function noteFailedCommand(
  deps: Pick<ServiceDeps, "commit" | "newTrace">,
  id: string,
  error: string,
): Promise<void> {
  await deps.commit({ trace: deps.newTrace(), writes: [noteCommandFailure(id, error)] });
}

/** A letter for each subscriber that still waited for the event; the others' effects stand. */
export async function buryEvent(
  deps: ServiceDeps,
  message: { readonly seq: number; readonly eventId: string; readonly messageId: string },
): Promise<void> {
  const event = await findDyingEvent(deps.db, message.seq, message.eventId);
  if (!event) return; // finished, and aged out
  const key = (subscriber: string) => `event/${event.event_id}/${subscriber}`;
  const waiting = queueSubscribersIn(event.want & ~event.done & ~event.dead);
  if (waiting.length === 0) {
    return recordDeath(deps, queueSubscribersIn(event.want & event.dead).map(key), message.messageId);
  }
  const failures = JSON.parse(event.failures ?? "{}") as Readonly<Record<string, Failure>>;
  const letters = await Promise.all(
    waiting.map(async (subscriber) => ({
      ...(await causeOf(deps, {
        queue: "events",
        type: event.type,
        subscriber,
        error: (failures[subscriber] ?? UNTOLD).error,
      })),
      id: deps.newId("deadLetter"),
      kind: "event" as const,
      key: key(subscriber),
      eventSeq: event.seq,
      eventId: event.event_id,
      bit: SUBSCRIBER_BITS[subscriber],
      commandId: null,
      subject: event.subject,
      region: event.region,
      body: event.event,
      attempts: (failures[subscriber] ?? UNTOLD).attempts,
      messageId: message.messageId,
    })),
  );
  const bits = letters.reduce((set, { bit }) => set | bit, 0);
  const parsed = parseEvent(event.event);
  await open(deps, letters, {
    trace: parsed.ok
      ? { traceparent: parsed.message.traceparent, correlationId: parsed.message.correlationid }
      : deps.newTrace(),
    writes: [markDead(event, bits)],
    // Of an error that couldn't be told there is nobody to tell: a letter about it would only bring the next.
    events: event.type === "ErrorOccurred" ? [] : letters.map((letter) => errorOf(letter, isoNow(deps))),
  });
}

/** The command ends as `dead`, and its sender hears of it. `error`: where none was noted. */
export async function buryCommand(
  deps: ServiceDeps,
  message: { readonly commandId: string; readonly messageId: string; readonly error?: string },
): Promise<void> {
  const command = await findCommand(deps.db, message.commandId);
  if (!command) return;
  const key = `command/${command.id}`;
  if (command.state === "dead") return recordDeath(deps, [key], message.messageId);
  if (command.state !== "accepted") return; // it has ended as it should
  const noted = command.failure === null ? undefined : (JSON.parse(command.failure) as Failure);
  const { error, attempts } = noted ?? { ...UNTOLD, error: message.error ?? UNTOLD.error };
  const at = isoNow(deps);
  const letter: NewDeadLetter = {
    ...(await causeOf(deps, { queue: "commands", type: command.type, subscriber: null, error })),
    id: deps.newId("deadLetter"),
    kind: "command",
    key,
    eventSeq: null,
    eventId: null,
    bit: null,
    commandId: command.id,
    subject: key,
    region: command.region === "*" ? null : command.region,
    body: JSON.stringify({ id: command.id, type: command.type, data: JSON.parse(command.data) as unknown }),
    attempts,
    messageId: message.messageId,
  };
  const [kind, ...sender] = command.sender.split(":");
  await open(deps, [letter], {
    trace: { traceparent: command.traceparent, correlationId: command.id },
    writes: [killCommand(command.id, at, "it failed each time it was tried: operations can have it tried again")],
    audit: [
      {
        actor: UNDERTAKER,
        action: "command.dead",
        subject: key,
        before: { state: "accepted" },
        after: { state: "dead", dead_letter: letter.id },
        reason: error,
      },
    ],
    events: [errorOf(letter, at, kind === "device" ? sender.join(":") : undefined)],
  });
}

/** A message of another queue, or one that isn't what its queue carries. The same body is the same letter. */
export async function buryMessage(
  deps: ServiceDeps,
  message: {
    readonly queue: string;
    readonly body: unknown;
    readonly messageId: string;
    readonly error: string;
    readonly attempts: number;
  },
): Promise<void> {
  const body = textOf(message.body);
  const letter: NewDeadLetter = {
    ...(await causeOf(deps, { queue: message.queue, type: null, subscriber: null, error: message.error })),
    id: deps.newId("deadLetter"),
    kind: "message",
    key: `${message.queue}/${await deps.sha256(body)}`,
    eventSeq: null,
    eventId: null,
    bit: null,
    commandId: null,
    subject: null,
    region: null,
    body,
    attempts: message.attempts,
    messageId: message.messageId,
  };
  await open(deps, [letter], { trace: deps.newTrace(), writes: [], events: [errorOf(letter, isoNow(deps))] });
}

/** Commits new letters with what belongs to them. A letter that is open already counts the death. */
async function open(
  deps: ServiceDeps,
  letters: readonly NewDeadLetter[],
  work: Omit<UnitOfWork, "done" | "inbox">,
): Promise<void> {
  const opened: AuditEntry[] = letters.map(({ id, queue, type, subscriber, eventId, commandId, error }) => ({
    actor: UNDERTAKER,
    action: "dead_letter.opened",
    subject: `dead_letter/${id}`,
    after: { state: "open", queue, type, subscriber, event_id: eventId, command_id: commandId },
    reason: error,
  }));
  const committed = await deps.commit({
    ...work,
    writes: [insertLetters(letters, isoNow(deps)), ...work.writes],
    audit: [...opened, ...(work.audit ?? [])],
  });
  if (committed.ok) return;
  const [first] = letters;
  if (committed.code === "DUPLICATE" && first?.kind === "message") {
    return recordDeath(deps, [first.key], first.messageId);
  }
  // What died moved on between the look and the batch: the message comes again, and sees it as it is then.
  throw new AppError(committed.code, "what died has changed meanwhile", { retryable: true });
}

async function recordDeath(deps: ServiceDeps, keys: readonly string[], messageId: string): Promise<void> {
  if (keys.length === 0) return;
  await deps.commit({ trace: deps.newTrace(), writes: [addDeath(keys, messageId, isoNow(deps))] });
}

async function causeOf(deps: ServiceDeps, cause: Cause) {
  return { ...cause, fingerprint: (await deps.sha256(causeText(cause))).slice(0, 16) };
}

function errorOf(letter: NewDeadLetter, at: string, deviceId?: string): AnyEventDraft {
  const what = letter.type ?? `a message of the queue ${letter.queue}`;
  return {
    type: "ErrorOccurred",
    subject: `dead_letter/${letter.id}`,
    region: letter.region,
    sequence: 1,
    data: {
      code: "DEAD_LETTER",
      kind: letter.commandId === null ? "dead_letter" : "command",
      id: letter.commandId ?? letter.id,
      // The error itself is for operations: it may quote what only they may see.
      message: `${what} failed each time${letter.subscriber === null ? "" : ` at ${letter.subscriber}`}: see ${letter.id}`,
      retryable: true,
      timestamp: at,
      ...(deviceId === undefined ? {} : { device_id: deviceId }),
    },
  };
}

/** JSON, or for what JSON can't say its text as a JSON string. */
function textOf(body: unknown): string {
  try {
    return JSON.stringify(body) ?? JSON.stringify(String(body));
  } catch {
    return JSON.stringify(String(body)); // a cycle, a BigInt: no JSON
  }
}
