/**
 * What is wrong with the sealed rows: compares a range of the trail with what was sealed of it. With the digests of the
 * seal's copy each row is named; without them only the range is known.
 */
import type { RowDigest, Seal } from "./audit-seal.ts";

export const FINDING_KINDS = [
  "edited",
  "swapped",
  "inserted",
  "deleted",
  "cut",
  "gone_before_seal",
  "seal_edited",
  "seal_deleted",
  "seal_cut",
  "chain_broken",
  "unknown_key",
  "copy_missing",
  "copy_edited",
] as const;

export interface Finding {
  readonly kind: (typeof FINDING_KINDS)[number];
  /** The rows concerned; of a seal, its range. */
  readonly from_seq: number;
  readonly to_seq: number;
  readonly detail: string;
}

export interface RangeCheck {
  readonly seal: Seal;
  /** The hash of the rows as they are now. */
  readonly hash: string;
  /** The rows as they are now, from `seal.from_seq` to `seal.to_seq`. */
  readonly found: readonly RowDigest[];
  /** The rows as they were sealed, or null when no trustworthy copy tells. */
  readonly sealed: readonly RowDigest[] | null;
  /** The highest seq of the whole trail: what is missing above it was cut off. */
  readonly highest: number;
}

/** Every difference between the rows and their seal, in order of seq. */
export function findingsOfRange(check: RangeCheck): Finding[] {
  const { seal, hash, found, sealed, highest } = check;
  if (hash === seal.hash) return goneBefore(seal);
  if (sealed === null) return roughly(check);
  const now = new Map(found.map(({ seq, digest }) => [seq, digest]));
  const then = new Map(sealed.map(({ seq, digest }) => [seq, digest]));
  const missing = sealed.filter(({ seq }) => !now.has(seq)).map(({ seq }) => seq);
  const extra = found.filter(({ seq }) => !then.has(seq)).map(({ seq }) => seq);
  const changed = found.filter(({ seq, digest }) => then.has(seq) && then.get(seq) !== digest);
  // What was sealed at a row's place may stand at another's now: then the row wasn't edited but displaced.
  const moved = new Set(changed.map(({ digest }) => digest));
  const wanted = new Set(changed.map(({ seq }) => then.get(seq)));
  const displaced = changed.filter(({ seq }) => moved.has(then.get(seq) ?? ""));
  const edited = changed.filter((row) => !displaced.includes(row));
  const intruding = displaced.filter(({ digest }) => !wanted.has(digest));
  const swapped = displaced.filter(({ digest }) => wanted.has(digest));
  return [
    ...ranges(edited.map(({ seq }) => seq)).map((r) => finding("edited", r, "isn't what was sealed")),
    ...(swapped.length === 0
      ? []
      : [finding("swapped", [first(swapped), last(swapped)], `stand at one another's places: ${listed(swapped)}`)]),
    ...ranges([...extra, ...intruding.map(({ seq }) => seq)].toSorted((a, b) => a - b)).map((r) =>
      finding("inserted", r, "wasn't there when its range was sealed"),
    ),
    ...absent(missing, highest),
  ].toSorted((a, b) => a.from_seq - b.from_seq);
}

/** The seal fits, and itself says that rows of its range weren't there. */
function goneBefore(seal: Seal): Finding[] {
  const short = seal.to_seq - seal.from_seq + 1 - seal.row_count;
  if (short <= 0) return [];
  return [finding("gone_before_seal", [seal.from_seq, seal.to_seq], `${short} rows were gone when this was sealed`)];
}

/** Seqs are given without a gap, so missing rows can be named even where the copy can't tell. */
function roughly({ seal, found, highest }: RangeCheck): Finding[] {
  const range = [seal.from_seq, seal.to_seq] as const;
  if (found.length < seal.row_count) {
    const there = new Set(found.map(({ seq }) => seq));
    const all = Array.from({ length: seal.to_seq - seal.from_seq + 1 }, (_, at) => seal.from_seq + at);
    return absent(
      all.filter((seq) => !there.has(seq)),
      highest,
    );
  }
  if (found.length > seal.row_count) return [finding("inserted", range, "holds more rows than were sealed")];
  return [finding("edited", range, "some row isn't what was sealed; no copy says which")];
}

function absent(missing: readonly number[], highest: number): Finding[] {
  const cut = missing.filter((seq) => seq > highest);
  const deleted = missing.filter((seq) => seq <= highest);
  return [
    ...ranges(deleted).map((r) => finding("deleted", r, "was sealed and is gone")),
    ...ranges(cut).map((r) => finding("cut", r, "was sealed and is cut off the end of the trail")),
  ];
}

export function finding(kind: Finding["kind"], [from, to]: readonly [number, number], detail: string): Finding {
  return { kind, from_seq: from, to_seq: to, detail };
}

/** Ascending numbers as ranges of neighbours. */
function ranges(seqs: readonly number[]): (readonly [number, number])[] {
  const found: [number, number][] = [];
  for (const seq of seqs) {
    const open = found.at(-1);
    if (open && open[1] === seq - 1) open[1] = seq;
    else found.push([seq, seq]);
  }
  return found;
}

function first(rows: readonly RowDigest[]): number {
  return rows[0]?.seq ?? 0;
}

function last(rows: readonly RowDigest[]): number {
  return rows.at(-1)?.seq ?? 0;
}

function listed(rows: readonly RowDigest[]): string {
  return rows.map(({ seq }) => seq).join(", ");
}
