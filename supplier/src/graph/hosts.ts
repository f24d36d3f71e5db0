/**
 * The stand-in for Microsoft Graph answers on three hosts, as the real one does: `login.*` signs in, `graph.*` is the API, and
 * `sharepoint.*` has the addresses that Graph gives out. What isn't the API on `graph.*` is for who watches: `/{tenant}/`.
 */
import { problem } from "../answers.ts";
import { graphError } from "./answers.ts";
import type { GraphTenant } from "./tenant.ts";

const HOSTS = /^(?:login|graph|sharepoint)\./;
const TENANT = /^[A-Za-z0-9][A-Za-z0-9.-]{0,100}$/;

export function isGraphHost(hostname: string): boolean {
  return HOSTS.test(hostname);
}

export async function answerGraph(
  request: Request,
  url: URL,
  tenants: DurableObjectNamespace<GraphTenant>,
): Promise<Response> {
  const isApi = url.hostname.startsWith("graph.") && url.pathname.startsWith("/v1.0/");
  const bearer = /^Bearer ([^~]+)~/.exec(request.headers.get("authorization") ?? "")?.[1];
  const tenant = isApi ? bearer : url.pathname.split("/")[1];
  if (tenant === undefined || !TENANT.test(tenant)) {
    await request.arrayBuffer(); // a request left unread is logged as an exception by the runtime
    return isApi
      ? graphError(401, "InvalidAuthenticationToken", "Access token is empty.")
      : problem(404, "Not found", "The address begins with a tenant: /{tenant}/.");
  }
  const headers = new Headers(request.headers);
  headers.set("x-tenant", tenant);
  return tenants.getByName(tenant).fetch(new Request(request, { headers }));
}
