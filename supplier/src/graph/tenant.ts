/**
 * One tenant of the stand-in for Microsoft Graph: its documents and its faults. It keeps a list of every call that it got, so
 * that a client that asks too often is seen. The switches act on what a client calls; whoever watches always gets an answer.
 */
import { DurableObject } from "cloudflare:workers";
import { cutOff, invalid, json, methodNotAllowed, padded, problem, seeOther } from "../answers.ts";
import { maintenancePage, STYLE } from "../page.ts";
import { graphError } from "./answers.ts";
import { answerApi, signIn, type ApiCall } from "./api.ts";
import { Drive } from "./drive.ts";
import { tenantPage } from "./page.ts";
import { ALL_OFF, graphSwitchesFromForm, graphSwitchesSchema, type GraphSwitches } from "./switches.ts";
import { answerUpload } from "./uploads.ts";

const CALLS_KEPT = 1_000;
const CALLS_SHOWN = 50;
/** What stores something, so that a client which gets no good answer can't know. */
const STORING = ["PUT content", "PUT fragment"];
/** What `fail_next` fails. */
const WRITING = ["POST createUploadSession", ...STORING];
type Counted =
  | "fail_next"
  | "lost_reply_next"
  | "half_fragment_next"
  | "session_dies_next"
  | "session_fails_next"
  | "token_fail_next";

