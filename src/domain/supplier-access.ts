/**
 * From a supplier's row to the address at which it may be called, or the reason why it may not: no call goes out without
 * TLS (but to this machine, in development) or without a secret to sign it, and no simulated supplier is real.
 */
import type { SupplierAddress } from "./ports.ts";

export type SupplierAdapter = "http-supplier" | "simulated-supplier";
export type Environment = "production" | "development";

/** The secret with which a simulated supplier's calls are signed. */
export const SIMULATED_SECRET = "simulated-supplier";

export interface SupplierRow {
  readonly id: string;
  readonly adapter: SupplierAdapter;
  readonly url: string | null;
  readonly secretName: string | null;
}

export interface AccessRules {
  readonly environment: Environment;
  /** Of SUPPLIER_SECRETS, by name. */
  readonly secrets: Readonly<Record<string, readonly string[]>>;
}

export type SupplierAccess =
  | { readonly ok: true; readonly address: SupplierAddress }
  | { readonly ok: false; readonly reason: string };

/** The reason is a sentence for a person, and names the supplier. */
export function supplierAccess(row: SupplierRow, { environment, secrets }: AccessRules): SupplierAccess {
  const no = (why: string): SupplierAccess => ({ ok: false, reason: `${row.id} can't be ordered from: ${why}` });
  const wrongAdapter = wrongSupplierAdapter(row.adapter, environment);
  if (wrongAdapter !== null) return no(wrongAdapter);
  if (row.url === null) return no("it has no address");
  const wrongUrl = wrongSupplierUrl(row.url, environment);
  if (wrongUrl !== null) return no(`its address ${wrongUrl}`);
  const name = row.secretName ?? (row.adapter === "simulated-supplier" ? SIMULATED_SECRET : null);
  if (name === null) return no("it names no secret to sign with");
  const known = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  if (!known) return no(`its secret ${name} isn't among SUPPLIER_SECRETS`);
  return { ok: true, address: { supplier: row.id, url: row.url, secrets: known } };
}

export function wrongSupplierAdapter(adapter: SupplierAdapter, environment: Environment): string | null {
  return adapter === "simulated-supplier" && environment === "production"
    ? "it is simulated, and only development has simulated suppliers"
    : null;
}

/** What is wrong with the address, as `must …`, or null. */
export function wrongSupplierUrl(text: string, environment: Environment): string | null {
  const url = URL.parse(text);
  if (!url || !["https:", "http:"].includes(url.protocol)) return "must be an https URL";
  if (url.username !== "" || url.password !== "") return "must not hold a user name or password";
  if (url.search !== "" || url.hash !== "") return "must end with its path, without ? or #";
  if (url.protocol === "https:") return null;
  if (environment === "production") return "must be an https URL: without TLS nothing is sent";
  return ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname)
    ? null
    : "must be an https URL: without TLS only this machine is called";
}
