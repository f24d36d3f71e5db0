/**
 * importFile: a CSV file of one kind becomes one batch, or nothing. Wrong cells and unknown references are reported by
 * line; the same file (by its SHA-256) is imported once, and a second upload gets the first one's answer.
 */
import { findImportAnswer, insertImportAnswer } from "../db/queries/imports.ts";
import { AppError, refuse, type Refusal } from "../domain/errors.ts";
import { collected, decodeImport, mergeProblems, readImport, type RowProblems } from "../domain/import-file.ts";
import type { ImportKind } from "../domain/import-rows.ts";
import type { Actor, Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { cacheDrops } from "./import-events.ts";
import { planRows, type ImportPlan } from "./import-plans.ts";

export interface ImportDeps extends Pick<ServiceDeps, "db" | "commit" | "clock" | "newId" | "sha256"> {
  readonly environment: "production" | "development";
}

export interface ImportFile {
  readonly kind: ImportKind;
  /** The file as it came. */
  readonly body: Uint8Array;
  /** Validates fully, writes nothing. */
  readonly dryRun: boolean;
  readonly actor: Actor;
  readonly trace: Trace;
}

/** `rows = created + updated + unchanged`. */
export interface ImportAnswer {
  readonly kind: ImportKind;
  readonly rows: number;
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
  readonly dry_run: boolean;
  /** SHA-256 of the file, hex: under it the file is imported once. */
  readonly file_hash: string;
}

type Imported = { readonly ok: true; readonly replayed: boolean; readonly answer: ImportAnswer };

const ATTEMPTS = 3;

/**
 * Imports a file. VALIDATION with `problems` by line when anything in it is wrong; INSUFFICIENT_STOCK when it would
 * take away what is reserved; CONFLICT when others kept changing the same rows.
 */
export async function importFile(deps: ImportDeps, file: ImportFile): Promise<Imported | Refusal> {
  const decoded = decodeImport(file.body);
  if (!decoded.ok) return invalid(collected([decoded.problem]));
  const hash = await deps.sha256(decoded.text);
  const stored = await findImportAnswer(deps.db, scopeOf(file.kind), hash);
  if (stored !== null) return replayed(stored, file.dryRun);
  const read = readImport(file.kind, decoded.text);
  if (!read.ok) return invalid(read.problems);

  let refusal: Refusal = refuse(
    "CONFLICT",
    "others changed the same rows at the same time: send the file again under a new key",
  );
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const plan = await planRows(deps, file.kind, read.rows, subjectOf(hash));
    const problems = mergeProblems(read.problems, plan.problems);
    if (problems.total > 0) return invalid(problems);
    if (plan.refusal) return plan.refusal;
    const answer = answerOf(file, read.count, plan, hash);
    if (file.dryRun) return { ok: true, replayed: false, answer };
    const imported: Imported = { ok: true, replayed: false, answer };
    const committed = await commitPlan(deps, file, plan, imported);
    if (committed.ok) return imported;
    if (committed.code === "DUPLICATE")
      return replayed(await findImportAnswer(deps.db, scopeOf(file.kind), hash), false);
    // Someone was faster: look again at what is there now, and name the row if it is short.
    if (committed.code !== "CONFLICT" && committed.code !== "INSUFFICIENT_STOCK") {
      return refuse(committed.code, "the file was not imported");
    }
    refusal = refuse(committed.code, refusal.reason);
  }
  return refusal;
}

function invalid({ total, listed }: RowProblems): Refusal {
  const rest = total > listed.length ? `, the first ${listed.length} are listed` : "";
  const things = total === 1 ? "1 thing is wrong" : `${total} things are wrong`;
  return refuse("VALIDATION", `${things} with the file${rest}; nothing was written`, { problems: listed });
}

function answerOf(file: ImportFile, rows: number, plan: ImportPlan, hash: string): ImportAnswer {
  const { created, updated } = plan;
  const unchanged = rows - created - updated;
  return { kind: file.kind, rows, created, updated, unchanged, dry_run: file.dryRun, file_hash: hash };
}

function replayed(stored: string | null, dryRun: boolean): Imported {
  if (stored === null) throw new AppError("INTERNAL", "an import has no stored answer");
  const answer = JSON.parse(stored) as ImportAnswer;
  return { ok: true, replayed: true, answer: { ...answer, dry_run: dryRun } };
}

const scopeOf = (kind: ImportKind) => `import:${kind}`;
const subjectOf = (hash: string) => `import/${hash.slice(0, 16)}`;

function commitPlan(deps: ImportDeps, file: ImportFile, plan: ImportPlan, imported: Imported) {
  const { kind, rows, created, updated, file_hash: hash } = imported.answer;
  const nowMs = deps.clock.now();
  const subject = subjectOf(hash);
  return deps.commit({
    trace: file.trace,
    answers: imported,
    writes: [
      insertImportAnswer(scopeOf(kind), { hash, answer: JSON.stringify(imported.answer), at: isoNow(deps) }),
      ...plan.writes,
    ],
    audit: [
      {
        actor: file.actor,
        action: "import.completed",
        subject,
        after: { kind, rows, created, updated, file_hash: hash },
      },
    ],
    events: [
      ...plan.announcements.events,
      ...cacheDrops(plan.announcements, nowMs),
      {
        type: "ImportCompleted",
        subject,
        region: null,
        sequence: 1,
        data: { kind, rows, timestamp: new Date(nowMs).toISOString() },
      },
    ],
  });
}
