/** Pages of a list by keyset: the query's fields, the answer's shape, and the cursor of the page after. */
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from "../config.ts";
import { decodePageKey, encodePageKey } from "./cursor.ts";
import { z } from "./openapi.ts";

export const pageQuery = {
  cursor: z
    .string()
    .max(500)
    .refine((text) => decodePageKey(text) !== null, "take it from `meta.next_cursor` of the page before")
    .transform(decodePageKey)
    .optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT),
};

export function pageSchema<T extends z.ZodType>(item: T) {
  return z.object({ data: z.array(item), meta: z.object({ count: z.int(), next_cursor: z.string().nullable() }) });
}

/** `items`: one more than `limit`, when there are more. */
export function pageOf<T extends { readonly id: string; readonly created_at: string }>(
  items: readonly T[],
  limit: number,
) {
  const data = items.slice(0, limit);
  const last = items.length > limit ? data.at(-1) : undefined;
  return { data, meta: { count: data.length, next_cursor: last ? encodePageKey(last.created_at, last.id) : null } };
}
