/**
 * The agents' shared context of one request: a versioned document with a trusted section (from D1, the token and the
 * rules) and an untrusted one (what the sender wrote). Untrusted words are wrapped, so that a rule that takes a string
 * doesn't compile with one.
 */
import { z } from "zod";
import { LEVELS } from "./approval-level.ts";
import { refuse, type Refusal } from "./errors.ts";
import type { RequestLine } from "./request-line.ts";

export const CONTEXT_VERSION = 1;

const count = z.int().positive();
const amount = z.int().nonnegative();
const untrustedText = z.object({ untrusted: z.string() });

/** Words of the sender. Only code that spells `.untrusted` reads them. */
export type UntrustedText = z.output<typeof untrustedText>;

const routedSchema = z.object({
  type: z.enum(["parts_request", "stock_adjustment", "return"]),
  urgency: z.enum(["normal", "urgent"]),
  permitted: z.boolean(),
  reason: z.string(),
});

export const resolvedLineSchema = z.object({
  line: count,
  sku: z.string(),
  name: z.string(),
  category: z.string(),
  /** In the part's stock unit. */
  quantity: count,
  unit: z.string(),
  listPrice: amount,
  currency: z.string(),
  how: z.enum(["sku", "barcode", "text", "model"]),
  reason: z.string(),
  /** Only what is in stock of it can still be had. */
  discontinued: z.boolean().optional(),
  /** Of this line, or of the whole request. */
  neededBy: z.string().optional(),
});

export const unresolvedLineSchema = z.object({
  line: count,
  kind: z.enum(["unknown_sku", "discontinued", "no_match", "ambiguous", "unit", "quantity"]),
  reason: z.string(),
  /** Parts of the catalogue that may be meant, the likeliest first. */
  suggestions: z.array(z.object({ sku: z.string(), name: z.string() })),
});

/** What a supplier in another currency is paid; `amount` is the allocation's goods in the order's currency. */
const supplierTermsSchema = z.object({
  currency: z.string(),
  unitPrice: amount,
  amount,
  /** Of the whole purchase; on the first allocation of the supplier, else 0. */
  freight: amount,
  /** Billionths, and the day from which the rate holds. */
  rate: count,
  asOf: z.iso.date(),
});
export type SupplierTerms = z.output<typeof supplierTermsSchema>;

export const allocationSchema = z.object({
  line: count,
  sku: z.string(),
  /** What the line gets from here, in the stock unit. */
  quantity: count,
  source: z.enum(["stock", "purchase"]),
  location: z.string().optional(),
  supplier: z.string().optional(),
  /**
   * What is taken or bought for it: above `quantity` where MOQ or pack round a purchase up. Summed per SKU and
   * supplier it is the quantity of the purchase order.
   */
  orderQuantity: count,
  /** In the order's currency; of a supplier in another one it is rounded up, and `terms` has the exact amount. */
  unitPrice: amount,
  /** Of all that is bought from the supplier, in the order's currency; on its first allocation only. */
  freight: amount.optional(),
  terms: supplierTermsSchema.optional(),
  availableOn: z.iso.date(),
  /** Purchase: days from placing it to its arrival. */
  leadDays: z.int().nonnegative().optional(),
  neededBy: z.string().optional(),
  reason: z.string(),
});

const unsourcedLineSchema = z.object({ line: count, sku: z.string(), reason: z.string() });

const sourcesSchema = z.object({
  allocations: z.array(allocationSchema),
  unresolved: z.array(unsourcedLineSchema),
  total: amount,
  currency: z.string(),
});

const ruleHitSchema = z.object({ rule: z.string(), reason: z.string() });

const chainSchema = z.object({
  policyVersion: z.string(),
  outcome: z.enum(["auto", "steps", "reject", "needs_attention"]),
  floor: z.enum(LEVELS),
  level: z.enum(LEVELS),
  steps: z.array(z.object({ position: count, approver: z.string(), rule: z.string(), reason: z.string() })),
  reason: z.string(),
  hits: z.array(ruleHitSchema),
});

