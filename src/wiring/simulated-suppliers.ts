/** Wires the simulated suppliers' pages for development: only suppliers whose row names that adapter are ever fetched. */
import type { Container } from "../container.ts";
import { findSupplierRow, listSimulatedSuppliers } from "../db/queries/suppliers.ts";
import { AppError, messageOf } from "../domain/errors.ts";
import { wrongSupplierUrl } from "../domain/supplier-access.ts";
import { pageOf, summaryOf, type SupplierSummary } from "../integrations/simulated-supplier.ts";
import { log } from "../log.ts";

const SHOWN_AT_ONCE = 40; // each is a call of its own, and an invocation has fifty

export interface SimulatedSupplier {
  readonly id: string;
  readonly name: string;
  readonly summary: SupplierSummary | null;
}

/** The next suppliers after this id, each as it stands; `next`: where more begin. */
export async function simulatedSuppliers(
  { db }: Container,
  after: string,
): Promise<{ readonly suppliers: readonly SimulatedSupplier[]; readonly next: string | null }> {
  const found = await listSimulatedSuppliers(db, after, SHOWN_AT_ONCE + 1);
  const shown = found.slice(0, SHOWN_AT_ONCE);
  const suppliers = await Promise.all(
    shown.map(async ({ id, name, url }) => ({ id, name, summary: url === null ? null : await summary(url) })),
  );
  return { suppliers, next: found.length > SHOWN_AT_ONCE ? (shown.at(-1)?.id ?? null) : null };
}

async function summary(url: string): Promise<SupplierSummary | null> {
  try {
    return await summaryOf((input, init) => fetch(input, init), url);
  } catch (error) {
    log("warn", "simulated_supplier.silent", { url, error: messageOf(error) });
    return null;
  }
}

/** A page of the supplier, below its address. NOT_FOUND when the catalogue has no simulated supplier of this id. */
export async function simulatedPage(
  { db, settings }: Container,
  id: string,
  path: string,
  init: RequestInit,
): Promise<Response> {
  const row = await findSupplierRow(db, id);
  const url = row?.adapter === "simulated-supplier" ? row.url : null;
  if (url === null || wrongSupplierUrl(url, settings.ENVIRONMENT) !== null)
    throw new AppError("NOT_FOUND", `the catalogue has no simulated supplier ${id}`);
  return pageOf((input, more) => fetch(input, more), `${url}/${path}`, init);
}
