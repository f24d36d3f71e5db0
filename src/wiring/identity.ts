/** Wires the token check: our own tokens name their caller, a provider's token names a person in our table. */
import type { Container } from "../container.ts";
import { findPrincipalByEmail } from "../db/queries/people.ts";
import { AppError } from "../domain/errors.ts";
import type { Principal } from "../domain/identity.ts";
import { signToken, verifyPersonToken, verifyToken } from "../integrations/tokens.ts";

/** Who the `Authorization` header names. Throws UNAUTHENTICATED. */
export async function authenticate(container: Container, header: string | undefined): Promise<Principal> {
  // The scheme is case-insensitive (RFC 9110 §11.1).
  const token = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(header ?? "")?.[1];
  if (!token) throw new AppError("UNAUTHENTICATED", "send a token: Authorization: Bearer <token>");
  const { settings, clock } = container;
  const own = await verifyToken(settings, token, clock.now());
  if (own) return own;
  const email = await verifyPersonToken(settings, token, clock.now());
  const person = email === null ? null : await findPrincipalByEmail(container.db, email);
  if (person) return person;
  throw new AppError("UNAUTHENTICATED", "the token is wrong or has expired; get a new one");
}

export function issueToken(container: Container, principal: Principal): Promise<string> {
  return signToken(container.settings, principal, container.clock.now());
}
