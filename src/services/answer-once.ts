/**
 * One answer per intent: whoever sends the same again under the same key gets the answer of the first time. It is stored
 * in the batch that has the effect, so neither is ever there without the other, and of two at once one batch wins.
 */
import { findInboxRow, type InboxRow } from "../db/queries/inbox.ts";
import type { Committed, UnitOfWork } from "../db/unit-of-work.ts";
import { AppError, refuse, type Refusal } from "../domain/errors.ts";
import type { Trace } from "../domain/trace.ts";
import type { ServiceDeps } from "./deps.ts";

/** What a caller means to do, once. */
export interface Intent {
  /** Route and caller: the same key of another caller, or on another route, is another intent. */
  readonly scope: string;
  readonly id: string;
  /** Hash of all that was sent: the same key with something else is a mistake of the caller's. */
  readonly bodyHash: string;
}

/** An answer as text, as it is stored and sent. */
interface Answered {
  readonly ok: true;
  readonly text: string;
  readonly replayed: boolean;
}

interface Once<Deps, Done> {
  readonly intent: Intent;
  readonly trace: Trace;
  /** Does it. The batch of its effect says by `answers` what `Done` will be. */
  readonly write: (deps: Deps) => Promise<Done | Refusal>;
  readonly textOf: (done: Done) => string;
  /** The text of a refusal that is an answer; null for one that keeps nothing and may turn out otherwise next time. */
  readonly textOfRefusal: (refusal: Refusal) => string | null;
}

/** Leaves a write whose batch turned out to be answered already: nothing of it may run on as if it had been committed. */
class AnsweredBefore extends Error {
  readonly committed: Committed;

  constructor(committed: Committed) {
    super("answered before");
    this.committed = committed;
  }
}

/**
 * Runs the write unless its intent has an answer. A refusal that keeps nothing is returned as it is; KEY_REUSED when the
 * key belongs to another body. Throws what the write throws: whether it is committed is then unknown, and the same
 * intent sent again tells.
 */
export async function answerOnce<Deps extends Pick<ServiceDeps, "db" | "commit">, Done extends { readonly ok: true }>(
  deps: Deps,
  once: Once<Deps, Done>,
): Promise<Answered | Refusal> {
  const { intent, trace, write, textOf, textOfRefusal } = once;
  const known = await storedAnswer(deps, intent);
  if (known) return known;

  let kept: string | undefined;
  const commit = async (work: UnitOfWork): Promise<Committed> => {
    if (work.answers === undefined || kept !== undefined) return deps.commit(work);
    const text = textOf(work.answers as Done);
    const committed = await deps.commit({ ...work, inbox: { ...intent, result: text } });
    if (committed.ok ? committed.replayed : committed.code === "KEY_REUSED") throw new AnsweredBefore(committed);
    if (committed.ok) kept = text;
    return committed;
  };
  try {
    const outcome = await write({ ...deps, commit });
    if (kept !== undefined) return { ok: true, text: kept, replayed: false };
    const text = outcome.ok ? textOf(outcome) : textOfRefusal(outcome);
    // Of two at once the slower may find what it was to change gone: the other has changed it, and has the answer.
    if (text === null) return (await storedAnswer(deps, intent)) ?? (outcome as Refusal);
    const committed = await deps.commit({ trace, inbox: { ...intent, result: text }, writes: [] });
    return isFirst(committed) ? { ok: true, text, replayed: false } : stored(committed);
  } catch (error) {
    if (error instanceof AnsweredBefore) return stored(error.committed);
    throw error;
  }
}

/** The answer that is stored for the intent by now, or null. */
async function storedAnswer(deps: Pick<ServiceDeps, "db">, intent: Intent): Promise<Answered | Refusal | null> {
  const known = await findInboxRow(deps.db, intent.scope, intent.id);
  if (!known) return null;
  return known.body_hash === intent.bodyHash ? replay(known) : keyReused();
}

function isFirst(committed: Committed): boolean {
  return committed.ok && !committed.replayed;
}

function stored(committed: Committed): Answered | Refusal {
  if (committed.ok && committed.replayed) return replay(committed);
  return keyReused();
}

function replay({ result }: Pick<InboxRow, "result">): Answered {
  if (result === null) throw new AppError("INTERNAL", "an intent has no stored answer");
  return { ok: true, text: result, replayed: true };
}

function keyReused(): Refusal {
  return refuse("KEY_REUSED", "this Idempotency-Key came with another body; make a new key for each new intent");
}
