/**
 * One text per value: JSON with the keys of every object sorted by code unit and no white space, so that equal values
 * hash alike whatever order they were built in. `undefined` members are left out, as JSON.stringify does.
 * Source: the key order of RFC 8785 (JSON Canonicalization Scheme).
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== "object" || member === null || Array.isArray(member)) return member;
    const entries = Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return Object.fromEntries(entries);
  });
}
