/**
 * The keys of the audit seals: ES256, so that whoever has the public half can check a seal and can't make one. A key is
 * named by its thumbprint (RFC 7638); seals of retired keys stay checkable by the public halves that are configured.
 */
import { base64url, calculateJwkThumbprint, importJWK, type JWK } from "jose";
import type { Settings } from "../config.ts";

const ALGORITHM = "ES256";
const ECDSA = { name: "ECDSA", hash: "SHA-256" } as const;

export interface AuditKeys {
  /** The id of the key that signs now. */
  readonly keyId: () => Promise<string>;
  /** base64url of r‖s over the UTF-8 text. */
  readonly sign: (text: string) => Promise<string>;
  readonly verify: (keyId: string, text: string, signature: string) => Promise<"good" | "bad" | "unknown_key">;
  /** Public halves by key id, the current one first. */
  readonly publicKeys: () => Promise<readonly PublicKey[]>;
}

type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

interface PublicKey {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
  readonly y: string;
}

interface Opened {
  readonly privateKey: Key;
  readonly published: readonly PublicKey[];
  readonly byId: ReadonlyMap<string, Key>;
}

const opened = new Map<string, Promise<Opened>>();

/** Opens the keys of the settings, once per isolate. */
export function auditKeys(settings: Pick<Settings, "AUDIT_KEY" | "AUDIT_RETIRED_KEYS">): AuditKeys {
  const name = JSON.stringify([settings.AUDIT_KEY, settings.AUDIT_RETIRED_KEYS]);
  const open = (): Promise<Opened> => {
    const known = opened.get(name) ?? openKeys(settings);
    opened.set(name, known);
    return known;
  };
  return {
    keyId: async () => (await open()).published[0]?.kid ?? "",
    publicKeys: async () => (await open()).published,
    async sign(text) {
      const { privateKey } = await open();
      return base64url.encode(new Uint8Array(await crypto.subtle.sign(ECDSA, privateKey, bytesOf(text))));
    },
    async verify(keyId, text, signature) {
      const key = (await open()).byId.get(keyId);
      if (!key) return "unknown_key";
      if (!/^[A-Za-z0-9_-]{86}$/.test(signature)) return "bad";
      const good = await crypto.subtle.verify(ECDSA, key, base64url.decode(signature), bytesOf(text));
      return good ? "good" : "bad";
    },
  };
}

async function openKeys(settings: Pick<Settings, "AUDIT_KEY" | "AUDIT_RETIRED_KEYS">): Promise<Opened> {
  const current = JSON.parse(settings.AUDIT_KEY) as JWK;
  const published = await Promise.all([current, ...(settings.AUDIT_RETIRED_KEYS?.keys ?? [])].map(publicHalf));
  const keys = published.map(async (jwk) => [jwk.kid, (await importJWK({ ...jwk }, ALGORITHM)) as Key] as const);
  return {
    privateKey: (await importJWK(current, ALGORITHM)) as Key,
    published,
    byId: new Map(await Promise.all(keys)),
  };
}

async function publicHalf({ x = "", y = "" }: JWK): Promise<PublicKey> {
  const jwk = { kty: "EC", crv: "P-256", x, y };
  return { kid: await calculateJwkThumbprint(jwk), ...jwk };
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
