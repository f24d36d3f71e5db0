/**
 * What a person decides about dead letters: redrive, discard, edit. Each is one batch, guarded on the letter being open, so
 * that of two at once one has its effect and the other is told. The event keeps its id: what is done stays done.
 */
import { finishDead, reviveWrites } from "../db/queries/burials.ts";
import {
  closeLetters,
  countRedrivable,
  editLetter,
  findLetter,
  listRedrivable,
  type DeadLetterRow,
} from "../db/queries/dead-letters.ts";
import { bucketOf } from "../db/outbox-rows.ts";
import type { AuditEntry } from "../db/unit-of-work.ts";
import { DEAD_LETTERS_AT_ONCE } from "../config.ts";
import { changedIdentity, UNKNOWN_QUEUE } from "../domain/dead-letter.ts";
import { AppError, refuse, type Refusal } from "../domain/errors.ts";
import { parseMessage } from "../domain/events.ts";
import { actorOf, coversRegion, type Principal } from "../domain/identity.ts";
import type { Trace } from "../domain/trace.ts";
import { bytesOf, cutBatches } from "../events/batches.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface RedriveDeps extends ServiceDeps {
  /** Sends one batch (events/batches.ts). Resolves when the queue has it; throws an AppError otherwise. */
  readonly sendToQueue: (queue: string, bodies: readonly unknown[]) => Promise<void>;
}

export interface Redriven {
  readonly ok: true;
  readonly letters: readonly DeadLetterRow[];
  /** Open ones of the same choice that weren't reached: ask again. */
  readonly remaining: number;
}

export interface Decided {
  readonly ok: true;
  readonly letter: DeadLetterRow;
}

export interface By {
  readonly principal: Principal;
  readonly trace: Trace;
  /** Tells what would happen and writes nothing. */
  readonly dryRun: boolean;
}

const MAX_CONFLICTS = 3;

/** The letter, unless it lies outside of the caller's region: what concerns no region is for those of every region. */
export async function visibleLetter(
  deps: Pick<ServiceDeps, "db">,
  principal: Principal,
  id: string,
): Promise<DeadLetterRow | null> {
  const letter = await findLetter(deps.db, id);
  return letter && coversRegion(principal, letter.region) ? letter : null;
}

/** Sends what one letter is about again. NOT_FOUND; CONFLICT: it isn't open any more, or can't be sent. */
export async function redriveOne(deps: RedriveDeps, id: string, by: By): Promise<Redriven | Refusal> {
  for (let tries = 0; tries < MAX_CONFLICTS; tries++) {
    const letter = await visibleLetter(deps, by.principal, id);
    if (!letter) return refuse("NOT_FOUND", "no such dead letter");
    if (letter.state !== "open") return closedAlready(letter);
    if (letter.queue === UNKNOWN_QUEUE) return refuse("CONFLICT", "the queue it came from isn't known: discard it");
    const done: Redriven = { ok: true, letters: [letter], remaining: 0 };
    if (by.dryRun || (await redrive(deps, [letter], by, done)).isAll) return done;
  }
  return refuse("CONFLICT", "the letter changes all the time; try again");
}

/** Sends again what has one cause, or everything (null), of the caller's region, at most `DEAD_LETTERS_AT_ONCE`, oldest first. */
export async function redriveMany(deps: RedriveDeps, fingerprint: string | null, by: By): Promise<Redriven | Refusal> {
  const choice = { fingerprint, region: by.principal.region };
  const redriven: DeadLetterRow[] = [];
  for (let tries = 0; tries < MAX_CONFLICTS; tries++) {
    const letters = await listRedrivable(deps.db, choice, DEAD_LETTERS_AT_ONCE - redriven.length);
    const remaining = Math.max(0, (await countRedrivable(deps.db, choice)) - letters.length);
    const done: Redriven = { ok: true, letters: [...redriven, ...letters], remaining };
    if (by.dryRun || letters.length === 0) return done;
    const { closed, isAll } = await redrive(deps, letters, by, done);
    if (isAll) return done;
    redriven.push(...closed);
  }
  return refuse("CONFLICT", "the letters change all the time; try again");
}

/**
 * Sends them again and closes them; `closed` are fewer than all where a letter was closed or has died again since it was read.
 * Messages that no row keeps go a batch at a time, and each batch is sent before its letters are closed: a crash in between
 * leaves these open, and sending them again is harmless, since their consumers are idempotent by the message's key (the
 * file, the response). The other way round it would lose them. `done` is the caller's answer once all are closed.
 */
async function redrive(
  deps: RedriveDeps,
  letters: readonly DeadLetterRow[],
  by: By,
  done: Redriven,
): Promise<{ readonly closed: readonly DeadLetterRow[]; readonly isAll: boolean }> {
  const isMessage = ({ kind }: DeadLetterRow) => kind === "message";
  const byQueue = Map.groupBy(letters.filter(isMessage), ({ queue }) => queue);
  const kept = letters.filter((letter) => !isMessage(letter));
  const steps = [
    ...[...byQueue].flatMap(([queue, of]) =>
      cutBatches(of, ({ body }) => bytesOf(body)).map((batch) => ({ queue, batch })),
    ),
    ...(kept.length > 0 ? [{ queue: null, batch: kept }] : []),
  ];
  const closed: DeadLetterRow[] = [];
  for (const [at, { queue, batch }] of steps.entries()) {
    if (queue !== null) {
      const bodies = batch.map(({ body }) => JSON.parse(body) as unknown);
      await deps.sendToQueue(queue, bodies);
    }
    const isLast = at === steps.length - 1;
    if (!(await close(deps, batch, by, isLast ? { answers: done } : {}))) return { closed, isAll: false };
    closed.push(...batch);
  }
  return { closed, isAll: true };
}

