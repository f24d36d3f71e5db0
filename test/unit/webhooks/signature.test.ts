/** Signatures, as the receiver's own package checks them: whatever was changed on the way is refused. */
import { Webhook } from "standardwebhooks";
import { describe, it } from "vitest";
import { secretOf, secretsAt, signatureHeaders } from "../../../src/domain/webhook-signature.ts";
import { hmacSha256 } from "../../../src/integrations/webhook-post.ts";

const key = (fill: number) => secretOf(new Uint8Array(32).fill(fill));
const [OLD, NEW, OTHER] = [key(1), key(2), key(3)];
const nowS = Math.floor(Date.now() / 1000);
const content = { id: "evt_1", timestampS: nowS, body: '{"type":"PartUpdated","data":{"name":"Schlauch ⌀ 8 mm"}}' };

const sign = (secrets: readonly string[], more: Partial<typeof content> = {}) =>
  signatureHeaders({ ...content, ...more }, secrets, hmacSha256);

describe("a signed request", () => {
  it("is verified with its secret, and gives the event", async ({ expect }) => {
    expect(new Webhook(NEW).verify(content.body, await sign([NEW]))).toEqual(JSON.parse(content.body));
  });

  it("is signed as the standard's own code signs it", async ({ expect }) => {
    const { "webhook-signature": signature } = await sign([NEW]);
    expect(signature).toBe(new Webhook(NEW).sign(content.id, new Date(nowS * 1000), content.body));
  });

  it("carries both signatures while secrets rotate: either verifies, another doesn't", async ({ expect }) => {
    const headers = await sign([NEW, OLD]);
    expect(headers["webhook-signature"]).toMatch(/^v1,[A-Za-z0-9+/]{43}= v1,[A-Za-z0-9+/]{43}=$/);
    for (const secret of [NEW, OLD]) expect(new Webhook(secret).verify(content.body, headers)).toBeTruthy();
    expect(() => new Webhook(OTHER).verify(content.body, headers)).toThrow("No matching signature");
  });

  it.for<[string, (headers: Record<string, string>) => [string, Record<string, string>], string]>([
    ["its body", (headers) => [content.body.replace("8", "9"), headers], "No matching signature"],
    ["a blank of its body", (headers) => [`${content.body} `, headers], "No matching signature"],
    ["its id", (headers) => [content.body, { ...headers, "webhook-id": "evt_2" }], "No matching signature"],
    [
      "its time",
      (headers) => [content.body, { ...headers, "webhook-timestamp": String(nowS - 1) }],
      "No matching signature",
    ],
    [
      "its time, to one long ago",
      (headers) => [content.body, { ...headers, "webhook-timestamp": String(nowS - 600) }],
      "too old",
    ],
    [
      "its version",
      (headers) => [
        content.body,
        { ...headers, "webhook-signature": headers["webhook-signature"]?.replace("v1,", "v2,") ?? "" },
      ],
      "No matching signature",
    ],
  ])("is refused when someone changed %s", async ([, change, message], { expect }) => {
    const [body, headers] = change(await sign([NEW]));
    expect(() => new Webhook(NEW).verify(body, headers)).toThrow(message);
  });
});

describe("the secrets that sign", () => {
  const keys = { secret: NEW, previousSecret: OLD, previousUntil: "2026-11-24T12:00:00.000Z" };

  it("are two until the rotation ends, then one", ({ expect }) => {
    expect(secretsAt(keys, "2026-11-24T11:59:59.999Z")).toEqual([NEW, OLD]);
    expect(secretsAt(keys, "2026-11-24T12:00:00.000Z")).toEqual([NEW]);
    expect(secretsAt({ secret: NEW, previousSecret: null, previousUntil: null }, "2026-11-24T11:00:00.000Z")).toEqual([
      NEW,
    ]);
  });

  it("have 32 bytes in base64 after whsec_", ({ expect }) => {
    expect(NEW).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  });
});
