/** Wires suppliers: where each is reached, by its row and this deployment's secrets, and the adapter that reaches it. */
import type { Container } from "../container.ts";
import { findSupplierRow } from "../db/queries/suppliers.ts";
import type { SupplierGateway } from "../domain/ports.ts";
import { supplierAccess, type SupplierAccess } from "../domain/supplier-access.ts";
import { httpSupplier } from "../integrations/http-supplier.ts";

/** Suppliers over HTTP, without a breaker. The simulated one is a Worker of its own: it is reached in the same way. */
export function supplierGateway({ clock, settings }: Container): SupplierGateway {
  return httpSupplier({ fetch: (input, init) => fetch(input, init), clock, environment: settings.ENVIRONMENT });
}

export async function accessTo({ db, supplierRules }: Container, supplier: string): Promise<SupplierAccess> {
  const row = await findSupplierRow(db, supplier);
  if (!row) return { ok: false, reason: `there is no supplier ${supplier}` };
  return supplierAccess(row, supplierRules);
}