/** One batch: what they are about is given back to the relay, and they are closed. False: one isn't as it was read. */
async function close(
  deps: RedriveDeps,
  letters: readonly DeadLetterRow[],
  by: By,
  answer: { readonly answers?: Redriven },
): Promise<boolean> {
  const at = isoNow(deps);
  const committed = await deps.commit({
    ...answer,
    trace: by.trace,
    writes: [
      ...reviveWrites(letters, at),
      closeLetters(letters, { state: "redriven", at, by: by.principal.subject, reason: null }),
    ],
    audit: letters.flatMap((letter) => [
      change(letter, "redriven", by.principal),
      ...(letter.commandId === null ? [] : [acceptedAgain(letter.commandId, by.principal)]),
    ]),
  });
  if (!committed.ok && committed.code !== "CONFLICT") throw new AppError(committed.code, "the redrive was refused");
  if (committed.ok) deps.kick(bucketsOf(letters));
  return committed.ok;
}

/** Ends a letter without sending it again: that subscriber has done with the event, that command stays dead. */
export async function discard(
  deps: ServiceDeps,
  id: string,
  reason: string,
  by: Pick<By, "principal" | "trace">,
): Promise<Decided | Refusal> {
  const letter = await visibleLetter(deps, by.principal, id);
  if (!letter) return refuse("NOT_FOUND", "no such dead letter");
  const at = isoNow(deps);
  const end = { state: "discarded", at, by: by.principal.subject, reason } as const;
  const done: Decided = {
    ok: true,
    letter: { ...letter, state: end.state, closedAt: at, closedBy: end.by, reason },
  };
  const committed = await deps.commit({
    trace: by.trace,
    answers: done,
    writes: [closeLetters([letter], end), ...(letter.kind === "event" ? [finishDead(letter, at)] : [])],
    audit: [{ ...change(letter, "discarded", by.principal), reason }],
  });
  if (!committed.ok) return closedAlready((await findLetter(deps.db, id)) ?? letter);
  return done;
}

/** What that one subscriber gets in place of the event, once the letter is redriven. The original is kept. */
export async function edit(
  deps: ServiceDeps,
  id: string,
  event: Readonly<Record<string, unknown>>,
  by: Pick<By, "principal" | "trace">,
): Promise<Decided | Refusal> {
  const letter = await visibleLetter(deps, by.principal, id);
  if (!letter) return refuse("NOT_FOUND", "no such dead letter");
  if (letter.kind !== "event") return refuse("CONFLICT", "only an event can be edited; send a new command or message");
  const changed = changedIdentity(JSON.parse(letter.body) as object, event);
  if (changed.length > 0) return refuse("VALIDATION", "it would be another event: see errors", { problems: changed });
  const parsed = parseMessage(event);
  if (!parsed.ok) return refuse("VALIDATION", `not an event of this version: ${parsed.reason}`);
  const edited = JSON.stringify(parsed.message);
  const done: Decided = { ok: true, letter: { ...letter, edited } };
  const committed = await deps.commit({
    trace: by.trace,
    answers: done,
    writes: [editLetter(id, edited)],
    audit: [
      {
        actor: actorOf(by.principal),
        action: "dead_letter.edited",
        subject: `dead_letter/${id}`,
        before: JSON.parse(letter.edited ?? letter.body) as unknown,
        after: parsed.message,
      },
    ],
  });
  if (!committed.ok) return closedAlready((await findLetter(deps.db, id)) ?? letter);
  return done;
}

function closedAlready(letter: DeadLetterRow): Refusal {
  const { state, closedAt, closedBy } = letter;
  if (state === "open") return refuse("CONFLICT", "the letter has just died again: look at it again");
  return refuse("CONFLICT", `it was ${state} already, by ${closedBy} at ${closedAt}`, {
    facts: { state, closed_by: closedBy, closed_at: closedAt },
  });
}

function change(letter: DeadLetterRow, to: "redriven" | "discarded", principal: Principal): AuditEntry {
  return {
    actor: actorOf(principal),
    action: `dead_letter.${to}`,
    subject: `dead_letter/${letter.id}`,
    before: { state: "open" },
    after: { state: to },
  };
}

function acceptedAgain(commandId: string, principal: Principal): AuditEntry {
  return {
    actor: actorOf(principal),
    action: "command.redriven",
    subject: `command/${commandId}`,
    before: { state: "dead" },
    after: { state: "accepted" },
  };
}

/** Whose relays have something to send: an event's bucket is its subject's, a command's its id's. */
function bucketsOf(letters: readonly DeadLetterRow[]): number[] {
  const named = letters.flatMap(
    ({ commandId, kind, subject }) => commandId ?? (kind === "event" ? subject : null) ?? [],
  );
  return [...new Set(named.map(bucketOf))];
}
