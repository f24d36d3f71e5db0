/**
 * What a device saw while it was offline, judged by the books. A scan that contradicts them is never thrown away: its
 * command ends rejected, and in the same batch the scan is kept for a person to resolve.
 */
import { DEVICE_OWN_CHANGES } from "../config.ts";
import type { CommandRow } from "../db/queries/commands.ts";
import { countOwnChanges, findBooks } from "../db/queries/discrepancies.ts";
import { contradictionOf, expectedBy, type Books, type DiscrepancyKind, type Scan } from "../domain/discrepancy.ts";
import { refuse, type ErrorCode, type Refusal } from "../domain/errors.ts";
import { contextOf } from "./command-context.ts";
import { commandSchema, kindOf } from "./commands/kinds.ts";
import type { ServiceDeps } from "./deps.ts";

/** A scan to be kept, and the books that it was judged by. */
export interface KeptScan {
  readonly kind: DiscrepancyKind;
  readonly scan: Scan;
  readonly books: Books;
}

/** The scan of a numbered command; null when it isn't numbered, or says nothing of a bin. */
export async function scanOf(deps: ServiceDeps, row: CommandRow): Promise<Scan | null> {
  if (row.deviceSequence === null) return null;
  const parsed = commandSchema.safeParse({ type: row.type, data: JSON.parse(row.data) as unknown });
  if (!parsed.success) return null;
  return (await kindOf(parsed.data.type).scan?.(deps, contextOf(deps, row), parsed.data.data)) ?? null;
}

/** Why the books refuse the scan as they are now, or null: nothing speaks against it. */
export async function contradictionNow(
  deps: ServiceDeps,
  row: CommandRow,
  scan: Scan,
): Promise<{ readonly refusal: Refusal; readonly kept: KeptScan } | null> {
  const books = await findBooks(deps.db, scan);
  const kind = contradictionOf(scan, books, await othersChanges(deps, row, scan, books));
  if (!kind) return null;
  const figures = { expected: expectedBy(scan, books), found: scan.quantity };
  return { kept: { kind, scan, books }, refusal: refusalOf(kind, scan, figures) };
}

/** Keeps a scan that its own kind of command refuses by what is there now. */
export async function refusedScan(
  deps: ServiceDeps,
  scan: Scan | null,
  code: ErrorCode,
): Promise<KeptScan | undefined> {
  if (!scan || (code !== "CONFLICT" && code !== "INSUFFICIENT_STOCK")) return undefined;
  const short = scan.says === "taken" ? "shortage" : "count";
  return { kind: code === "CONFLICT" ? "stale" : short, scan, books: await findBooks(deps.db, scan) };
}

/** Keeps a scan that nobody approved. */
export async function unapprovedScan(deps: ServiceDeps, scan: Scan | null): Promise<KeptScan | undefined> {
  return scan ? { kind: "not_approved", scan, books: await findBooks(deps.db, scan) } : undefined;
}

/**
 * How often others changed the level after the device saw it. The device's own commands of the same trip raise the version
 * too, and it knows of them.
 */
async function othersChanges(deps: ServiceDeps, row: CommandRow, scan: Scan, books: Books): Promise<number> {
  const { seenVersion, deviceSequence, sender } = row;
  if (scan.says !== "counted" || seenVersion === null || deviceSequence === null) return 0;
  if (books.version <= seenVersion) return 0;
  const { sku, location } = scan;
  const q = { sender, before: deviceSequence, within: DEVICE_OWN_CHANGES, sku, location, version: seenVersion };
  return books.version - seenVersion - (await countOwnChanges(deps.db, q));
}

function refusalOf(
  kind: "shortage" | "count" | "stale",
  scan: Scan,
  figures: { expected: number; found: number },
): Refusal {
  const { sku, bin, quantity } = scan;
  const { expected } = figures;
  switch (kind) {
    case "shortage": {
      const reason = `${bin} has fewer than ${quantity} of ${sku} that aren't reserved: ${expected}`;
      return refuse("INSUFFICIENT_STOCK", reason, { facts: figures });
    }
    case "count": {
      const reason = `with ${quantity} of ${sku} in ${bin} there would be less than is reserved`;
      return refuse("INSUFFICIENT_STOCK", reason, { facts: figures });
    }
    case "stale": {
      const reason = `${quantity} of ${sku} were counted in ${bin}; others have changed the stock since, and the books say ${expected}`;
      return refuse("CONFLICT", reason, { facts: figures });
    }
  }
}
