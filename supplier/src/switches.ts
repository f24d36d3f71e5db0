/**
 * The faults that a person or a test can switch on, per supplier. A set of switches is always whole: what a caller
 * leaves out is off, so an empty object makes a well-behaved supplier.
 */
import { z } from "zod";

const DELAY_MAX_MS = 60_000; // longer would only hold connections: every client has given up by then
const LATE_MAX_MS = 24 * 60 * 60 * 1000;
const COUNT_MAX = 1_000;

const count = z.int().min(0).max(COUNT_MAX).default(0);
const flag = z.boolean().default(false);

export const switchesSchema = z.strictObject({
  delay_ms: z.int().min(0).max(DELAY_MAX_MS).default(0),
  fail_next: count,
  lost_reply_next: count,
  accept_late_ms: z.int().min(0).max(LATE_MAX_MS).default(0),
  rate_limited_s: z.int().min(0).max(3_600).default(0),
  refuse: flag,
  double_accept: flag,
  refuse_to_cancel: flag,
  cancel_at_once: flag,
  wrong_order: flag,
  wrong_lookup: flag,
  wrong_reference: flag,
  wrong_price: flag,
  negative_price: flag,
  wrong_total: flag,
  wrong_quantity: flag,
  wrong_currency: flag,
  html: flag,
  no_content: flag,
  too_big: flag,
  redirect: flag,
  never: flag,
  down: flag,
});

export type Switches = z.output<typeof switchesSchema>;
export type SwitchName = keyof Switches;

export const ALL_OFF: Switches = switchesSchema.parse({});

/** What each switch does, in the words that the page shows. Numbers: 0 is off. */
export const SWITCH_TEXT: Readonly<Record<SwitchName, string>> = {
  delay_ms: "does the work at once, answers this many ms later (at most 60 000)",
  fail_next: "answers 503 to this many purchase orders and accepts none of them",
  lost_reply_next: "accepts this many purchase orders, but its answers break off half-way",
  accept_late_ms: "answers 504 at once, accepts this many ms later",
  rate_limited_s: "answers 429 with this Retry-After, in seconds",
  refuse: "refuses new purchase orders (422)",
  double_accept: "takes a repeated key for a new purchase order",
  refuse_to_cancel: "refuses to cancel (409)",
  cancel_at_once: "accepts, and cancels at once: answers with a cancelled order",
  wrong_order: "accepts, but answers with another order's number",
  wrong_lookup: "answers look-ups with somebody else's order",
  wrong_reference: "accepts and looks up with a reference that leads to another path",
  wrong_price: "confirms every price a tenth higher",
  negative_price: "confirms prices below zero",
  wrong_total: "confirms a total that its lines don't give",
  wrong_quantity: "confirms one more of everything",
  wrong_currency: "confirms in another currency",
  html: "answers with an HTML page",
  no_content: "does the work, answers 204 without a body",
  too_big: "does the work, answers with 10 MB",
  redirect: "answers with a redirect to another host",
  never: "takes the call, does nothing, never answers",
  down: "answers 503 to everything",
};

/** Switches from the page's form: a flag is on when its box is sent, an empty number is 0. */
export function switchesFromForm(form: ReadonlyMap<string, string>): z.ZodSafeParseResult<Switches> {
  const values: Record<string, unknown> = Object.fromEntries(form);
  for (const [name, initial] of Object.entries(ALL_OFF)) {
    const sent = form.get(name);
    values[name] = typeof initial === "boolean" ? sent !== undefined : Number(sent ?? 0);
  }
  return switchesSchema.safeParse(values);
}
