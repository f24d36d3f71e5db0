/** How a request is shown: snake_case, money with its currency, steps and problems beside it. */
import { z } from "@hono/zod-openapi";
import type { Database } from "../db/database.ts";
import { listSteps } from "../db/queries/approvals.ts";
import { findCloudUpload } from "../db/queries/cloud-uploads.ts";
import type { RequestLineRow, RequestRow } from "../db/queries/requests.ts";
import { findResponse } from "../db/queries/requests.ts";
import { moneySchema } from "../domain/parts.ts";
import { REQUEST_STATUSES, type RequestStatus } from "../domain/request.ts";
import { documentView, shownDocument } from "./document-view.ts";

export const summaryView = z.object({
  request_id: z.string(),
  request_number: z.string(),
  device_id: z.string(),
  requester: z.string(),
  region: z.string(),
  status: z.enum(REQUEST_STATUSES),
  total: moneySchema.nullable(),
  order_id: z.string().nullable(),
  reason: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
});

const problemView = z.object({
  pointer: z.string().optional(),
  line: z.int().optional(),
  column: z.string().optional(),
  value: z.string().optional(),
  detail: z.string(),
});

export const detailsView = summaryView.extend({
  needed_by: z.string().nullable(),
  note: z.string().nullable(),
  version: z.int(),
  lines: z.array(
    z.object({
      line: z.int(),
      sku: z.string().nullable(),
      text: z.string().nullable(),
      quantity: z.int().nullable(),
      unit: z.string().nullable(),
      needed_by: z.string().nullable(),
    }),
  ),
  problems: z.array(problemView),
  approvals: z.array(
    z.object({
      step_id: z.string(),
      position: z.int(),
      approver: z.string(),
      rule: z.string(),
      state: z.string(),
      due_at: z.string().nullable(),
    }),
  ),
  response: z
    .object({
      response_id: z.string(),
      outcome: z.string(),
      document: documentView.nullable(),
    })
    .nullable(),
});

export const stepView = z.object({
  at: z.string(),
  actor: z.string(),
  actor_kind: z.string(),
  action: z.string(),
  subject: z.string(),
  reason: z.string().nullable(),
  after: z.unknown(),
  trace: z.string(),
});

export function requestSummary(row: RequestRow): z.output<typeof summaryView> {
  return {
    request_id: row.id,
    request_number: row.requestNumber,
    device_id: row.deviceId,
    requester: row.requester,
    region: row.region,
    status: row.status as RequestStatus,
    total: row.total === null ? null : { amount: row.total, currency: row.currency },
    order_id: row.orderId,
    reason: row.reason,
    created_at: row.createdAt,
    updated_at: row.updatedAt,
  };
}

export async function requestDetails(
  db: Database,
  { request, lines }: { request: RequestRow; lines: readonly RequestLineRow[] },
): Promise<z.output<typeof detailsView>> {
  const [steps, response] = await Promise.all([listSteps(db, request.id), findResponse(db, request.id)]);
  const upload = response ? await findCloudUpload(db, response.id) : null;
  return {
    ...requestSummary(request),
    needed_by: request.neededBy,
    note: request.note,
    version: request.version,
    lines: lines.map(({ line, sku, text, quantity, unit, neededBy }) => {
      return { line, sku, text, quantity, unit, needed_by: neededBy };
    }),
    problems: request.problems === null ? [] : z.array(problemView).parse(JSON.parse(request.problems)),
    approvals: steps.map((step) => ({
      step_id: step.id,
      position: step.position,
      approver: step.approver,
      rule: step.rule,
      state: step.state,
      due_at: step.dueAt,
    })),
    response: response
      ? {
          response_id: response.id,
          outcome: response.outcome,
          document: upload ? shownDocument(upload) : null,
        }
      : null,
  };
}
