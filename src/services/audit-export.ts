/**
 * The trail as lines that can be checked without Waybill: each seal follows the rows that it covers. An export begins and
 * ends at whole seals, so it holds at least what was asked for; its last line says that nothing of it is missing.
 */
import { AUDIT_CLOCK_SLACK_MS, AUDIT_EXPORT_SEALS, AUDIT_EXPORT_TAIL_ROWS } from "../config.ts";
import { findLastSeal, findSealSince, listAuditRows, listSealsAfter } from "../db/queries/audit-seals.ts";
import type { AuditRow, Seal } from "../domain/audit-seal.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface ExportDeps extends Pick<ServiceDeps, "db" | "clock"> {
  readonly keys: { readonly publicKeys: () => Promise<readonly object[]> };
}

/** Seqs, both inclusive; or times (ISO 8601), `to` exclusive. Nothing given: everything. */
export interface ExportRange {
  readonly from_seq?: number | undefined;
  readonly to_seq?: number | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** The lines, a chunk a seal. Ends after 100 seals; the last line says from which seq the next export goes on. */
export async function* exportAudit(deps: ExportDeps, range: ExportRange): AsyncGenerator<string> {
  yield line({ type: "export", format: "waybill-audit/1", made_at: isoNow(deps), keys: await deps.keys.publicKeys() });
  const start = await startOf(deps, range);
  const seals = await listSealsAfter(deps.db, start, AUDIT_EXPORT_SEALS + 1);
  const count = { rows: 0, seals: 0, unsealed_rows: 0 };
  let last = start;
  for (const seal of seals) {
    if (count.seals === AUDIT_EXPORT_SEALS) {
      return yield line({ type: "end", ...count, next_from_seq: seal.from_seq });
    }
    const rows = await listAuditRows(deps.db, seal.from_seq, seal.to_seq);
    if (isBeyond(seal, rows, range)) return yield line({ type: "end", ...count, next_from_seq: null });
    yield rowLines(rows) + line({ type: "seal", ...seal });
    count.rows += rows.length;
    count.seals++;
    last = seal.to_seq;
  }
  const tail = await listAuditRows(
    deps.db,
    last + 1,
    range.to_seq ?? Number.MAX_SAFE_INTEGER,
    AUDIT_EXPORT_TAIL_ROWS + 1,
  );
  const rows = tail.slice(0, AUDIT_EXPORT_TAIL_ROWS).filter(({ at }) => range.to === undefined || at < range.to);
  yield rowLines(rows);
  count.rows += rows.length;
  count.unsealed_rows = rows.length;
  yield line({ type: "end", ...count, next_from_seq: tail[AUDIT_EXPORT_TAIL_ROWS]?.seq ?? null });
}

/** The seq after which the export begins: where a seal does, if one covers what is asked for. */
async function startOf(deps: ExportDeps, range: ExportRange): Promise<number> {
  if (range.from_seq !== undefined) {
    const [seal] = await listSealsAfter(deps.db, range.from_seq - 1, 1);
    return Math.min(range.from_seq, seal?.from_seq ?? range.from_seq) - 1;
  }
  if (range.from === undefined) return -Number.MAX_SAFE_INTEGER;
  const seal = await findSealSince(deps.db, shifted(range.from, -AUDIT_CLOCK_SLACK_MS));
  if (seal) return seal.from_seq - 1;
  return (await findLastSeal(deps.db))?.to_seq ?? -Number.MAX_SAFE_INTEGER;
}

/** True when the range ends before the seal: in seq, or in time, with slack for clocks that differ. */
function isBeyond(seal: Seal, rows: readonly AuditRow[], { to_seq: toSeq, to }: ExportRange): boolean {
  if (toSeq !== undefined && seal.from_seq > toSeq) return true;
  if (to === undefined || rows.length === 0) return false;
  const end = shifted(to, AUDIT_CLOCK_SLACK_MS);
  return rows.every(({ at }) => at >= end);
}

function shifted(iso: string, ms: number): string {
  return new Date(Date.parse(iso) + ms).toISOString();
}

function rowLines(rows: readonly AuditRow[]): string {
  return rows.map((row) => line({ type: "row", ...row })).join("");
}

function line(value: object): string {
  return `${JSON.stringify(value)}\n`;
}
