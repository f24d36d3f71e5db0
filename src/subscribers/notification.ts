/** Tells people: one in-app row per event and recipient, in the batch of the done bit, so none is told twice. */
import { findCommand } from "../db/queries/commands.ts";
import { insertNotification } from "../db/queries/notifications.ts";
import { listKeepers, listManagers, listOperations } from "../db/queries/people.ts";
import { findRequest } from "../db/queries/requests.ts";
import { findWebhook } from "../db/queries/webhooks.ts";
import { actorOfSender } from "../domain/commands.ts";
import type { Message } from "../domain/events.ts";
import { isoNow, type ServiceDeps } from "../services/deps.ts";
import { commitEffect, type Delivery } from "./delivery.ts";

interface Notice {
  readonly recipients: readonly string[];
  readonly title: string;
  readonly link: string | null;
}

export async function notify(deps: ServiceDeps, delivery: Delivery): Promise<void> {
  const notice = await noticeOf(deps, delivery);
  await commitEffect(deps, delivery, {
    writes: [...new Set(notice.recipients)].map((recipient) =>
      insertNotification({
        id: deps.newId("notification"),
        recipient,
        eventId: delivery.message.id,
        title: notice.title,
        link: notice.link,
        at: isoNow(deps),
      }),
    ),
  });
}

async function noticeOf(deps: ServiceDeps, { message, region }: Delivery): Promise<Notice> {
  switch (message.type) {
    case "ApprovalRequested":
      return toApprover(message.data, message.data.approver, (id) => `Please decide on ${id}`);
    case "ApprovalReminder":
      return toApprover(message.data, message.data.approver, (id) => `Reminder: ${id} waits for you`);
    case "ApprovalEscalated":
      return toApprover(message.data, message.data.to, (id) => `${id} was escalated to you`);
    case "ApprovalDecided":
      return toAsker(deps, message.data, `${message.data.approver}: ${message.data.decision}`);
    case "DiscrepancyFound": {
      const { discrepancy_id: id, location, bin, sku, expected, found } = message.data;
      return {
        recipients: [...(await keepersOf(deps, location)), ...(await regionManagers(deps, region))],
        title: `${sku} in ${bin} at ${location}: the books say ${expected}, a scan says ${found}`,
        link: `/api/discrepancies/${id}`,
      };
    }
    case "ResponseCreated":
      return toRequester(deps, message.data.request_id, `Your request is ${message.data.outcome}`);
    case "StatusChanged":
      return message.data.kind === "request"
        ? toRequester(deps, message.data.id, `Your request is now ${message.data.to.replaceAll("_", " ")}`)
        : NOBODY;
    case "ErrorOccurred":
      return message.data.kind === "webhook"
        ? toWebhookOwner(deps, message.data.id, errorTitle(message))
        : { recipients: await whoMendsErrors(deps, region), title: errorTitle(message), link: null };
    case "StockBelowMinimum":
      return lowStock(deps, message, region);
    case "TransferReceived":
      return shortTransfer(deps, message, region);
    default:
      return NOBODY;
  }
}

const NOBODY: Notice = { recipients: [], title: "", link: null };

/** The place's keepers and its region's managers: once a crossing, which the event itself is. */
async function lowStock(
  deps: ServiceDeps,
  { data }: Extract<Message, { type: "StockBelowMinimum" }>,
  region: string | null,
): Promise<Notice> {
  const available = data.on_hand - data.reserved;
  const coming = data.incoming === 0 ? "" : ` and ${data.incoming} incoming`;
  return {
    recipients: [...(await keepersOf(deps, data.location)), ...(await regionManagers(deps, region))],
    title: `${data.sku} is low at ${data.location}: ${available} available${coming}, the minimum is ${data.minimum}`,
    link: `/api/stock?sku=${encodeURIComponent(data.sku)}&location=${encodeURIComponent(data.location)}`,
  };
}

/** Whoever shipped hears what didn't arrive whole; the rest is for nobody's inbox. */
async function shortTransfer(
  deps: ServiceDeps,
  { data }: Extract<Message, { type: "TransferReceived" }>,
  region: string | null,
): Promise<Notice> {
  const rejected = data.lines.reduce((sum, line) => sum + line.rejected, 0);
  if (rejected === 0) return NOBODY;
  return {
    recipients: [...(await keepersOf(deps, data.from_location)), ...(await regionManagers(deps, region))],
    title: `${data.to_location} rejected ${rejected} pieces of ${data.transfer_id} from ${data.from_location}`,
    link: `/api/transfers/${data.transfer_id}`,
  };
}

function errorTitle(message: Extract<Message, { type: "ErrorOccurred" }>): string {
  return `${message.data.code} at ${message.data.kind} ${message.data.id}: ${message.data.message}`.slice(0, 300);
}

interface About {
  readonly request_id?: string | undefined;
  readonly command_id?: string | undefined;
}

function toApprover(about: About, recipient: string, title: (id: string) => string): Notice {
  const id = about.request_id ?? about.command_id ?? "";
  const link = about.command_id === undefined ? `/api/requests/${id}` : `/api/commands/${id}`;
  return { recipients: [recipient], title: title(id), link };
}

/** Whoever asked for what was decided on. */
async function toAsker(deps: ServiceDeps, about: About, title: string): Promise<Notice> {
  const { command_id: commandId } = about;
  if (commandId === undefined) return toRequester(deps, about.request_id ?? "", title);
  const command = await findCommand(deps.db, commandId);
  const recipients = command ? [actorOfSender(command.sender).id] : [];
  return { recipients, title, link: `/api/commands/${commandId}` };
}

async function toRequester(deps: ServiceDeps, requestId: string, title: string): Promise<Notice> {
  const found = await findRequest(deps.db, requestId);
  if (!found) return { recipients: [], title, link: null };
  return { recipients: [found.request.requester, found.request.deviceId], title, link: `/api/requests/${requestId}` };
}

async function toWebhookOwner(deps: ServiceDeps, webhookId: string, title: string): Promise<Notice> {
  const webhook = await findWebhook(deps.db, webhookId);
  return { recipients: webhook ? [webhook.owner] : [], title, link: `/api/webhooks/${webhookId}` };
}

async function keepersOf(deps: ServiceDeps, location: string): Promise<string[]> {
  return (await listKeepers(deps.db, location)).map((person) => person.id);
}

/** What concerns no single region is operations' work. */
async function whoMendsErrors(deps: ServiceDeps, region: string | null): Promise<string[]> {
  if (region !== null) return regionManagers(deps, region);
  return (await listOperations(deps.db)).map((person) => person.id);
}

async function regionManagers(deps: ServiceDeps, region: string | null): Promise<string[]> {
  if (region === null) return [];
  return (await listManagers(deps.db, region)).map((person) => person.id);
}