export class GraphTenant extends DurableObject<object> {
  readonly #drive: Drive;

  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    this.#drive = new Drive(ctx.storage.sql);
  }

  /** A call of a client, or of who watches: `tenant` is the name of this object. */
  override async fetch(request: Request): Promise<Response> {
    const bytes = new Uint8Array(await request.arrayBuffer());
    const url = new URL(request.url);
    const tenant = request.headers.get("x-tenant") ?? "";
    const documents = `https://${url.host.replace(/^[^.]+/, "sharepoint")}/${tenant}`;
    const call = { request, url, bytes, files: `${documents}/files`, uploads: `${documents}/uploads` };
    const what = whatOf(call, tenant);
    if (what === null) return this.#watch(call, url.pathname.split("/").slice(2).join("/"), tenant);
    const on = this.#switches();
    const answer = this.#faulty(what, call, tenant, on);
    const detail = request.headers.get("content-range") ?? "";
    this.#drive.noteCall({ what, status: answer.status, detail });
    const isLost = STORING.includes(what) && answer.ok && (this.#use("lost_reply_next") || this.#isHalf(what, on));
    const given = isLost ? await cutOff(answer) : on.too_big ? await padded(answer) : answer;
    if (on.delay_ms > 0) await scheduler.wait(on.delay_ms);
    return given;
  }

  #faulty(what: string, call: ApiCall, tenant: string, on: GraphSwitches): Response {
    if (what === "sign-in") {
      if (this.#use("token_fail_next"))
        return json(503, { error: "temporarily_unavailable", error_description: "AADSTS90033" });
      return signIn(this.#drive, tenant, call, on);
    }
    if (on.down) return graphError(503, "serviceNotAvailable", "The service is down.");
    if (on.html) return maintenancePage();
    if (on.redirect) return new Response(null, { status: 307, headers: { location: "https://moved.example/" } });
    if (WRITING.includes(what) && this.#use("fail_next")) return failure(on);
    if (what === "GET session" && this.#use("session_fails_next"))
      return failure({ ...ALL_OFF, retry_after_s: on.retry_after_s });
    const answer = this.#answer(what, call, on);
    return on.foreign && answer.ok && WRITING.includes(what) ? foreign() : answer;
  }

  #answer(what: string, call: ApiCall, on: GraphSwitches): Response {
    const rest = decodeURIComponent(call.url.pathname).split("/").slice(3).join("/");
    if (what.endsWith("fragment") || what.endsWith("session")) {
      const { method, headers } = call.request;
      const answer = answerUpload(this.#drive, rest, { method, headers, bytes: call.bytes, files: call.files }, on);
      if (what === "PUT fragment" && answer.status === 202) this.#use("session_dies_next");
      return answer;
    }
    if (what === "GET document") {
      const file = this.#drive.file(rest);
      if (!file || call.request.headers.has("authorization"))
        return graphError(404, "itemNotFound", "No such document.");
      return new Response(this.#drive.content(rest), { headers: { "content-type": "application/octet-stream" } });
    }
    return answerApi(this.#drive, call);
  }

  /** One of so many times that a switch has left. */
  #use(name: Counted): boolean {
    const on = this.#switches();
    if (on[name] === 0) return false;
    this.#setSwitches({ ...on, [name]: on[name] - 1 });
    return true;
  }

  #isHalf(what: string, on: GraphSwitches): boolean {
    return what === "PUT fragment" && on.half_fragment_next > 0 && this.#use("half_fragment_next");
  }

  #switches(): GraphSwitches {
    return { ...ALL_OFF, ...this.ctx.storage.kv.get<GraphSwitches>("switches") };
  }

  #setSwitches(switches: GraphSwitches): void {
    this.ctx.storage.kv.put("switches", switches);
  }

  /** For whoever watches: a page, what is there, what was called, and the switches. */
  async #watch({ request, url, bytes }: ApiCall, path: string, tenant: string): Promise<Response> {
    const { method } = request;
    const text = () => new TextDecoder().decode(bytes);
    switch (`${method} ${path}`) {
      case "GET ":
        if (!url.pathname.endsWith("/")) return seeOther(`${url.pathname}/`);
        return tenantPage(tenant, this.#switches(), this.#drive.files(), this.#drive.calls(CALLS_SHOWN));
      case "GET style.css":
        return new Response(STYLE, { headers: { "content-type": "text/css" } });
      case "GET files":
        return json(200, { files: this.#drive.files(), sessions: this.#drive.sessions().length });
      case "GET content":
        return new Response(this.#drive.content(url.searchParams.get("path") ?? ""));
      case "GET calls":
        return json(200, { calls: this.#drive.calls(CALLS_KEPT) });
      case "GET switches":
        return json(200, this.#switches());
      case "PUT switches":
      case "POST switches": {
        const isForm = method === "POST";
        const parsed = isForm
          ? graphSwitchesFromForm(new Map(new URLSearchParams(text())))
          : graphSwitchesSchema.safeParse(JSON.parse(text()));
        if (!parsed.success) return invalid(parsed.error);
        this.#setSwitches(parsed.data);
        return isForm ? seeOther("./") : json(200, parsed.data);
      }
      case "POST token-expiry":
        this.#drive.expireTokens();
        return request.headers.get("accept")?.includes("text/html") ? seeOther("./") : json(200, {});
      default:
        return ["", "switches", "files", "content", "calls"].includes(path)
          ? methodNotAllowed("GET")
          : problem(404, "Not found", "There is nothing at this address.");
    }
  }
}

/** What a client asks for, in a word or two; null: it isn't a client's call. */
function whatOf({ request, url }: ApiCall, tenant: string): string | null {
  const { method } = request;
  if (url.hostname.startsWith("login.")) return "sign-in";
  if (url.hostname.startsWith("graph.")) {
    if (!url.pathname.startsWith("/v1.0/")) return null;
    if (url.pathname.endsWith(":/content")) return `${method} content`;
    if (url.pathname.endsWith(":/createUploadSession")) return `${method} createUploadSession`;
    return url.pathname.includes("/root:/") ? `${method} item` : `${method} drive`;
  }
  if (url.pathname.startsWith(`/${tenant}/files/`)) return `${method} document`;
  return method === "PUT" ? "PUT fragment" : `${method} session`;
}

function failure({ fail_status: status, retry_after_s: seconds }: GraphSwitches): Response {
  const [code, message] = FAILURES[status] ?? ["generalException", "The switches want it so."];
  return graphError(status, code, message, seconds > 0 ? { "retry-after": String(seconds) } : {});
}

const FAILURES: Readonly<Record<number, readonly [string, string]>> = {
  403: ["accessDenied", "The caller doesn't have permission to perform the action."],
  423: ["resourceLocked", "The document is locked."],
  429: ["tooManyRequests", "The request has been throttled."],
  503: ["serviceNotAvailable", "The service is unavailable. Try the request again after a delay."],
  507: ["quotaLimitReached", "The site's storage is full."],
};

function foreign(): Response {
  return json(200, { id: "01foreign", name: "another.json", size: 12, webUrl: "https://another.example/another.json" });
}