const orderDraftSchema = z.object({
  lines: z.array(allocationSchema.omit({ line: true }).extend({ line: count, requestLine: count })),
  purchases: z.array(
    z.object({
      supplier: z.string(),
      lines: z.array(z.object({ sku: z.string(), quantity: count, unitPrice: amount })),
      /** Goods and freight in the order's currency. */
      total: amount,
    }),
  ),
  total: amount,
  currency: z.string(),
});

const trustedSchema = z.object({
  request: z.object({
    id: z.string(),
    requestNumber: z.string(),
    deviceId: z.string(),
    requester: z.string(),
    region: z.string(),
    destination: z.string(),
    /** A date or an instant, checked for form; null: no date given. */
    neededBy: z.string().nullable(),
    currency: z.string(),
    createdAt: z.iso.datetime(),
  }),
  routed: routedSchema.optional(),
  resolved: z.object({ lines: z.array(resolvedLineSchema), unresolved: z.array(unresolvedLineSchema) }).optional(),
  sources: sourcesSchema.optional(),
  chain: chainSchema.optional(),
  order: orderDraftSchema.optional(),
});

const untrustedSchema = z.object({
  note: untrustedText.nullable(),
  lines: z.array(
    z.object({
      line: count,
      sku: untrustedText.optional(),
      text: untrustedText.optional(),
      quantity: count,
      unit: untrustedText.optional(),
      neededBy: z.string().optional(),
    }),
  ),
});

export const requestContextSchema = z.object({
  version: z.literal(CONTEXT_VERSION),
  trusted: trustedSchema,
  untrusted: untrustedSchema,
});

export type RequestContext = z.output<typeof requestContextSchema>;
export type TrustedContext = RequestContext["trusted"];
export type Routed = z.output<typeof routedSchema>;
export type ResolvedLine = z.output<typeof resolvedLineSchema>;
export type UnresolvedLine = z.output<typeof unresolvedLineSchema>;
export type Allocation = z.output<typeof allocationSchema>;
export type Sources = z.output<typeof sourcesSchema>;
export type Chain = z.output<typeof chainSchema>;
export type ChainStep = Chain["steps"][number];
export type OrderDraft = z.output<typeof orderDraftSchema>;
export type RuleHit = z.output<typeof ruleHitSchema>;

/** The context before the first agent. `note` and `lines` are the sender's; a line's own note isn't kept. */
export function newRequestContext(
  request: TrustedContext["request"],
  note: string | null,
  lines: readonly RequestLine[],
): RequestContext {
  const wrap = (text: string | undefined) => (text === undefined ? undefined : { untrusted: text });
  return {
    version: CONTEXT_VERSION,
    trusted: { request },
    untrusted: {
      note: note === null ? null : { untrusted: note },
      lines: lines.map(({ line, sku, text, quantity, unit, neededBy }) => {
        return { line, sku: wrap(sku), text: wrap(text), quantity, unit: wrap(unit), neededBy };
      }),
    },
  };
}

/** The sender's lines as they came; for the agent that resolves them against the catalogue. */
export function senderLines(context: RequestContext): RequestLine[] {
  return context.untrusted.lines.map(({ line, sku, text, quantity, unit, neededBy }) => {
    return { line, sku: sku?.untrusted, text: text?.untrusted, quantity, unit: unit?.untrusted, neededBy };
  });
}

/** The context with an agent's section added or replaced. */
export function withTrusted(
  context: RequestContext,
  sections: Partial<Omit<TrustedContext, "request">>,
): RequestContext {
  return { ...context, trusted: { ...context.trusted, ...sections } };
}

/** The context as `requests.context` holds it. Another version, or something else, is refused. */
export function parseRequestContext(json: string): { ok: true; context: RequestContext } | Refusal {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return refuse("VALIDATION", "The request's context is not JSON.");
  }
  const parsed = requestContextSchema.safeParse(value);
  if (parsed.success) return { ok: true, context: parsed.data };
  return refuse("VALIDATION", `The request's context can't be read: ${z.prettifyError(parsed.error).slice(0, 300)}`);
}
