import { expect, it } from "vitest";
import { parseSettings } from "../../src/config.ts";
import { sharepointSettings } from "../../src/config/documents.ts";

const VARIABLES = {
  ENVIRONMENT: "production",
  DECISION_ENGINE: "rules",
  AI_MODEL: "a-model",
  AUTH_ISSUER: "waybill",
  AUTH_AUDIENCE: "waybill-api",
  AUTH_PRIVATE_JWK: "{}",
  AUDIT_KEY: "{}",
  RELAY_SHARDS: "1",
  HUB_SHARDS: "1",
};
const SHAREPOINT = {
  ...VARIABLES,
  DOCUMENT_STORE: "sharepoint",
  SHAREPOINT_TENANT_ID: "contoso.onmicrosoft.com",
  SHAREPOINT_CLIENT_ID: "7d1f3a52-0c1e-4f6b-9c55-3f1f0c2b8a10",
  SHAREPOINT_CLIENT_SECRET: "abc8Q~d.e_f-g",
  SHAREPOINT_DRIVE_ID: "b!-RIj2DuyvEyV1T4NlOaMHk8XkS_I8MdFlUCq1BlcjgmhRfAj3-Z8RY2VpuvV_tpd",
};

it("without a word of it, documents go to the archive, which needs nothing", () => {
  const settings = parseSettings(VARIABLES);
  expect(settings.DOCUMENT_STORE).toBe("archive");
  expect(sharepointSettings(settings)).toBeNull();
});

it("SharePoint is spoken to at Microsoft's own addresses unless others are named", () => {
  expect(sharepointSettings(parseSettings(SHAREPOINT))).toEqual({
    tenantId: SHAREPOINT.SHAREPOINT_TENANT_ID,
    clientId: SHAREPOINT.SHAREPOINT_CLIENT_ID,
    clientSecret: SHAREPOINT.SHAREPOINT_CLIENT_SECRET,
    driveId: SHAREPOINT.SHAREPOINT_DRIVE_ID,
    loginUrl: "https://login.microsoftonline.com",
    graphUrl: "https://graph.microsoft.com",
  });
});

it("a deployment whose store is the archive may still have its way into SharePoint", () => {
  const settings = parseSettings({ ...SHAREPOINT, DOCUMENT_STORE: "archive" });
  expect(sharepointSettings(settings)?.tenantId).toBe("contoso.onmicrosoft.com");
});

it.for(["SHAREPOINT_TENANT_ID", "SHAREPOINT_CLIENT_ID", "SHAREPOINT_CLIENT_SECRET", "SHAREPOINT_DRIVE_ID"])(
  "a missing %s is refused with one line that names it",
  (name) => {
    const without = { ...SHAREPOINT, [name]: undefined };
    expect(() => parseSettings(without)).toThrow(`${name}: must be set where DOCUMENT_STORE is sharepoint`);
  },
);

it.for<[string, string]>([
  ["DOCUMENT_STORE", "dropbox"],
  ["SHAREPOINT_TENANT_ID", "common"],
  ["SHAREPOINT_TENANT_ID", "contoso/x"],
  ["SHAREPOINT_TENANT_ID", ""],
  ["SHAREPOINT_CLIENT_ID", "my app"],
  ["SHAREPOINT_CLIENT_SECRET", ""],
  ["SHAREPOINT_CLIENT_SECRET", "two words"],
  ["SHAREPOINT_DRIVE_ID", "a/../b"],
  ["SHAREPOINT_GRAPH_URL", "http://graph.microsoft.com"],
  ["SHAREPOINT_GRAPH_URL", "http://localhost:8787"],
  ["SHAREPOINT_GRAPH_URL", "https://graph.microsoft.com/v1.0"],
  ["SHAREPOINT_GRAPH_URL", "https://u:p@graph.microsoft.com"],
  ["SHAREPOINT_LOGIN_URL", "login.microsoftonline.com"],
])("%s=%s is refused with one line that names it", ([name, value]) => {
  expect(() => parseSettings({ ...SHAREPOINT, [name]: value })).toThrow(new RegExp(`^${name}: must|^${name}: Invalid`));
});

it("in development plain http reaches this machine and no other", () => {
  const local = { ...SHAREPOINT, ENVIRONMENT: "development", SHAREPOINT_GRAPH_URL: "http://127.0.0.1:9000" };
  expect(parseSettings(local).SHAREPOINT_GRAPH_URL).toBe("http://127.0.0.1:9000");
  expect(() => parseSettings({ ...local, SHAREPOINT_GRAPH_URL: "http://192.0.2.7" })).toThrow("SHAREPOINT_GRAPH_URL: ");
});
