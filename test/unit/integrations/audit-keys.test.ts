import { generateKeyPairSync, verify } from "node:crypto";
import { it } from "vitest";
import { parseSettings, type Settings } from "../../../src/config.ts";
import { auditKeys } from "../../../src/integrations/audit-keys.ts";

function newKey(): { readonly privateJwk: string; readonly publicJwk: Record<string, unknown> } {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return {
    privateJwk: JSON.stringify(pair.privateKey.export({ format: "jwk" })),
    publicJwk: pair.publicKey.export({ format: "jwk" }),
  };
}

const VARIABLES = {
  ENVIRONMENT: "development",
  DECISION_ENGINE: "rules",
  AI_MODEL: "model",
  AUTH_ISSUER: "waybill",
  AUTH_AUDIENCE: "waybill-api",
  AUTH_PRIVATE_JWK: "{}",
  RELAY_SHARDS: "1",
  HUB_SHARDS: "1",
};

const settings = (AUDIT_KEY: string, retired?: unknown): Settings =>
  parseSettings({
    ...VARIABLES,
    AUDIT_KEY,
    ...(retired === undefined ? {} : { AUDIT_RETIRED_KEYS: JSON.stringify(retired) }),
  });

it("signs what anyone can check with the public half", async ({ expect }) => {
  const keys = auditKeys(settings(newKey().privateJwk));
  const [jwk] = await keys.publicKeys();
  const signature = Buffer.from(await keys.sign("a text"), "base64url");
  const key = { key: { ...jwk }, format: "jwk", dsaEncoding: "ieee-p1363" } as const;
  expect(verify("sha256", Buffer.from("a text"), key, signature)).toBe(true);
  expect(verify("sha256", Buffer.from("a Text"), key, signature)).toBe(false);
  expect(Object.keys(jwk ?? {}).toSorted()).toEqual(["crv", "kid", "kty", "x", "y"]);
});

it("after a rotation the seals of the old key stay checkable, if its public half is configured", async ({ expect }) => {
  const [old, current] = [newKey(), newKey()];
  const before = auditKeys(settings(old.privateJwk));
  const [id, signature] = [await before.keyId(), await before.sign("a text")];
  const after = auditKeys(settings(current.privateJwk, { keys: [old.publicJwk] }));
  const forgetful = auditKeys(settings(current.privateJwk));

  expect(await after.keyId()).not.toBe(id);
  expect(await after.verify(id, "a text", signature)).toBe("good");
  expect(await after.verify(id, "another", signature)).toBe("bad");
  expect(await after.verify(await after.keyId(), "a text", signature)).toBe("bad");
  expect(await after.verify(id, "a text", "AA")).toBe("bad");
  expect(await after.verify(id, "a text", "ö".repeat(86))).toBe("bad");
  expect(await forgetful.verify(id, "a text", signature)).toBe("unknown_key");
  expect((await after.publicKeys()).map(({ kid }) => kid)).toEqual([await after.keyId(), id]);
});

it.for(["{", "[]", '{"keys":[{"kty":"RSA"}]}', '{"keys":[{"kty":"EC","crv":"P-256","x":""}]}'])(
  "retired keys that are none are refused with one line: %s",
  (text, { expect }) => {
    expect(() => parseSettings({ ...VARIABLES, AUDIT_KEY: "{}", AUDIT_RETIRED_KEYS: text })).toThrow(
      /^AUDIT_RETIRED_KEYS: must be a JWK set of P-256 public keys$/,
    );
  },
);
