/** What a test does to the stand-in for Microsoft Graph, past its API. Take a tenant of its own for each test. */
import type { SharepointSettings } from "../../src/config/documents.ts";
import { CLIENT_ID, CLIENT_SECRET, DRIVE_ID } from "../../supplier/src/graph/account.ts";
import type { Call, KeptFile } from "../../supplier/src/graph/drive.ts";
import type { GraphSwitches } from "../../supplier/src/graph/switches.ts";

const GRAPH = "https://graph.waybill.example";
const LOGIN = "https://login.waybill.example";

export interface StandInGraph {
  readonly settings: SharepointSettings;
  /** The same as the app's variables. */
  readonly variables: Readonly<Record<string, string>>;
  /** Sets these switches and turns all others off. */
  switchOn(switches: Partial<GraphSwitches>): Promise<void>;
  files(): Promise<readonly KeptFile[]>;
  /** Upload sessions that are neither complete nor cancelled. */
  openSessions(): Promise<number>;
  content(path: string): Promise<Uint8Array>;
  /** Every call that it got, oldest first: what and how it was answered, such as `PUT content 201`. */
  calls(): Promise<readonly string[]>;
  /** The `Content-Range` of each fragment that it got. */
  ranges(): Promise<readonly string[]>;
  expireTokens(): Promise<void>;
}

export function standInGraph(tenant: string): StandInGraph {
  const call = async (path: string, init?: RequestInit): Promise<Response> => {
    const answer = await fetch(`${GRAPH}/${tenant}/${path}`, init);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const told = async () => (await (await call("calls")).json<{ calls: Call[] }>()).calls;
  const kept = async () => (await call("files")).json<{ files: KeptFile[]; sessions: number }>();
  return {
    settings: {
      tenantId: tenant,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      driveId: DRIVE_ID,
      loginUrl: LOGIN,
      graphUrl: GRAPH,
    },
    variables: {
      SHAREPOINT_TENANT_ID: tenant,
      SHAREPOINT_CLIENT_ID: CLIENT_ID,
      SHAREPOINT_CLIENT_SECRET: CLIENT_SECRET,
      SHAREPOINT_DRIVE_ID: DRIVE_ID,
      SHAREPOINT_LOGIN_URL: LOGIN,
      SHAREPOINT_GRAPH_URL: GRAPH,
    },
    switchOn: async (switches) => {
      await (await call("switches", { method: "PUT", body: JSON.stringify(switches) })).text();
    },
    files: async () => (await kept()).files,
    openSessions: async () => (await kept()).sessions,
    content: async (path) => (await call(`content?path=${encodeURIComponent(path)}`)).bytes(),
    calls: async () => (await told()).map(({ what, status }) => `${what} ${status}`),
    ranges: async () => (await told()).flatMap(({ detail }) => (detail === "" ? [] : [detail])),
    expireTokens: async () => {
      await (await call("token-expiry", { method: "POST" })).text();
    },
  };
}
