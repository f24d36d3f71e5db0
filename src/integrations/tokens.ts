/**
 * Bearer tokens (JWT, RFC 7519). Our own are ES256 and say who the caller is, so that a read from cache needs no
 * database; people's tokens may come from an OpenID Connect provider, whose keys rotate by its key set.
 */
import { createRemoteJWKSet, importJWK, jwtVerify, SignJWT, type JWK, type JWTPayload } from "jose";
import { z } from "zod";
import { TOKEN_LIFE_S, type Settings } from "../config.ts";
import { ROLES, type Principal } from "../domain/identity.ts";

const ALGORITHM = "ES256";
const TOKEN_TYPE = "at+jwt"; // RFC 9068

const claimsSchema = z.object({
  sub: z.string().min(1),
  kind: z.enum(["person", "device"]),
  role: z.enum(ROLES),
  region: z.string().nullable(),
  location: z.string().nullable(),
  device_type: z.enum(["truck", "warehouse", "person"]),
  cv: z.int(),
});

interface KeyPair {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

const keyPairs = new Map<string, Promise<KeyPair>>();

function keyPairOf(jwkText: string): Promise<KeyPair> {
  const known = keyPairs.get(jwkText);
  if (known) return known;
  const made = (async () => {
    const jwk = JSON.parse(jwkText) as JWK;
    const { d: _secret, ...publicJwk } = jwk;
    return {
      privateKey: (await importJWK(jwk, ALGORITHM)) as CryptoKey,
      publicKey: (await importJWK(publicJwk, ALGORITHM)) as CryptoKey,
    };
  })();
  keyPairs.set(jwkText, made);
  return made;
}

/** A token for 15 minutes. `nowMs`: ms since the epoch. */
export async function signToken(settings: Settings, principal: Principal, nowMs: number): Promise<string> {
  const { privateKey } = await keyPairOf(settings.AUTH_PRIVATE_JWK);
  const now = Math.floor(nowMs / 1000);
  return new SignJWT({
    kind: principal.kind,
    role: principal.role,
    region: principal.region,
    location: principal.location,
    device_type: principal.deviceType,
    cv: principal.credentialVersion,
  })
    .setProtectedHeader({ alg: ALGORITHM, typ: TOKEN_TYPE })
    .setSubject(principal.subject)
    .setIssuer(settings.AUTH_ISSUER)
    .setAudience(settings.AUTH_AUDIENCE)
    .setIssuedAt(now)
    .setExpirationTime(now + TOKEN_LIFE_S)
    .sign(privateKey);
}

/** Who one of our own tokens names, or null when it isn't valid: one algorithm, issuer, audience, type and expiry. */
export async function verifyToken(settings: Settings, token: string, nowMs: number): Promise<Principal | null> {
  const { publicKey } = await keyPairOf(settings.AUTH_PRIVATE_JWK);
  const payload = await payloadOf(token, publicKey, {
    algorithms: [ALGORITHM],
    issuer: settings.AUTH_ISSUER,
    audience: settings.AUTH_AUDIENCE,
    typ: TOKEN_TYPE,
    requiredClaims: ["exp", "sub", "iat"],
    currentDate: new Date(nowMs),
  });
  const claims = claimsSchema.safeParse(payload);
  if (!claims.success) return null;
  return {
    subject: claims.data.sub,
    kind: claims.data.kind,
    role: claims.data.role,
    region: claims.data.region,
    location: claims.data.location,
    deviceType: claims.data.device_type,
    credentialVersion: claims.data.cv,
  };
}

const remoteSets = new Map<string, ReturnType<typeof createRemoteJWKSet>>();

/** The verified e-mail of a person's token from the configured provider, or null. What the person may do is ours to say. */
export async function verifyPersonToken(settings: Settings, token: string, nowMs: number): Promise<string | null> {
  const { OIDC_JWKS_URL: url, OIDC_ISSUER: issuer, OIDC_AUDIENCE: audience } = settings;
  if (!url || !issuer || !audience) return null;
  const keys = remoteSets.get(url) ?? createRemoteJWKSet(new URL(url));
  remoteSets.set(url, keys);
  const payload = await payloadOf(token, keys, {
    algorithms: ["RS256", "ES256"],
    issuer,
    audience,
    requiredClaims: ["exp", "sub"],
    currentDate: new Date(nowMs),
  });
  return payload && typeof payload["email"] === "string" ? payload["email"].toLowerCase() : null;
}

async function payloadOf(
  token: string,
  key: CryptoKey | ReturnType<typeof createRemoteJWKSet>,
  options: Parameters<typeof jwtVerify>[2],
): Promise<JWTPayload | null> {
  try {
    const verified =
      typeof key === "function" ? await jwtVerify(token, key, options) : await jwtVerify(token, key, options);
    return verified.payload;
  } catch (error) {
    // jose names every reason a token is bad by a code ERR_J…; anything else (such as an unreachable key set) is a fault.
    if (error instanceof Error && "code" in error && String(error.code).startsWith("ERR_J")) return null;
    throw error;
  }
}
