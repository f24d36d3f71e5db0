/** Tells people: one in-app row per event and recipient, in the batch of the done bit, so none is told twice. */
import { insertNotification } from "../db/queries/notifications.ts";
import { listManagers } from "../db/queries/people.ts";
import { findRequest } from "../db/queries/requests.ts";
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
      return toApprover(message.data.approver, `Please decide on ${message.data.request_id}`, message.data.request_id);
    case "ApprovalReminder":
      return toApprover(
        message.data.approver,
        `Reminder: ${message.data.request_id} waits for you`,
        message.data.request_id,
      );
    case "ApprovalEscalated":
      return toApprover(message.data.to, `${message.data.request_id} was escalated to you`, message.data.request_id);
    case "ApprovalDecided":
      return toRequester(deps, message.data.request_id, `${message.data.approver}: ${message.data.decision}`);
    case "ResponseCreated":
      return toRequester(deps, message.data.request_id, `Your request is ${message.data.outcome}`);
    case "StatusChanged":
      return message.data.kind === "request"
        ? toRequester(deps, message.data.id, `Your request is now ${message.data.to.replaceAll("_", " ")}`)
        : { recipients: [], title: "", link: null };
    case "ErrorOccurred":
      return { recipients: await regionManagers(deps, region), title: errorTitle(message), link: null };
    default:
      return { recipients: [], title: "", link: null };
  }
}

function errorTitle(message: Extract<Message, { type: "ErrorOccurred" }>): string {
  return `${message.data.code} at ${message.data.kind} ${message.data.id}: ${message.data.message}`.slice(0, 300);
}

function toApprover(recipient: string, title: string, requestId: string): Notice {
  return { recipients: [recipient], title, link: `/api/requests/${requestId}` };
}

async function toRequester(deps: ServiceDeps, requestId: string, title: string): Promise<Notice> {
  const found = await findRequest(deps.db, requestId);
  if (!found) return { recipients: [], title, link: null };
  return { recipients: [found.request.requester, found.request.deviceId], title, link: `/api/requests/${requestId}` };
}

async function regionManagers(deps: ServiceDeps, region: string | null): Promise<string[]> {
  if (region === null) return [];
  return (await listManagers(deps.db, region)).map((person) => person.id);
}
