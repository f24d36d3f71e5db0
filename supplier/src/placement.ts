/**
 * What the supplier does with a purchase order that arrives, from its switches and from what it knows of the key.
 * A key that it knows with another body is never accepted, whatever the switches say.
 */
import type { Switches } from "./switches.ts";

export type Placement = "fail" | "mismatch" | "replay" | "refuse" | "accept_late" | "accept";

/** What the book holds under the key: an order, or one that it will accept late; `draft` is its body as JSON. */
export interface KnownKey {
  readonly state: "ordered" | "late";
  readonly draft: string;
}

export function decidePlacement(switches: Switches, known: KnownKey | null, draft: string): Placement {
  if (switches.fail_next > 0) return "fail";
  if (known && known.draft !== draft) return "mismatch";
  if (known?.state === "ordered" && !switches.double_accept) return "replay";
  if (switches.refuse) return "refuse";
  return switches.accept_late_ms > 0 ? "accept_late" : "accept";
}
