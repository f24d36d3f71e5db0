/**
 * Seals the trail: hashes the oldest unsealed rows in seq order into the next seal of one chain, signs it, and copies it
 * out of the database. No seal is made before the one before has its copy, so a crash costs one copy, which the next run
 * makes; and of two runs at once only one finds the head it asserts.
 */
import { AUDIT_SEAL_AFTER_MS, AUDIT_SEAL_MAX_CHARS, AUDIT_SEAL_ROWS, AUDIT_SEALS_PER_RUN } from "../config.ts";
import { findLastSeal, insertSeal, listAuditRows, listUnsealed } from "../db/queries/audit-seals.ts";
import {
  NO_SEAL_BEFORE,
  rowText,
  sealText,
  signedText,
  type AuditRow,
  type RowDigest,
  type Seal,
  type SealCopy,
} from "../domain/audit-seal.ts";
import { AppError, messageOf } from "../domain/errors.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface SealingDeps extends Pick<ServiceDeps, "db" | "commit" | "newTrace" | "clock" | "sha256"> {
  readonly keys: {
    readonly keyId: () => Promise<string>;
    readonly sign: (text: string) => Promise<string>;
  };
  readonly copies: {
    readonly has: (toSeq: number) => Promise<boolean>;
    readonly put: (copy: SealCopy) => Promise<void>;
  };
}

/** Makes what seals are due, at most 20 a run. Throws a retryable DEPENDENCY_FAILED while a copy can't be kept. */
export async function sealAudit(deps: SealingDeps): Promise<void> {
  for (let made = 0; made < AUDIT_SEALS_PER_RUN; made++) {
    const head = await findLastSeal(deps.db);
    if (head) await keepCopy(deps, head);
    const rows = await listUnsealed(deps.db, AUDIT_SEAL_ROWS, AUDIT_SEAL_MAX_CHARS);
    if (!isDue(rows, deps.clock.now())) return;
    const seal = await sealOf(deps, rows, head);
    const committed = await deps.commit({ trace: deps.newTrace(), writes: [insertSeal(seal, head)] });
    if (!committed.ok) return; // another sealer was faster: what is left is due at the next run
  }
}

function isDue(rows: readonly AuditRow[], nowMs: number): boolean {
  const old = new Date(nowMs - AUDIT_SEAL_AFTER_MS).toISOString();
  return rows.length >= AUDIT_SEAL_ROWS || rows.some(({ at }) => at <= old);
}

async function sealOf(deps: SealingDeps, rows: readonly AuditRow[], head: Seal | null): Promise<Seal> {
  const first = rows[0]?.seq ?? 0;
  const last = rows.at(-1)?.seq ?? first;
  const prev = head?.hash ?? NO_SEAL_BEFORE;
  const unsigned = {
    // Ranges leave no seq out: a row that was gone before it was sealed shows by the count.
    from_seq: head ? head.to_seq + 1 : Math.min(first, 1),
    to_seq: last,
    row_count: rows.length,
    prev,
    hash: await deps.sha256(sealText(prev, await digestsOf(deps, rows))),
    sealed_at: isoNow(deps),
    key_id: await deps.keys.keyId(),
  };
  return { ...unsigned, signature: await deps.keys.sign(signedText(unsigned)) };
}

export function digestsOf(deps: Pick<ServiceDeps, "sha256">, rows: readonly AuditRow[]): Promise<RowDigest[]> {
  return Promise.all(rows.map(async (row) => ({ seq: row.seq, digest: await deps.sha256(rowText(row)) })));
}

async function keepCopy(deps: SealingDeps, seal: Seal): Promise<void> {
  try {
    if (await deps.copies.has(seal.to_seq)) return;
    const digests = await digestsOf(deps, await listAuditRows(deps.db, seal.from_seq, seal.to_seq));
    await deps.copies.put({ seal, digests });
  } catch (cause) {
    throw new AppError("DEPENDENCY_FAILED", `the copy of seal ${seal.to_seq} wasn't kept: ${messageOf(cause)}`, {
      retryable: true,
      cause,
    });
  }
}
