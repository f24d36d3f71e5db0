/**
 * Verifies the Standard Webhooks signature of a call, as a supplier should: over the body as it came, in constant time.
 * Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
const PREFIX = "whsec_";

export interface Verifier {
  /** `whsec_` and the key in base64. */
  readonly secret: string;
  /** How old a timestamp may be, or how far ahead; 0: it isn't looked at. */
  readonly toleranceS: number;
}

/** What is wrong with the signature, in words, or null. */
export async function wrongSignature(
  { secret, toleranceS }: Verifier,
  headers: Headers,
  body: string,
  nowMs: number,
): Promise<string | null> {
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map((name) => headers.get(`webhook-${name}`));
  if (!id || !timestamp || !signatures) return "webhook-id, webhook-timestamp or webhook-signature is missing";
  if (!/^\d{1,12}$/.test(timestamp)) return "webhook-timestamp isn't a number of seconds";
  if (toleranceS > 0 && Math.abs(nowMs / 1000 - Number(timestamp)) > toleranceS)
    return "webhook-timestamp is too far off";
  const secretBytes = bytesOf(secret.slice(PREFIX.length));
  if (!secretBytes) return "no secret to verify with";
  const key = await crypto.subtle.importKey("raw", secretBytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  const signed = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
  for (const signature of signatures.split(" ")) {
    const [version, text = ""] = signature.split(",", 2);
    const bytes = version === "v1" ? bytesOf(text) : null;
    if (bytes && (await crypto.subtle.verify("HMAC", key, bytes, signed))) return null;
  }
  return "no signature fits";
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | null {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64) || base64.length % 4 !== 0) return null;
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}
