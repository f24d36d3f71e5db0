/** Tokens that must open nothing: each is right in all but what its name says. */
import { base64url, exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from "jose";
import { env } from "./harness.ts";
import { testClock } from "./world.ts";

interface Recipe {
  readonly key?: CryptoKey | Uint8Array;
  readonly alg?: string;
  readonly typ?: string;
  readonly issuer?: string;
  readonly audience?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Seconds from now. */
  readonly expires?: number | null;
}

const CLAIMS = { kind: "person", role: "admin", region: null, location: null, device_type: "person", cv: 1 };

async function sign({
  key,
  alg = "ES256",
  typ = "at+jwt",
  issuer,
  audience,
  claims = CLAIMS,
  expires = 600,
}: Recipe): Promise<string> {
  const own = (await importJWK(JSON.parse(env.AUTH_PRIVATE_JWK) as JWK, "ES256")) as CryptoKey;
  const now = Math.floor(testClock.now() / 1000);
  const token = new SignJWT({ ...claims })
    .setProtectedHeader({ alg, typ })
    .setSubject("admin")
    .setIssuer(issuer ?? env.AUTH_ISSUER)
    .setAudience(audience ?? env.AUTH_AUDIENCE)
    .setIssuedAt(now - 1_000);
  if (expires !== null) token.setExpirationTime(now + expires);
  return token.sign(key ?? own);
}

function part(value: object): string {
  return base64url.encode(JSON.stringify(value));
}

/** The one that is right, to show that the others are wrong in one thing only. */
export function rightToken(): Promise<string> {
  return sign({});
}

/** Every value of an `Authorization` header that must be answered 401, by what is wrong with it. */
export async function wrongAuthorizations(): Promise<Record<string, string>> {
  const stranger = await generateKeyPair("ES256", { extractable: true });
  const rsa = await generateKeyPair("RS256", { extractable: true });
  const { d: _secret, ...publicJwk } = JSON.parse(env.AUTH_PRIVATE_JWK) as JWK;
  const right = await rightToken();
  const [header = "", payload = "", signature = ""] = right.split(".");
  const now = Math.floor(testClock.now() / 1000);
  const body = part({
    ...CLAIMS,
    sub: "admin",
    iss: env.AUTH_ISSUER,
    aud: env.AUTH_AUDIENCE,
    iat: now,
    exp: now + 600,
  });
  const embedded = part({ alg: "ES256", typ: "at+jwt", jwk: await exportJWK(stranger.publicKey) });
  const tokens: Record<string, string> = {
    "no token": "",
    "no JWT": "sesame",
    "two parts": `${header}.${payload}`,
    "no signature": `${header}.${payload}.`,
    "a cut signature": `${header}.${payload}.${signature.slice(0, -4)}`,
    "the payload of another": `${header}.${body}.${signature}`,
    expired: await sign({ expires: -1 }),
    "expired this second": await sign({ expires: 0 }),
    "without an end": await sign({ expires: null }),
    "another key": await sign({ key: stranger.privateKey }),
    "another key, offered in the header": `${embedded}.${body}.${signature}`,
    "RS256 with a key of its own": await sign({ key: rsa.privateKey, alg: "RS256" }),
    "alg none": `${part({ alg: "none", typ: "at+jwt" })}.${body}.`,
    "alg NONE with the signature kept": `${part({ alg: "NONE", typ: "at+jwt" })}.${payload}.${signature}`,
    "HS256 with the public key as its secret": await sign({
      key: new TextEncoder().encode(JSON.stringify(publicJwk)),
      alg: "HS256",
    }),
    "another audience": await sign({ audience: "someone-else" }),
    "another issuer": await sign({ issuer: "https://issuer.example" }),
    "another type of token": await sign({ typ: "JWT" }),
    "not valid yet": await sign({ claims: { ...CLAIMS, nbf: now + 600 } }),
    "a role that doesn't exist": await sign({ claims: { ...CLAIMS, role: "root" } }),
    "no role": await sign({ claims: { ...CLAIMS, role: undefined } }),
  };
  const bearers = Object.fromEntries(Object.entries(tokens).map(([name, token]) => [name, `Bearer ${token}`]));
  return {
    ...bearers,
    "no scheme": right,
    "another scheme": `Basic ${right}`,
    "two tokens": `Bearer ${right}, Bearer ${right}`,
  };
}
