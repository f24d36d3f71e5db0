/** Pure arithmetic of what arrives: pieces are received or rejected, never more of them than are open. */
import { z } from "zod";

export interface OpenLine {
  readonly quantity: number;
  readonly received: number;
  readonly rejected: number;
  /** Given up when a purchase order was closed short. */
  readonly closed?: number;
}

/** What is still to come; 0 when more came than was ordered. */
export function openOf({ quantity, received, rejected, closed = 0 }: OpenLine): number {
  return Math.max(0, quantity - received - rejected - closed);
}

const closedShortSchema = z.object({ at: z.string(), by: z.string(), reason: z.string() });
export type ClosedShort = z.output<typeof closedShortSchema>;

/** Who gave the rest of a purchase order up, when and why; null: nobody did. `text`: as the row keeps it. */
export function readClosedShort(text: string | null): ClosedShort | null {
  return text === null ? null : closedShortSchema.parse(JSON.parse(text));
}

export function closedShortInWords(id: string, { at, by, reason }: ClosedShort): string {
  return `${id} was closed short on ${at.slice(0, 10)} by ${by} (${reason}) and can't be opened again: what comes now is a new purchase`;
}

export interface Part<Line> {
  readonly line: Line;
  readonly received: number;
  readonly rejected: number;
}

/**
 * Spreads what came of one part over the lines that it was shipped in (one a bin), in their order: first what is
 * received, then what is rejected. Null when fewer are open.
 */
export function spread<Line extends OpenLine>(
  lines: readonly Line[],
  came: { readonly received: number; readonly rejected: number },
): Part<Line>[] | null {
  let { received, rejected } = came;
  const parts: Part<Line>[] = [];
  for (const line of lines) {
    const open = openOf(line);
    const part = { line, received: Math.min(open, received), rejected: 0 };
    part.rejected = Math.min(open - part.received, rejected);
    received -= part.received;
    rejected -= part.rejected;
    if (part.received + part.rejected > 0) parts.push(part);
  }
  return received === 0 && rejected === 0 ? parts : null;
}
