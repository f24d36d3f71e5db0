/**
 * What an import would do: the rows against what is in the database now. References that name nothing are reported by
 * line; the writes assert at commit that what was compared is still so.
 */
import { CATALOG_KEY } from "../cache/parts-cache.ts";
import { chunksOf, type Chunk } from "../db/queries/import-chunks.ts";
import { placeOf, planStock, type ShortPlace, type StockPlan, type StockRecord } from "../db/queries/import-stock.ts";
import {
  IMPORT_TARGETS,
  planUpserts,
  skusAt,
  STOCK_REFERENCES,
  truckLines,
  unknownLines,
  type ImportReference,
} from "../db/queries/imports.ts";
import type { StockPlace } from "../db/queries/low-stock.ts";
import type { GuardedWrite } from "../db/unit-of-work.ts";
import { refuse, type InputProblem, type Refusal } from "../domain/errors.ts";
import {
  collected,
  MAX_ANNOUNCED_CHANGES,
  MAX_BINS_PER_PLACE,
  mergeProblems,
  type ReadRow,
  type RowProblems,
} from "../domain/import-file.ts";
import type { ImportKind, ImportRow } from "../domain/import-rows.ts";
import { shown } from "../domain/request-line.ts";
import { wrongSupplierAdapter, wrongSupplierUrl } from "../domain/supplier-access.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { announceParts, announceStock, announceViews, NO_ANNOUNCEMENTS, type Announcements } from "./import-events.ts";
import { recordOf } from "./import-records.ts";
import { watchLow } from "./low-stock.ts";

export interface PlanDeps extends Pick<ServiceDeps, "db" | "clock" | "newId"> {
  readonly environment: "production" | "development";
}

export interface ImportPlan {
  /** With any, there is nothing else in the plan. */
  readonly problems: RowProblems;
  readonly refusal?: Refusal;
  readonly created: number;
  readonly updated: number;
  readonly writes: readonly GuardedWrite[];
  readonly announcements: Announcements;
}

const NOTHING = { created: 0, updated: 0, writes: [], announcements: NO_ANNOUNCEMENTS } as const;

/** `source` names the import in the movements: `import/{hash}`. */
export function planRows(
  deps: PlanDeps,
  kind: ImportKind,
  rows: readonly ReadRow<ImportKind>[],
  source: string,
): Promise<ImportPlan> {
  if (kind === "stock") return planStockRows(deps, rows, source);
  return planTableRows(deps, kind, rows as readonly ReadRow<typeof kind>[]);
}

async function planTableRows<K extends Exclude<ImportKind, "stock">>(
  deps: PlanDeps,
  kind: K,
  rows: readonly ReadRow<K>[],
): Promise<ImportPlan> {
  const { db } = deps;
  const target = IMPORT_TARGETS[kind];
  const records = rows.map((row) => recordOf(kind, row, deps));
  const chunks = chunksOf(records);
  const trucks = kind === "warehouses" ? await truckLines(db, chunks) : [];
  const problems = mergeProblems(
    await unknownReferences(deps, rows, chunks, target.references),
    lineProblems(rows, trucks, "warehouse_id", (value) => `${value} is a truck`),
    ...(kind === "supplier_addresses" ? wrongAddresses(deps, rows) : []),
  );
  if (problems.total > 0) return { problems, ...NOTHING };
  const { created, updated, writes } = await planUpserts(db, target, chunks);
  const namesOf = (field: string, lines: ReadonlySet<number>) =>
    records.filter((record) => lines.has(record.at)).map((record) => String(record[field]));
  let announcements = NO_ANNOUNCEMENTS;
  if (kind === "parts") {
    const refusal = tooManyChanges(updated.size, "parts that exist");
    if (refusal) return { problems, ...NOTHING, refusal };
    announcements = announceParts(namesOf("sku", updated), created.size, isoNow(deps));
  } else if (kind === "supplier_parts" && created.size + updated.size > 0) {
    announcements = announceViews([...namesOf("sku", created), ...namesOf("sku", updated)], [CATALOG_KEY]);
  } else if (kind === "warehouses" && updated.size > 0) {
    announcements = announceViews(await skusAt(db, namesOf("id", updated)));
  }
  return { problems, created: created.size, updated: updated.size, writes, announcements };
}

