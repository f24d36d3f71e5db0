/** Opaque keyset cursors: the last key of a page, base64url. */

export function encodeCursor(key: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(key)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** A cursor of two parts, `[created_at, id]`. */
export function encodePageKey(createdAt: string, id: string): string {
  return encodeCursor(JSON.stringify([createdAt, id]));
}

/** The two parts, or null when the text isn't such a cursor. */
export function decodePageKey(cursor: string): readonly [string, string] | null {
  const key = decodeCursor(cursor);
  const parts = key === null ? null : /^\["([^"\\]+)","([^"\\]+)"\]$/.exec(key);
  return parts?.[1] !== undefined && parts[2] !== undefined ? [parts[1], parts[2]] : null;
}

/** The key, or null when the text isn't a cursor. */
export function decodeCursor(cursor: string): string | null {
  if (!/^[A-Za-z0-9_-]+$/.test(cursor) || cursor.length % 4 === 1) return null;
  const binary = atob(cursor.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder().decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
}
