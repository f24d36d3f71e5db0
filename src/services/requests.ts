/**
 * How a request comes in: as a body, or as a file that is kept first and then registered once by its object key,
 * whether the upload route or the file watcher gets there first.
 */
import { findDevice } from "../db/queries/people.ts";
import { findPartsByCode } from "../db/queries/sourcing.ts";
import {
  findRequestByNumber,
  findUploadByKey,
  insertRequest,
  insertRequestLines,
  insertUpload,
  type NewRequest,
} from "../db/queries/requests.ts";
import type { AnyEventDraft, UnitOfWork } from "../db/unit-of-work.ts";
import { refuse, type InputProblem, type Refusal } from "../domain/errors.ts";
import { coversRegion, type Principal } from "../domain/identity.ts";
import { linesOfBody, pastDates, type RequestBody } from "../domain/request-file.ts";
import type { Actor, Trace } from "../domain/trace.ts";
import { isoNow, type ServiceDeps } from "./deps.ts";

interface Registered {
  readonly ok: true;
  readonly requestId: string;
}

interface RegisteredUpload extends Registered {
  readonly uploadId: string;
}

/** A request from a JSON body. The request number, made on the device, refuses a duplicate for ever. */
export async function createRequest(
  deps: ServiceDeps,
  principal: Principal,
  body: RequestBody,
  context: { trace: Trace; actor: Actor },
): Promise<Registered | Refusal> {
  const place = await askingDevice(deps, principal, body.device_id);
  if (!place.ok) return place;
  const unknown = await unknownSkus(deps, body);
  if (unknown.length > 0)
    return refuse("UNKNOWN_REFERENCE", "some lines name no part of the catalogue", { problems: unknown });
  const lines = linesOfBody(body);
  const past = pastDates({ neededBy: body.needed_by, lines }, deps.clock.now());
  if (past.length > 0) return refuse("VALIDATION", "some of it is needed in the past", { problems: past });
  const draft: NewRequest = {
    id: deps.newId("request"),
    requestNumber: body.request_number,
    deviceId: body.device_id,
    requester: principal.subject,
    region: place.region,
    destination: place.location,
    neededBy: body.needed_by ?? null,
    note: body.note ?? null,
    at: isoNow(deps),
  };
  const registered: Registered = { ok: true, requestId: draft.id };
  const committed = await deps.commit({
    ...requestWork(draft, context),
    answers: registered,
    writes: [insertRequest(draft), insertRequestLines(draft.id, lines)],
  });
  return committed.ok ? registered : duplicateNumber(deps, draft);
}

/** Whoever sends JSON learns of a wrong SKU at once; a line in words is the agents' work, and may come back later. */
async function unknownSkus(deps: ServiceDeps, body: RequestBody): Promise<InputProblem[]> {
  const named = body.lines.flatMap((line) => line.sku ?? []);
  const known = new Set((await findPartsByCode(deps.db, named)).map(({ code }) => code));
  return body.lines.flatMap(({ sku }, index) =>
    sku === undefined || known.has(sku)
      ? []
      : [{ pointer: `/lines/${index}/sku`, value: sku, detail: `no part ${sku}` }],
  );
}

async function duplicateNumber(deps: ServiceDeps, draft: NewRequest): Promise<Refusal> {
  const known = await findRequestByNumber(deps.db, draft.deviceId, draft.requestNumber);
  return refuse("DUPLICATE", `${draft.deviceId} has sent request number ${draft.requestNumber} before`, {
    facts: known ? { request_id: known.id, request_status: known.status } : {},
  });
}

/** Who may ask for a device: the device itself, or a person or integrator whose region covers it. */
export async function askingDevice(
  deps: ServiceDeps,
  principal: Principal,
  deviceId: string,
): Promise<{ ok: true; region: string; location: string } | Refusal> {
  if (principal.kind === "device" && principal.subject !== deviceId) {
    return refuse("FORBIDDEN", `device ${principal.subject} may not ask as ${deviceId}`);
  }
  const device = await findDevice(deps.db, deviceId);
  if (!device) {
    const detail = `no device ${deviceId}`;
    return refuse("UNKNOWN_REFERENCE", detail, { problems: [{ pointer: "/device_id", detail }] });
  }
  if (!coversRegion(principal, device.region)) {
    return refuse("FORBIDDEN", `${deviceId} is in region ${device.region}, outside of yours`);
  }
  return { ok: true, region: device.region, location: device.location };
}

/** What the object store keeps with an uploaded file, so that the file alone is enough to register it. */
export interface UploadFacts {
  readonly objectKey: string;
  readonly uploadId: string;
  readonly requestId: string;
  readonly deviceId: string;
  readonly requester: string;
  readonly requesterKind: "person" | "device";
  readonly requestNumber: string;
  readonly contentType: string;
  readonly bytes: number;
  readonly traceparent: string;
}

/** Registers a kept file as a request: upload, request and RequestUploaded in one batch, once per object key. */
export async function registerUpload(deps: ServiceDeps, facts: UploadFacts): Promise<RegisteredUpload | Refusal> {
  const device = await findDevice(deps.db, facts.deviceId);
  if (!device) return refuse("UNKNOWN_REFERENCE", `no device ${facts.deviceId}`);
  const draft: NewRequest = {
    id: facts.requestId,
    requestNumber: facts.requestNumber,
    deviceId: facts.deviceId,
    requester: facts.requester,
    region: device.region,
    destination: device.location,
    neededBy: null,
    note: null,
    at: isoNow(deps),
  };
  const trace = { traceparent: facts.traceparent, correlationId: facts.requestId };
  const registered: RegisteredUpload = { ok: true, requestId: draft.id, uploadId: facts.uploadId };
  const committed = await deps.commit({
    ...requestWork(draft, { trace, actor: { id: facts.requester, kind: facts.requesterKind } }, facts.objectKey),
    answers: registered,
    writes: [
      insertRequest(draft),
      insertUpload({
        id: facts.uploadId,
        objectKey: facts.objectKey,
        requestId: draft.id,
        deviceId: draft.deviceId,
        contentType: facts.contentType,
        bytes: facts.bytes,
        at: draft.at,
      }),
    ],
  });
  if (committed.ok) return registered;
  const known = await findUploadByKey(deps.db, facts.objectKey);
  return known ? { ok: true, requestId: known.requestId, uploadId: known.id } : duplicateNumber(deps, draft);
}

function requestWork(
  draft: NewRequest,
  context: { trace: Trace; actor: Actor },
  objectKey?: string,
): Omit<UnitOfWork, "writes"> {
  const uploaded: AnyEventDraft = {
    type: "RequestUploaded",
    subject: `request/${draft.id}`,
    region: draft.region,
    sequence: 1,
    data: { request_id: draft.id, device_id: draft.deviceId, timestamp: draft.at },
  };
  return {
    trace: { ...context.trace, correlationId: draft.id },
    audit: [
      {
        actor: context.actor,
        action: "request.uploaded",
        subject: `request/${draft.id}`,
        after: {
          request_number: draft.requestNumber,
          device_id: draft.deviceId,
          ...(objectKey ? { object_key: objectKey } : {}),
        },
      },
    ],
    events: [uploaded],
  };
}
