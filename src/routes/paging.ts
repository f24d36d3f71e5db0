/** Pages of a list by keyset: the query's fields, the answer's shape, and the cursor of the page after. */
import { PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX } from "../config.ts";
import { decodePageKey, encodePageKey } from "./cursor.ts";
import { z } from "./openapi.ts";

export const pageLimit = z.coerce.number().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT);

export const pageQuery = {
  cursor: z
    .string()
    .max(500)
    .refine((text) => decodePageKey(text) !== null, "take it from `meta.next_cursor` of the page before")
    .transform(decodePageKey)
    .optional(),
  limit: pageLimit,
};

export function pageSchema<T extends z.ZodType>(item: T) {
  return z.object({ data: z.array(item), meta: z.object({ count: z.int(), next_cursor: z.string().nullable() }) });
}

/**
 * `items`: one more than `limit`, when there are more. `idOf`: the second half of the list's key, `[created_at, id]`.
 * `walkedTo`: where the look through a list that no index filters was broken off: a page that isn't full goes on there.
 */
export function pageOf<T extends { readonly created_at: string }>(
  items: readonly T[],
  limit: number,
  idOf: (item: T) => string,
  walkedTo: readonly [createdAt: string, id: string] | null = null,
) {
  const data = items.slice(0, limit);
  const last = items.length > limit ? data.at(-1) : undefined;
  const next = last ? ([last.created_at, idOf(last)] as const) : walkedTo;
  return { data, meta: { count: data.length, next_cursor: next ? encodePageKey(...next) : null } };
}
