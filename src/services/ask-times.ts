/** When someone who is asked to approve is reminded, and when the step is due. */
import { APPROVAL_DUE_MS, APPROVAL_REMINDERS } from "../config.ts";

export interface AskTimes {
  readonly askedAt: string;
  readonly dueAt: string;
  /** When to remind, before `dueAt`. */
  readonly remindAt: readonly string[];
}

const iso = (ms: number) => new Date(ms).toISOString();

/** `now` is ms since the epoch; the due time is exactly APPROVAL_DUE_MS later. */
export function timesOfAsk(now: number): AskTimes {
  return {
    askedAt: iso(now),
    dueAt: iso(now + APPROVAL_DUE_MS),
    remindAt: APPROVAL_REMINDERS.map((share) => iso(now + Math.round(APPROVAL_DUE_MS * share))),
  };
}