async function planStockRows(deps: PlanDeps, rows: readonly ReadRow<"stock">[], source: string): Promise<ImportPlan> {
  const records: StockRecord[] = rows.map(({ at, row }) => ({
    at,
    sku: row.sku,
    location: row.warehouse_id,
    bin: row.bin,
    quantity: row.quantity,
    movement_id: deps.newId("movement"),
  }));
  const perPlace = Map.groupBy(records, placeOf);
  const crowded = [...perPlace.values()].flatMap((bins) => bins.slice(MAX_BINS_PER_PLACE).map((record) => record.at));
  if (crowded.length > 0) {
    const detail = () => `a file may name ${MAX_BINS_PER_PLACE} bins of one part in one warehouse`;
    return { problems: lineProblems(rows, crowded, "bin", detail), ...NOTHING };
  }
  const chunks = chunksOf([...perPlace.values()].flat(), placeOf);
  const problems = await unknownReferences(deps, rows, chunks, STOCK_REFERENCES);
  if (problems.total > 0) return { problems, ...NOTHING };
  const plan = await planStock(deps.db, chunks, { source, at: isoNow(deps) });
  if (plan.short.length > 0) return { problems, ...NOTHING, refusal: shortage(plan.short, rows) };
  const told = announceStock(plan, records, source, isoNow(deps));
  const low = watchLow(deps, knownPlaces(plan, records));
  const announcements = { ...told, events: [...told.events, ...low.events] };
  const refusal = tooManyChanges(told.events.length, "rows of stock that exists");
  if (refusal) return { problems, ...NOTHING, refusal };
  return {
    problems,
    created: plan.created.size,
    updated: plan.updated.size,
    writes: [...plan.writes, ...low.writes],
    announcements,
  };
}

/** Changed places that had a level: a new one has no minimum yet. */
function knownPlaces(plan: StockPlan, records: readonly StockRecord[]): StockPlace[] {
  return records.flatMap((record) => {
    const difference = plan.differences.get(record.at);
    return difference?.is_known === 1 ? [{ ...record, region: difference.region }] : [];
  });
}

async function unknownReferences(
  deps: PlanDeps,
  rows: readonly ReadRow<ImportKind>[],
  chunks: readonly Chunk[],
  references: readonly ImportReference[],
): Promise<RowProblems> {
  const found: RowProblems[] = [];
  for (const reference of references) {
    const lines = await unknownLines(deps.db, chunks, reference);
    found.push(lineProblems(rows, lines, reference.column, (value) => `no ${reference.noun} ${value}`));
  }
  return mergeProblems(...found);
}

function lineProblems(
  rows: readonly ReadRow<ImportKind>[],
  lines: readonly number[],
  column: string,
  detail: (value: string) => string,
): RowProblems {
  if (lines.length === 0) return collected([]);
  const wrong = new Set(lines);
  const problems = rows
    .filter(({ at }) => wrong.has(at))
    .map(({ at, row }): InputProblem => {
      const value = shown(String((row as Readonly<Record<string, string | number | boolean | null>>)[column] ?? ""));
      return { line: at, column, value, detail: detail(value) };
    });
  return collected(problems);
}

/** Of a file of suppliers' addresses: what this deployment would never call isn't kept either. */
function wrongAddresses({ environment }: PlanDeps, rows: readonly ReadRow<ImportKind>[]): RowProblems[] {
  const problems = rows.flatMap(({ at, row }) => {
    const { adapter, url } = row as ImportRow<"supplier_addresses">;
    const wrong = { adapter: wrongSupplierAdapter(adapter, environment), url: wrongSupplierUrl(url, environment) };
    return (["adapter", "url"] as const).flatMap((column): InputProblem[] => {
      const detail = wrong[column];
      return detail === null ? [] : [{ line: at, column, value: shown({ adapter, url }[column]), detail }];
    });
  });
  return [collected(problems)];
}

function tooManyChanges(count: number, what: string): Refusal | undefined {
  if (count <= MAX_ANNOUNCED_CHANGES) return undefined;
  return refuse(
    "VALIDATION",
    `the file changes ${count} ${what}, and devices hear of each: split it to at most ${MAX_ANNOUNCED_CHANGES} such rows`,
  );
}

/** Names every row of a place that would hold less than is reserved there. */
function shortage(places: readonly ShortPlace[], rows: readonly ReadRow<"stock">[]): Refusal {
  const shortOf = new Map(places.map((place) => [placeOf(place), place]));
  const problems = rows.flatMap(({ at, row }): InputProblem[] => {
    const short = shortOf.get(placeOf({ sku: row.sku, location: row.warehouse_id }));
    if (!short) return [];
    const detail = `${short.location} would hold ${short.on_hand} of ${short.sku}, but ${short.reserved} are reserved`;
    return [{ line: at, column: "quantity", value: String(row.quantity), detail }];
  });
  const { total, listed } = collected(problems);
  return refuse(
    "INSUFFICIENT_STOCK",
    `${total} ${total === 1 ? "row takes" : "rows take"} away what is reserved; nothing was written`,
    {
      problems: listed,
    },
  );
}
