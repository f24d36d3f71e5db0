/**
 * Which bytes of a large document are sent next. Every fragment but the last has a multiple of 320 KiB, and together they
 * are the document: each byte once. Source: Microsoft's page on driveItem createUploadSession.
 */
import { SHAREPOINT_FRAGMENT_BYTES } from "../config.ts";

export interface Fragment {
  readonly from: number;
  /** The first byte after it. */
  readonly to: number;
}

/** What follows from byte `from` (0 ≤ from < total). */
export function nextFragment(from: number, total: number): Fragment {
  return { from, to: Math.min(from + SHAREPOINT_FRAGMENT_BYTES, total) };
}

/** `Content-Range` of RFC 9110: the last byte is named, not the one after it. */
export function contentRange({ from, to }: Fragment, total: number): string {
  return `bytes ${from}-${to - 1}/${total}`;
}

/**
 * The first byte that is missing at the other side, from `nextExpectedRanges` ("12345-" or "12345-55232", in any order). null:
 * they say nothing that can be, of a document of which `sent` bytes have left.
 */
export function firstMissing(ranges: readonly string[], sent: number): number | null {
  const starts = ranges.map((range) => /^(\d{1,15})-(?:\d{1,15})?$/.exec(range)?.[1]);
  if (starts.length === 0 || starts.includes(undefined)) return null;
  const first = Math.min(...starts.map(Number));
  return first <= sent ? first : null;
}
