/** Pure arithmetic of what arrives: pieces are received or rejected, never more of them than are open. */

export interface OpenLine {
  readonly quantity: number;
  readonly received: number;
  readonly rejected: number;
}

/** What is still to come; 0 when more came than was ordered. */
export function openOf({ quantity, received, rejected }: OpenLine): number {
  return Math.max(0, quantity - received - rejected);
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
