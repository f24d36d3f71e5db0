/**
 * Finds text that isn't well-formed Unicode in a parsed JSON value. Half a surrogate pair can't be stored as it came: the
 * database would keep U+FFFD, and two different names would become one.
 */
import { pointerOf } from "./json-pointer.ts";

/** The JSON pointers of such values, and of the objects that have such a key. Any depth, without recursion. */
export function illFormedPointers(value: unknown): string[] {
  const found: string[] = [];
  const open: { value: unknown; path: readonly PropertyKey[] }[] = [{ value, path: [] }];
  for (let at = open.pop(); at; at = open.pop()) {
    const { value: inner, path } = at;
    if (typeof inner === "string" && !inner.isWellFormed()) found.push(pointerOf(path));
    if (typeof inner !== "object" || inner === null) continue;
    for (const [key, next] of Object.entries(inner)) {
      if (key.isWellFormed()) open.push({ value: next, path: [...path, key] });
      else found.push(pointerOf(path));
    }
  }
  return found.toReversed();
}
