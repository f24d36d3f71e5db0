/**
 * What follows when someone is asked to approve a request or a command: they are told, they are reminded, and at the due
 * time the step is looked at. The timers are committed with the step, so none waits without one.
 */
import type { AnyEventDraft } from "../db/unit-of-work.ts";
import type { AskTimes } from "./ask-times.ts";

export interface AskedStep extends AskTimes {
  readonly about: { readonly request_id: string } | { readonly command_id: string };
  readonly stepId: string;
  readonly approver: string;
  readonly rule: string;
  readonly at: string;
}

/** ApprovalRequested, and the timers of the step: reminders, and the due time after which it is escalated. */
export function eventsOfAsk(
  base: { readonly subject: string; readonly region: string; readonly sequence: number },
  ask: AskedStep,
): AnyEventDraft[] {
  const timer = { ...ask.about, step_id: ask.stepId, timestamp: ask.at };
  return [
    {
      type: "ApprovalRequested",
      ...base,
      data: { ...timer, approver: ask.approver, rule: ask.rule, due_at: ask.dueAt },
    },
    ...ask.remindAt.map((at): AnyEventDraft => ({
      type: "ApprovalReminderDue",
      ...base,
      data: timer,
      notBefore: Date.parse(at),
    })),
    { type: "ApprovalDue", ...base, data: timer, notBefore: Date.parse(ask.dueAt) },
  ];
}
