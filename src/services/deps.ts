/** What a use case may reach: the database through commit(), time, ids. The container satisfies it. */
import type { Database } from "../db/database.ts";
import type { Committed, UnitOfWork } from "../db/unit-of-work.ts";
import type { NewId } from "../domain/ids.ts";
import type { Clock } from "../domain/ports.ts";
import type { AccessRules } from "../domain/supplier-access.ts";
import type { Trace } from "../domain/trace.ts";

export interface ServiceDeps {
  readonly db: Database;
  readonly commit: (work: UnitOfWork) => Promise<Committed>;
  readonly kick: (buckets: readonly number[]) => void;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly newTrace: (header?: string | null) => Trace;
  readonly sha256: (text: string) => Promise<string>;
  /** Which suppliers this deployment may call. */
  readonly supplierRules: AccessRules;
}

export function isoNow(deps: { readonly clock: Clock }): string {
  return new Date(deps.clock.now()).toISOString();
}
