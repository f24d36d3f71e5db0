/**
 * What a case of the evaluation is: a request as its sender writes it, the facts around it, and what the policy page
 * (`design/approval-policy.md`) wants of it. Labels are written from the clauses and the fleet's data, by hand.
 */
import type { Line } from "./fleet/measured.ts";
import type { Roster } from "./fleet/people.ts";

export const KINDS = ["policy", "grey", "adversarial"] as const;
export type Kind = (typeof KINDS)[number];
export const LEVEL_NAMES = ["auto", "one", "two", "two_finance", "reject"] as const;
export type LevelName = (typeof LEVEL_NAMES)[number];

/** What was spent in the window before this request; the request's own share is added to it. Amounts as "950.00". */
export interface Before {
  readonly by: "requester" | "sku" | "supplier";
  /** The SKU or supplier; the requester's is who asks. */
  readonly key?: string;
  readonly window: "24h" | "30d";
  /** What nobody but the requester approved. */
  readonly unapproved: string;
  /** Everything; absent: no more than `unapproved`. */
  readonly all?: string;
}

export interface OffRoad {
  readonly vehicle: string;
  /** Such requests of the requester within 30 days before this one. */
  readonly count?: number;
  readonly total?: string;
  readonly barred?: "objected" | "overdue";
}

/** A line of the wanted reading: a part and how many in its stock unit, or back to the requester. */
export type WantedLine = Line | { readonly back: true | readonly string[] } | { readonly oneOf: readonly WantedLine[] };

export interface Wanted {
  /** Several where the policy leaves it open: none of them may be undercut. */
  readonly level?: LevelName | readonly LevelName[];
  /** `back`: something goes back to the requester, so that nothing is decided. `refused`: the file isn't read. */
  readonly outcome?: "auto" | "steps" | "reject" | "needs_attention" | "back" | "refused";
  /** Managers in the order in which they are asked. */
  readonly approvers?: readonly string[];
  /** How many distinct managers at least, where the clauses don't say who. */
  readonly managers?: number;
  /** null: finance isn't asked. */
  readonly finance?: { readonly who: string; readonly withFirst?: true } | null;
  /** Clauses that must be among the reasons, and clauses that must not. */
  readonly asks?: readonly string[];
  readonly silent?: readonly string[];
  /** The way of a vehicle off the road was taken, or wasn't. */
  readonly offRoad?: boolean;
  /** In the order of the file. */
  readonly lines?: readonly WantedLine[];
  /** By SKU: the place or the supplier that most of it comes from. */
  readonly sources?: Readonly<Record<string, string>>;
}

export interface EvalCase {
  readonly id: string;
  readonly kind: Kind;
  readonly clause: string;
  readonly form: "json" | "csv" | "text";
  /** The file, byte for byte as text. */
  readonly body: string;
  /** What the sender wrote beside a CSV or text file. */
  readonly note?: string;
  readonly who: string;
  readonly region: "north" | "south" | "east" | "west";
  readonly roster: Roster;
  readonly before?: readonly Before[];
  readonly offRoad?: OffRoad;
  /** `chain`: only the approval is asked about, not whether the role may send requests. */
  readonly via?: "chain";
  /** An adversarial case without its hostile words: what it must not be weaker than. */
  readonly honest?: { readonly body: string; readonly note?: string };
  readonly want: Wanted;
  /** For a reader who wonders about the label. */
  readonly why?: string;
}

/** A request for parts in JSON, as a device sends it. */
export function jsonOf(lines: readonly Line[], more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ ...more, lines: lines.map(({ sku, quantity }) => ({ sku, quantity })) });
}
