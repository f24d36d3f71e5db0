/**
 * Endpoints of webhooks: subscribing, changing, rotating, deleting. The address is judged before it is kept, the types are
 * those that the owner's role may hear of, and a secret is shown by the call that made it and by no other.
 */
import { WEBHOOK_ROTATION_MS, WEBHOOKS_PER_OWNER, type Settings } from "../config.ts";
import { isRegion } from "../db/queries/regions.ts";
import {
  findWebhook,
  insertWebhook,
  newWebhook,
  updateWebhook,
  type WebhookChange,
  type WebhookRow,
} from "../db/queries/webhooks.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
import type { EventType } from "../domain/events.ts";
import { actorOf, coversRegion, type Principal } from "../domain/identity.ts";
import type { Trace } from "../domain/trace.ts";
import { typesFor } from "../domain/webhook-scope.ts";
import { SECRET_BYTES, secretOf } from "../domain/webhook-signature.ts";
import { checkTarget } from "../domain/webhook-target.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

export interface WebhookDeps extends ServiceDeps {
  readonly environment: Settings["ENVIRONMENT"];
  readonly randomBytes: (count: number) => Uint8Array;
}

export interface Caller {
  readonly principal: Principal;
  readonly trace: Trace;
}

type Changed = { readonly ok: true; readonly webhook: WebhookRow };

export interface Subscription {
  readonly url: string;
  /** Left out: everything that the caller may hear of. */
  readonly types?: readonly EventType[] | undefined;
  /** Left out: the caller's own. */
  readonly region?: string | null | undefined;
}

/** Integrators see their own endpoints, an admin all of their region. */
export function maySeeWebhook(principal: Principal, webhook: Pick<WebhookRow, "owner" | "region">): boolean {
  return webhook.owner === principal.subject || (principal.role === "admin" && coversRegion(principal, webhook.region));
}

/** A new endpoint with its secret. */
export async function subscribe(deps: WebhookDeps, caller: Caller, wanted: Subscription): Promise<Changed | Refusal> {
  const { principal } = caller;
  const target = addressOf(deps, wanted.url);
  if (!target.ok) return target;
  const types = typesOf(principal, wanted.types);
  if (!types.ok) return types;
  const region = await regionOf(deps, principal, wanted.region);
  if (!region.ok) return region;
  const webhook = newWebhook({
    id: deps.newId("webhook"),
    owner: principal.subject,
    region: region.region,
    url: target.url,
    types: types.types,
    secret: secretOf(deps.randomBytes(SECRET_BYTES)),
    at: isoNow(deps),
  });
  const done: Changed = { ok: true, webhook };
  const committed = await deps.commit({
    answers: done,
    trace: caller.trace,
    writes: [insertWebhook(webhook, WEBHOOKS_PER_OWNER)],
    audit: [
      {
        actor: actorOf(principal),
        action: "webhook.created",
        subject: `webhook/${webhook.id}`,
        after: { ...shown(webhook), region: webhook.region },
      },
    ],
  });
  if (!committed.ok) return refuse("CONFLICT", `you have ${WEBHOOKS_PER_OWNER} endpoints: delete one first`);
  return done;
}

export interface WebhookPatch {
  readonly url?: string | undefined;
  readonly types?: readonly EventType[] | undefined;
  readonly active?: boolean | undefined;
}

/** Turns it on or off, or gives it another address or other types. */
export async function changeWebhook(
  deps: WebhookDeps,
  caller: Caller,
  id: string,
  patch: WebhookPatch,
): Promise<Changed | Refusal> {
  const change: { -readonly [K in keyof WebhookChange]?: WebhookChange[K] } = {};
  if (patch.url !== undefined) {
    const target = addressOf(deps, patch.url);
    if (!target.ok) return target;
    change.url = target.url;
  }
  if (patch.types !== undefined) {
    const types = typesOf(caller.principal, patch.types);
    if (!types.ok) return types;
    change.types = JSON.stringify(types.types);
  }
  if (patch.active !== undefined) {
    change.state = patch.active ? "active" : "disabled";
    change.reason = patch.active ? null : `turned off by ${caller.principal.subject}`;
  }
  return applied(deps, caller, id, "webhook.changed", () => change);
}

