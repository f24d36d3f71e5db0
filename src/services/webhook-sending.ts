/**
 * One try of a delivery, when its timer is due: the POST, then what it led to in one batch with the timer's done bit. A crash
 * in between makes a second POST with the same `webhook-id` and the same body; a try is counted once, and the ladder has
 * an end.
 */
import {
  OPEN_CIRCUIT_SPREAD_MS,
  WEBHOOK_HOLD_MAX_MS,
  WEBHOOK_LADDER_MS,
  WEBHOOK_LIFE_MS,
  type Settings,
} from "../config.ts";
import {
  findDelivery,
  hasDelivered,
  insertAttempt,
  noteAttempt,
  noteUntried,
  type Attempt,
  type DeliveryRow,
  type DeliveryWithEndpoint,
} from "../db/queries/webhook-deliveries.ts";
import { disableWebhook } from "../db/queries/webhooks.ts";
import type { AnyEventDraft, UnitOfWork } from "../db/unit-of-work.ts";
import { AppError, messageOf } from "../domain/errors.ts";
import { ReceiverFault } from "../domain/receiver-fault.ts";
import type { Actor } from "../domain/trace.ts";
import { secretsAt } from "../domain/webhook-signature.ts";
import { checkTarget } from "../domain/webhook-target.ts";
import { nextDelayMs, notBefore, spreadMs } from "../resilience/backoff.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";
import { webhookDue } from "./webhook-timers.ts";

export interface WebhookMessage {
  readonly url: string;
  readonly id: string;
  readonly timestampS: number;
  readonly body: string;
  readonly secrets: readonly string[];
}

export interface WebhookSendingDeps extends ServiceDeps {
  readonly random: () => number;
  readonly environment: Settings["ENVIRONMENT"];
  /** The POST behind the endpoint's breaker. Answers with the status; throws ReceiverFault, or CIRCUIT_OPEN without a POST. */
  readonly post: (webhookId: string, message: WebhookMessage) => Promise<number>;
}

/** What the batch of the timer's done bit holds besides. */
export type Effect = Omit<UnitOfWork, "trace" | "done">;

const NOTHING: Effect = { writes: [] };
const ACTOR: Actor = { id: "webhook-sender", kind: "system" };
const GONE = 410;

/** Makes the try that a timer names, and returns its effect. A try that was made, or overtaken, has none. */
export async function tryDelivery(deps: WebhookSendingDeps, due: { id: string; attempt: number }): Promise<Effect> {
  const found = await findDelivery(deps.db, due.id);
  if (found?.delivery.state !== "pending" || found.delivery.attempts !== due.attempt - 1) return NOTHING;
  const { delivery, endpoint } = found;
  if (endpoint.state !== "active") return endedUntried(deps, delivery, `the endpoint is ${endpoint.state}`);
  const target = checkTarget(endpoint.url, deps.environment);
  if (!target.ok) return failedUntried(deps, found, `its address may not be called: ${target.reason}`);
  const begun = deps.clock.now();
  try {
    const status = await deps.post(endpoint.id, {
      url: target.url,
      id: delivery.eventId,
      timestampS: Math.floor(begun / 1000),
      body: delivery.event,
      secrets: secretsAt(endpoint, isoNow(deps)),
    });
    return answered(deps, found, attemptOf(deps, due.attempt, begun, status, errorOf(status)));
  } catch (error) {
    if (error instanceof AppError && error.code === "CIRCUIT_OPEN") return onHold(deps, found, error.retryAfterSeconds);
    if (!(error instanceof ReceiverFault)) throw error; // a mistake of ours isn't a try of theirs
    const attempt = attemptOf(deps, due.attempt, begun, error.status, messageOf(error));
    return unanswered(deps, found, attempt, error.retryAfterSeconds);
  }
}

function errorOf(status: number): string | null {
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) return `answered with status ${status}: redirects aren't followed`;
  return `answered with status ${status}`;
}

function attemptOf(
  deps: WebhookSendingDeps,
  attempt: number,
  begun: number,
  status: number | null,
  error: string | null,
): Attempt {
  return { attempt, at: isoNow(deps), status, error, latencyMs: Math.max(0, Math.round(deps.clock.now() - begun)) };
}

async function answered(deps: WebhookSendingDeps, found: DeliveryWithEndpoint, attempt: Attempt): Promise<Effect> {
  if (attempt.error === null) return { writes: writesOf(found.delivery, attempt, "delivered", null) };
  if (attempt.status !== GONE) return unanswered(deps, found, attempt);
  const disabled = disabling(deps, found, "its receiver answered 410 Gone");
  return { ...disabled, writes: [...writesOf(found.delivery, attempt, "failed", null), ...disabled.writes] };
}

