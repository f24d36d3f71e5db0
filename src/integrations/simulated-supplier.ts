/**
 * The pages of a simulated supplier, fetched for whoever looks at them through the app: its book, its switches and the
 * calls that it got. What it serves as an API is never asked here.
 */
import { z } from "zod";
import { AppError, messageOf } from "../domain/errors.ts";
import type { Fetch } from "./json-exchange.ts";

const summarySchema = z.object({
  switches: z.record(z.string(), z.union([z.number(), z.boolean()])),
  orders: z.array(z.object({ status: z.string() })),
  calls: z.array(z.object({ at: z.string(), what: z.string(), answered: z.number().nullable() })),
});

export interface SupplierSummary {
  /** Faults that are on, as `name` or `name = number`. */
  readonly on: readonly string[];
  /** Of the last ones. */
  readonly live: number;
  readonly lastCall: { readonly at: string; readonly what: string; readonly answered: number | null } | null;
}

/** How it stands, or null when it doesn't tell. `url`: of the supplier's API. */
export async function summaryOf(fetch: Fetch, url: string): Promise<SupplierSummary | null> {
  const answer = await pageOf(fetch, `${url}/book`, { method: "GET" });
  const parsed = summarySchema.safeParse(await answer.json());
  if (!parsed.success) return null;
  const { switches, orders, calls } = parsed.data;
  return {
    on: Object.entries(switches).flatMap(([name, value]) =>
      value === true ? [name] : typeof value === "number" && value > 0 ? [`${name} = ${value}`] : [],
    ),
    live: orders.filter(({ status }) => status === "accepted").length,
    lastCall: calls[0] ?? null,
  };
}

/** One of its pages, or what its form answers: redirects are handed on. Throws DEPENDENCY_FAILED when there is no answer. */
export async function pageOf(fetch: Fetch, url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, redirect: "manual" });
  } catch (error) {
    throw new AppError("DEPENDENCY_FAILED", `the simulated supplier doesn't answer: ${messageOf(error)}`, {
      retryable: true,
      cause: error,
    });
  }
}
