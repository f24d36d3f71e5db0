/** The variables that say where response files are kept, and the way into SharePoint. One that is needed is never missing. */
import { z } from "zod";

export const documentVariables = {
  /** Where response files go from now on; the row of each keeps where it was to go. */
  DOCUMENT_STORE: z.enum(["archive", "sharepoint"]).default("archive"),
  SHAREPOINT_TENANT_ID: z
    .string()
    .regex(
      /^(?!(?:common|organizations|consumers)$)[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/,
      "must be a tenant's id or domain",
    )
    .optional(),
  SHAREPOINT_CLIENT_ID: z.guid("must be the client id of an app registration, a GUID").optional(),
  /** A secret. */
  SHAREPOINT_CLIENT_SECRET: z
    .string()
    .regex(/^[\x21-\x7e]{1,500}$/, "must hold the value of a client secret")
    .optional(),
  SHAREPOINT_DRIVE_ID: z
    .string()
    .regex(/^[A-Za-z0-9!_-]{1,200}$/, "must be the id of a drive, such as b!…")
    .optional(),
  /** Other than these in national clouds, and beside the stand-in. */
  SHAREPOINT_LOGIN_URL: z.string().default("https://login.microsoftonline.com"),
  SHAREPOINT_GRAPH_URL: z.string().default("https://graph.microsoft.com"),
};

export type DocumentVariables = z.output<z.ZodObject<typeof documentVariables>>;

const NEEDED = [
  "SHAREPOINT_TENANT_ID",
  "SHAREPOINT_CLIENT_ID",
  "SHAREPOINT_CLIENT_SECRET",
  "SHAREPOINT_DRIVE_ID",
] as const;
const ORIGINS = ["SHAREPOINT_LOGIN_URL", "SHAREPOINT_GRAPH_URL"] as const;

/** What no variable shows by itself. */
export function checkDocumentVariables(
  env: DocumentVariables & { readonly ENVIRONMENT: string },
  context: z.core.$RefinementCtx,
): void {
  const wrong = (name: string, message: string) => context.addIssue({ code: "custom", path: [name], message });
  for (const name of ORIGINS) {
    if (!isOrigin(env[name], env.ENVIRONMENT))
      wrong(name, "must be an https origin, such as https://graph.microsoft.com");
  }
  for (const name of env.DOCUMENT_STORE === "sharepoint" ? NEEDED : []) {
    if (env[name] === undefined) wrong(name, "must be set where DOCUMENT_STORE is sharepoint");
  }
}

/** `https://host`, and nothing after it; plain http is for this machine, in development. */
function isOrigin(text: string, environment: string): boolean {
  const url = URL.parse(text);
  if (url?.origin !== text) return false;
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  return url.protocol === "https:" || (environment === "development" && url.protocol === "http:" && isLocal);
}

export interface SharepointSettings {
  readonly tenantId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly driveId: string;
  /** Origins, without a slash at the end. */
  readonly loginUrl: string;
  readonly graphUrl: string;
}

/**
 * The way into SharePoint; null: this deployment has none. It may have one although its store is another: what was queued
 * for SharePoint still goes there.
 */
export function sharepointSettings(variables: DocumentVariables): SharepointSettings | null {
  const {
    SHAREPOINT_TENANT_ID: tenantId,
    SHAREPOINT_CLIENT_ID: clientId,
    SHAREPOINT_CLIENT_SECRET: clientSecret,
    SHAREPOINT_DRIVE_ID: driveId,
    SHAREPOINT_LOGIN_URL: loginUrl,
    SHAREPOINT_GRAPH_URL: graphUrl,
  } = variables;
  if (!tenantId || !clientId || !clientSecret || !driveId) return null;
  return { tenantId, clientId, clientSecret, driveId, loginUrl, graphUrl };
}
