import { Webhook } from "standardwebhooks";
import { it } from "vitest";
import { wrongSignature } from "../../../supplier/src/signature.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const AT = Date.parse("2026-11-25T08:00:00Z");
const BODY = '{"total":1850,"name":"Öl"}';

function signed(secret = SECRET, { id = "msg_1", at = AT, body = BODY } = {}) {
  return new Headers({
    "webhook-id": id,
    "webhook-timestamp": String(at / 1000),
    "webhook-signature": new Webhook(secret).sign(id, new Date(at), body),
  });
}

const judge = (headers: Headers, body = BODY, toleranceS = 300) =>
  wrongSignature({ secret: SECRET, toleranceS }, headers, body, AT);

it("takes what the reference library signed", async ({ expect }) => {
  expect(await judge(signed())).toBeNull();
});

it("takes one good signature among several, whatever the others are", async ({ expect }) => {
  const headers = signed();
  const good = headers.get("webhook-signature");
  headers.set("webhook-signature", `v2,abcd v1,!!! ${signed(OTHER).get("webhook-signature")} ${good} v1`);
  expect(await judge(headers)).toBeNull();
});

it.for<[string, () => Headers, string, string?]>([
  ["another secret", () => signed(OTHER), "no signature fits"],
  ["another body", () => signed(), "no signature fits", `${BODY} `],
  ["a signature of another version", () => v2(), "no signature fits"],
  ["half a signature", () => half(), "no signature fits"],
  ["a timestamp of 301 s ago", () => signed(SECRET, { at: AT - 301_000 }), "webhook-timestamp is too far off"],
  ["a timestamp 301 s ahead", () => signed(SECRET, { at: AT + 301_000 }), "webhook-timestamp is too far off"],
  ["no headers", () => new Headers(), "webhook-id, webhook-timestamp or webhook-signature is missing"],
])("refuses %s", async ([, headers, why, body], { expect }) => {
  expect(await judge(headers(), body)).toBe(why);
});

it("looks at no timestamp when it has no tolerance to measure it by", async ({ expect }) => {
  expect(await judge(signed(SECRET, { at: AT - 86_400_000 }), BODY, 0)).toBeNull();
});

it("without a secret refuses everything", async ({ expect }) => {
  expect(await wrongSignature({ secret: "", toleranceS: 0 }, signed(), BODY, AT)).toBe("no secret to verify with");
});

function v2(): Headers {
  const headers = signed();
  headers.set("webhook-signature", (headers.get("webhook-signature") ?? "").replace("v1,", "v2,"));
  return headers;
}

function half(): Headers {
  const headers = signed();
  headers.set("webhook-signature", (headers.get("webhook-signature") ?? "").slice(0, 20));
  return headers;
}
