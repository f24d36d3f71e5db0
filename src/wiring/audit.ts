/** Wires the audit's seals to their keys and to their copies in the archive. */
import type { Container } from "../container.ts";
import { auditKeys } from "../integrations/audit-keys.ts";
import { sealCopies } from "../integrations/seal-copies.ts";

export function auditDeps(container: Container) {
  return {
    ...container,
    keys: auditKeys(container.settings),
    copies: sealCopies(container.env.ARCHIVE),
  };
}