/** A new secret; the old one signs too until `previousUntil`. */
export function rotateSecret(deps: WebhookDeps, caller: Caller, id: string): Promise<Changed | Refusal> {
  return applied(deps, caller, id, "webhook.secret rotated", (row) => ({
    secret: secretOf(deps.randomBytes(SECRET_BYTES)),
    previousSecret: row.secret,
    previousUntil: new Date(deps.clock.now() + WEBHOOK_ROTATION_MS).toISOString(),
  }));
}

/** Its log stays for as long as logs are kept; its secrets don't. */
export async function deleteWebhook(deps: WebhookDeps, caller: Caller, id: string): Promise<{ ok: true } | Refusal> {
  const gone = { secret: "", previousSecret: null, previousUntil: null, state: "deleted", reason: "deleted" } as const;
  const deleted = await applied(deps, caller, id, "webhook.deleted", () => gone);
  return deleted.ok ? { ok: true } : deleted;
}

/** The endpoint as the caller may see it, or NOT_FOUND. */
export async function visibleWebhook(
  deps: Pick<ServiceDeps, "db">,
  principal: Principal,
  id: string,
): Promise<Changed | Refusal> {
  const webhook = await findWebhook(deps.db, id);
  return webhook && maySeeWebhook(principal, webhook) ? { ok: true, webhook } : refuse("NOT_FOUND", "no such webhook");
}

async function applied(
  deps: WebhookDeps,
  caller: Caller,
  id: string,
  action: string,
  changeOf: (row: WebhookRow) => Partial<WebhookChange>,
): Promise<Changed | Refusal> {
  const found = await visibleWebhook(deps, caller.principal, id);
  if (!found.ok) return found;
  const change = changeOf(found.webhook);
  const at = isoNow(deps);
  const changed = { ...found.webhook, ...change, version: found.webhook.version + 1, updatedAt: at };
  const done: Changed = { ok: true, webhook: changed };
  const committed = await deps.commit({
    answers: done,
    trace: caller.trace,
    writes: [updateWebhook(found.webhook, change, at)],
    audit: [
      {
        actor: actorOf(caller.principal),
        action,
        subject: `webhook/${id}`,
        before: shown(found.webhook),
        after: shown(changed),
      },
    ],
  });
  if (!committed.ok) return refuse("CONFLICT", "it was changed by someone else just now: read it again");
  return done;
}

/** What the trail may hold: never a secret. */
function shown({ url, types, state }: Pick<WebhookRow, "url" | "types" | "state">) {
  return { url, types: JSON.parse(types) as unknown, state };
}

function addressOf(deps: WebhookDeps, url: string): { readonly ok: true; readonly url: string } | Refusal {
  const target = checkTarget(url, deps.environment);
  if (target.ok) return target;
  return refuse("VALIDATION", "the address may not be called", {
    problems: [{ pointer: "/url", detail: target.reason }],
  });
}

function typesOf(
  principal: Principal,
  wanted: readonly EventType[] | undefined,
): { readonly ok: true; readonly types: readonly EventType[] } | Refusal {
  const allowed = typesFor(principal.role);
  const problems = (wanted ?? []).flatMap((type, index) =>
    allowed.includes(type)
      ? []
      : [{ pointer: `/types/${index}`, value: type, detail: `not for role ${principal.role}` }],
  );
  if (problems.length > 0) return refuse("FORBIDDEN", "some of these events aren't for you to hear of", { problems });
  return { ok: true, types: wanted === undefined ? allowed : [...new Set(wanted)] };
}

async function regionOf(
  deps: WebhookDeps,
  principal: Principal,
  wanted: string | null | undefined,
): Promise<{ readonly ok: true; readonly region: string | null } | Refusal> {
  if (wanted === undefined) return { ok: true, region: principal.region };
  if (wanted === null ? principal.region !== null : !coversRegion(principal, wanted))
    return refuse("FORBIDDEN", `your region is ${principal.region}`);
  if (wanted !== null && !(await isRegion(deps.db, wanted))) {
    const detail = `no region ${wanted}`;
    return refuse("UNKNOWN_REFERENCE", detail, { problems: [{ pointer: "/region", detail }] });
  }
  return { ok: true, region: wanted };
}