/** By the ladder, never sooner than the receiver asked for; after its last step, or at the end of its life, the end. */
async function unanswered(
  deps: WebhookSendingDeps,
  found: DeliveryWithEndpoint,
  attempt: Attempt,
  retryAfterSeconds?: number,
): Promise<Effect> {
  const { delivery, endpoint } = found;
  const step = nextDelayMs(attempt.attempt - delivery.roundFrom, deps.random, WEBHOOK_LADDER_MS);
  if (step === null || isTooOld(deps, delivery)) {
    const given = await givingUp(deps, found, ` in ${attempt.attempt} tries: ${attempt.error}`);
    return { ...given, writes: [...writesOf(delivery, attempt, "failed", null), ...given.writes] };
  }
  const nextMs = deps.clock.now() + notBefore(step, retryAfterSeconds, deps.random);
  return {
    writes: writesOf(delivery, attempt, "pending", new Date(nextMs).toISOString()),
    events: [webhookDue(endpoint, { id: delivery.id, attempt: attempt.attempt + 1, at: attempt.at }, nextMs)],
  };
}

/** An open circuit: no try. The wait grows with the delivery's age, so that a long outage costs few timers. */
async function onHold(deps: WebhookSendingDeps, found: DeliveryWithEndpoint, retryAfterSeconds = 1): Promise<Effect> {
  const { delivery, endpoint } = found;
  if (isTooOld(deps, delivery)) return failedUntried(deps, found, "its receiver has been failing for too long");
  const now = deps.clock.now();
  const wait = Math.min(WEBHOOK_HOLD_MAX_MS, (now - Date.parse(delivery.roundAt)) / 2);
  const heldMs = notBefore(Math.max(1_000, wait), retryAfterSeconds, deps.random);
  const nextMs = now + heldMs + spreadMs(OPEN_CIRCUIT_SPREAD_MS, deps.random);
  const at = isoNow(deps);
  const nextAt = new Date(nextMs).toISOString();
  return {
    writes: [noteUntried(delivery, { state: "pending", error: "on hold: its receiver keeps failing", nextAt, at })],
    events: [webhookDue(endpoint, { id: delivery.id, attempt: delivery.attempts + 1, at }, nextMs)],
  };
}

function isTooOld(deps: WebhookSendingDeps, delivery: DeliveryRow): boolean {
  return deps.clock.now() - Date.parse(delivery.roundAt) > WEBHOOK_LIFE_MS;
}

function writesOf(delivery: DeliveryRow, attempt: Attempt, state: DeliveryRow["state"], nextAt: string | null) {
  return [noteAttempt(delivery.id, attempt, state, nextAt), insertAttempt(delivery.id, attempt)];
}

/** Its owner has ended it: nobody needs to be told. */
function endedUntried(deps: WebhookSendingDeps, delivery: DeliveryRow, error: string): Effect {
  return { writes: [noteUntried(delivery, { state: "failed", error, nextAt: null, at: isoNow(deps) })] };
}

async function failedUntried(deps: WebhookSendingDeps, found: DeliveryWithEndpoint, error: string): Promise<Effect> {
  const given = await givingUp(deps, found, `: ${error}`);
  return { ...given, writes: [...endedUntried(deps, found.delivery, error).writes, ...given.writes] };
}

/**
 * The end of one delivery. An endpoint that has taken nothing since that delivery began is turned off: it would only make
 * one more trouble of each event, and its owner must act anyway.
 */
async function givingUp(deps: WebhookSendingDeps, found: DeliveryWithEndpoint, why: string): Promise<Effect> {
  const { delivery, endpoint } = found;
  const what = `${delivery.type} was not delivered to ${endpoint.id}${why}`;
  if (!(await hasDelivered(deps.db, endpoint.id, delivery.roundAt))) return disabling(deps, found, what);
  return {
    writes: [],
    audit: [{ actor: ACTOR, action: "webhook.delivery given up", subject: `webhook/${endpoint.id}`, reason: what }],
    events: [errorOccurred(deps, found, "WEBHOOK_FAILED", what)],
  };
}

function disabling(deps: WebhookSendingDeps, found: DeliveryWithEndpoint, reason: string): Effect {
  const { endpoint } = found;
  const { id } = endpoint;
  return {
    writes: [disableWebhook(endpoint, reason, isoNow(deps))],
    audit: [{ actor: ACTOR, action: "webhook.disabled", subject: `webhook/${id}`, reason }],
    events: [errorOccurred(deps, found, "WEBHOOK_DISABLED", `${id} was turned off: ${reason}`)],
  };
}

/** Of kind `webhook`, about the endpoint: its owner is told, and no webhook. */
function errorOccurred(
  deps: WebhookSendingDeps,
  { endpoint }: DeliveryWithEndpoint,
  code: string,
  message: string,
): AnyEventDraft {
  return {
    type: "ErrorOccurred",
    subject: `webhook/${endpoint.id}`,
    region: endpoint.region,
    sequence: deps.clock.now(),
    data: { code, kind: "webhook", id: endpoint.id, message, retryable: true, timestamp: isoNow(deps) },
  };
}
