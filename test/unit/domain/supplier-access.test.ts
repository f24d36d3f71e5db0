import { it } from "vitest";
import { parseSettings } from "../../../src/config.ts";
import {
  SIMULATED_SECRET,
  supplierAccess,
  wrongSupplierUrl,
  type SupplierRow,
} from "../../../src/domain/supplier-access.ts";

const KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const secrets = { acme: [KEY], [SIMULATED_SECRET]: [KEY] };
const acme: SupplierRow = {
  id: "acme",
  adapter: "http-supplier",
  url: "https://orders.acme.example/v1",
  secretName: "acme",
};

it("a supplier with adapter, address and secret is reached, signed with its secret", ({ expect }) => {
  expect(supplierAccess(acme, { environment: "production", secrets })).toEqual({
    ok: true,
    address: { supplier: "acme", url: acme.url, secrets: [KEY] },
  });
});

it.for<[string, Partial<SupplierRow>, string]>([
  ["no address", { url: null }, "acme can't be ordered from: it has no address"],
  [
    "an address without TLS",
    { url: "http://orders.acme.example" },
    "acme can't be ordered from: its address must be an https URL: without TLS nothing is sent",
  ],
  ["no secret", { secretName: null }, "acme can't be ordered from: it names no secret to sign with"],
  [
    "a secret that isn't there",
    { secretName: "old" },
    "acme can't be ordered from: its secret old isn't among SUPPLIER_SECRETS",
  ],
  [
    "a secret of an inherited name",
    { secretName: "constructor" },
    "acme can't be ordered from: its secret constructor isn't among SUPPLIER_SECRETS",
  ],
  [
    "the simulated adapter",
    { adapter: "simulated-supplier" },
    "acme can't be ordered from: it is simulated, and only development has simulated suppliers",
  ],
])("in production a supplier with %s is refused with the reason", ([, more, reason], { expect }) => {
  expect(supplierAccess({ ...acme, ...more }, { environment: "production", secrets })).toEqual({ ok: false, reason });
});

it("a simulated supplier needs no secret of its own in development", ({ expect }) => {
  const row: SupplierRow = { ...acme, adapter: "simulated-supplier", secretName: null };
  expect(supplierAccess(row, { environment: "development", secrets })).toMatchObject({ ok: true });
  expect(supplierAccess(row, { environment: "development", secrets: {} })).toMatchObject({ ok: false });
});

it.for<[string, boolean, boolean]>([
  ["https://orders.acme.example/v1", true, true],
  ["https://orders.acme.example:8443/", true, true],
  ["http://orders.acme.example/", false, false],
  ["http://localhost:8788/acme", true, false],
  ["http://127.0.0.1:8788/acme", true, false],
  ["http://[::1]:8788/acme", true, false],
  ["http://127.0.0.1.nip.example/", false, false],
  ["http://localhost.acme.example/", false, false],
  ["http://192.0.2.7/", false, false],
  ["https://user:password@orders.acme.example/", false, false],
  ["https://orders.acme.example/?tenant=1", false, false],
  ["https://orders.acme.example/#a", false, false],
  ["ftp://orders.acme.example/", false, false],
  ["javascript:alert(1)", false, false],
  ["orders.acme.example", false, false],
  ["", false, false],
])("the address %j is taken in development: %s, in production: %s", ([url, development, production], { expect }) => {
  expect(wrongSupplierUrl(url, "development") === null).toBe(development);
  expect(wrongSupplierUrl(url, "production") === null).toBe(production);
});

const ENV = {
  ENVIRONMENT: "production",
  DECISION_ENGINE: "rules",
  AI_MODEL: "m",
  AUTH_ISSUER: "i",
  AUTH_AUDIENCE: "a",
  AUTH_PRIVATE_JWK: "k",
  AUDIT_KEY: "k",
  RELAY_SHARDS: "1",
  HUB_SHARDS: "1",
};

it("secrets are read by name, one or two each; without the variable there are none", ({ expect }) => {
  const read = (SUPPLIER_SECRETS?: string) => parseSettings({ ...ENV, SUPPLIER_SECRETS }).SUPPLIER_SECRETS;
  expect(read()).toEqual({});
  expect(read(JSON.stringify({ acme: KEY, beta: [KEY, KEY] }))).toEqual({ acme: [KEY], beta: [KEY, KEY] });
  for (const wrong of ["", "{", "[]", '{"acme":"secret"}', '{"acme":[]}', `{"acme":"${KEY.slice(0, 20)}"}`]) {
    expect(() => read(wrong), wrong).toThrow(/^SUPPLIER_SECRETS: must be a JSON object/);
  }
});
