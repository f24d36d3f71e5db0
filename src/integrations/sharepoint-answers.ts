/** What Microsoft Graph's answers mean: which refusals may pass, and that nothing is taken that wasn't agreed. */
import { z } from "zod";
import { AppError } from "../domain/errors.ts";
import type { ExchangeAnswer } from "./json-exchange.ts";

export const SHAREPOINT = "sharepoint";

/** Not signed in, in conflict, locked: the same call may succeed later. Any other 4xx never will. */
const MAY_PASS: readonly number[] = [401, 409, 423];

const errorSchema = z.object({ error: z.object({ message: z.string() }) });

/** The words of Graph's error document. */
export function wordsOfGraph(answer: unknown): unknown {
  return errorSchema.safeParse(answer).data?.error.message;
}

export function refusalFault(refusal: ExchangeAnswer & { ok: false }, dependency: string = SHAREPOINT): AppError {
  const { status, reason } = refusal;
  const told = reason.includes(String(status)) ? reason : `${reason} (status ${status})`;
  return new AppError("DEPENDENCY_FAILED", `${dependency}: ${told}`, { retryable: MAY_PASS.includes(status) });
}

/** A fault of the other side after which the same call may succeed. */
export function passingFault(what: string, cause?: unknown): AppError {
  return new AppError("DEPENDENCY_FAILED", `${SHAREPOINT}: ${what}`, {
    retryable: true,
    ...(cause === undefined ? {} : { cause }),
  });
}

export function understood<T>(schema: z.ZodType<T>, answer: ExchangeAnswer & { ok: true }): T {
  const parsed = schema.safeParse(answer.value);
  if (parsed.success) return parsed.data;
  throw passingFault("the answer has another shape than agreed", parsed.error);
}
