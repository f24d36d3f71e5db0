/** JSON pointers (RFC 6901): where in a body something is wrong. */

/** `["lines", 2, "sku"]` → `/lines/2/sku`; the root is "". */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
