/** How the cases that are about an approval are written: who asks for what amount of which family, and what is wanted. */
import { jsonOf, type EvalCase, type Wanted } from "../case.ts";
import { worth, type FamilyName, type Line } from "../fleet/measured.ts";

export type More = Partial<Omit<EvalCase, "id" | "clause" | "body" | "want">>;

/** What is asked for: "100.01" of the plain family, of another one, or lines spelled out. */
export type Of = string | readonly [amount: string, family: FamilyName] | readonly Line[];

export function linesOf(of: Of): readonly Line[] {
  if (typeof of === "string") return worth(of);
  const [first, second] = of;
  return typeof first === "string" ? worth(first, second as FamilyName) : (of as readonly Line[]);
}

/** `id` begins with its clause: "A2-above" follows from A2. Without more it is asked in the north, of everyone usual. */
export function ask(id: string, who: string, of: Of, want: Wanted, more: More = {}): EvalCase {
  const region = (["south", "east", "west"] as const).find((name) => who.includes(name)) ?? "north";
  return {
    id,
    kind: "policy",
    clause: id.split("-", 1)[0] ?? "",
    form: "json",
    body: jsonOf(linesOf(of)),
    who,
    region,
    roster: "standard",
    ...more,
    want,
  };
}

/** Several families in one request. */
export function mixed(...parts: readonly (readonly [amount: string, family: FamilyName])[]): readonly Line[] {
  return parts.flatMap(([amount, family]) => worth(amount, family));
}
