/**
 * What is signed, and how secrets and signatures are spelled, by Standard Webhooks. The keyed hash itself comes in as an
 * argument. Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export const SECRET_PREFIX = "whsec_";
/** Between 24 and 64 bytes by the standard. */
export const SECRET_BYTES = 32;

/** HMAC-SHA256 of the text under the key. */
export type Hmac = (key: Uint8Array, text: string) => Promise<Uint8Array>;

/** `whsec_` and the key in base64. */
export function secretOf(key: Uint8Array): string {
  return SECRET_PREFIX + base64(key);
}

export interface SigningKeys {
  readonly secret: string;
  /** Signs as well while a rotation lasts. */
  readonly previousSecret: string | null;
  /** ISO 8601. */
  readonly previousUntil: string | null;
}

/** The secrets that sign at `nowIso`, the current one first. */
export function secretsAt(keys: SigningKeys, nowIso: string): string[] {
  const { secret, previousSecret, previousUntil } = keys;
  const both = previousSecret !== null && previousUntil !== null && nowIso < previousUntil;
  return both ? [secret, previousSecret] : [secret];
}

export interface SignedContent {
  readonly id: string;
  /** Whole seconds since the epoch: when this try is made. */
  readonly timestampS: number;
  readonly body: string;
}

/** The three headers of a try; `webhook-signature` holds one `v1,…` per secret, divided by blanks. */
export async function signatureHeaders(
  content: SignedContent,
  secrets: readonly string[],
  hmac: Hmac,
): Promise<Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string>> {
  const signed = `${content.id}.${content.timestampS}.${content.body}`;
  const signatures = await Promise.all(
    secrets.map(async (secret) => `v1,${base64(await hmac(keyOf(secret), signed))}`),
  );
  return {
    "webhook-id": content.id,
    "webhook-timestamp": String(content.timestampS),
    "webhook-signature": signatures.join(" "),
  };
}

function keyOf(secret: string): Uint8Array {
  return Uint8Array.from(atob(secret.slice(SECRET_PREFIX.length)), (char) => char.charCodeAt(0));
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
