/** What the catalogue shows of a part: the shape of the API and of the cached value. */
import { z } from "zod";

export const moneySchema = z.object({
  amount: z.int().nonnegative(),
  currency: z.string().length(3),
});

const offerSchema = z.object({
  supplier: z.string(),
  unit: z.string(),
  pack: z.int().positive(),
  moq: z.int().positive(),
  lead_time_days: z.int().nonnegative(),
  price_breaks: z.array(z.object({ min_quantity: z.int().positive(), unit_price: moneySchema })),
});

const placeSchema = z.object({
  location: z.string(),
  region: z.string(),
  on_hand: z.int(),
  reserved: z.int(),
  available: z.int(),
  incoming: z.int(),
  in_transit: z.int(),
});

export const partSummarySchema = z.object({
  sku: z.string(),
  name: z.string(),
  category: z.string(),
  unit: z.string(),
  list_price: moneySchema,
  barcode: z.string().nullable(),
  superseded_by: z.string().nullable(),
  discontinued: z.boolean(),
  version: z.int().positive(),
});
export type PartSummary = z.output<typeof partSummarySchema>;

/** One part with its offers and where it lies. The stock shown here informs; a reservation never reads it. */
export const partViewSchema = partSummarySchema.extend({
  description: z.string(),
  suppliers: z.array(offerSchema),
  stock: z.array(placeSchema),
});
export type PartView = z.output<typeof partViewSchema>;

export const partPageSchema = z.object({
  data: z.array(partSummarySchema),
  next_cursor: z.string().nullable(),
});
export type PartPage = z.output<typeof partPageSchema>;

export interface PartQuery {
  readonly category?: string | undefined;
  readonly supplier?: string | undefined;
  readonly q?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}
