/**
 * Idempotency keys of writes: `Idempotency-Key` names one intent of one caller on one route. The stored answer is replayed.
 * Source: draft-ietf-httpapi-idempotency-key-header.
 */
import { z } from "zod";
import { AppError } from "../domain/errors.ts";

const keySchema = z.string().regex(/^[\x21-\x7e]{1,255}$/, "1 to 255 visible ASCII characters");

/** The key of the request, or undefined when the caller sent none. */
export function idempotencyKeyOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const parsed = keySchema.safeParse(header);
  if (!parsed.success) throw new AppError("VALIDATION", "Idempotency-Key must be 1 to 255 visible ASCII characters");
  return parsed.data;
}
