/** The faults of the stand-in for Microsoft Graph, per tenant. A set of switches is always whole: what is left out is off. */
import { z } from "zod";

const count = z.int().min(0).max(1_000).default(0);
const flag = z.boolean().default(false);

export const WRONG_RANGES = ["off", "beyond", "back", "none", "words"] as const;

export const graphSwitchesSchema = z.strictObject({
  delay_ms: z.int().min(0).max(60_000).default(0),
  fail_next: count,
  fail_status: z.int().min(400).max(599).default(503),
  retry_after_s: z.int().min(0).max(86_400).default(0),
  lost_reply_next: count,
  half_fragment_next: count,
  session_dies_next: count,
  session_fails_next: count,
  token_fail_next: count,
  token_life_s: z.int().min(1).max(86_400).default(3_599),
  wrong_ranges: z.enum(WRONG_RANGES).default("off"),
  foreign: flag,
  html: flag,
  too_big: flag,
  redirect: flag,
  down: flag,
});

export type GraphSwitches = z.output<typeof graphSwitchesSchema>;
export type GraphSwitchName = keyof GraphSwitches;

export const ALL_OFF: GraphSwitches = graphSwitchesSchema.parse({});

/** What each switch does, in the words that the page shows. Numbers: 0 is off, where nothing else is said. */
export const SWITCH_TEXT: Readonly<Record<GraphSwitchName, string>> = {
  delay_ms: "does the work at once, answers this many ms later (at most 60 000)",
  fail_next: "answers this many calls that store something with the status below, and stores nothing",
  fail_status: "the status of those: 503, 500, 429, 507 (full), 423 (locked), 403, …",
  retry_after_s: "sends this Retry-After with them, in seconds",
  lost_reply_next: "stores this many documents or fragments, but its answers break off half-way",
  half_fragment_next: "takes about half of this many fragments, and its answers break off",
  session_dies_next: "lets this many upload sessions expire after their first fragment",
  session_fails_next: "answers this many questions after a session's standing with 503",
  token_fail_next: "answers this many sign-ins with 503",
  token_life_s: "how long new tokens live, in seconds (3 599)",
  wrong_ranges: "asks for bytes that can't be missing, for the same ones again and again, for none, or in words",
  foreign: "answers about another document",
  html: "answers with an HTML page",
  too_big: "answers with more than 64 KiB",
  redirect: "answers with a redirect to another host",
  down: "answers 503 to everything but sign-ins",
};

/** Switches from the page's form: a flag is on when its box is sent, an empty number is its default. */
export function graphSwitchesFromForm(form: ReadonlyMap<string, string>): z.ZodSafeParseResult<GraphSwitches> {
  const values: Record<string, unknown> = Object.fromEntries(form);
  for (const [name, initial] of Object.entries(ALL_OFF)) {
    const sent = form.get(name);
    if (typeof initial === "boolean") values[name] = sent !== undefined;
    else if (typeof initial === "number") values[name] = sent === undefined || sent === "" ? initial : Number(sent);
  }
  return graphSwitchesSchema.safeParse(values);
}
