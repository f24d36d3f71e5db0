/**
 * The states of a parts request and the moves between them. A final state has no way out, and each final state is
 * answered by exactly one response.
 */
export const REQUEST_STATUSES = [
  "uploaded",
  "reading",
  "needs_clarification",
  "pricing",
  "routing",
  "awaiting_approval",
  "ordering",
  "completed",
  "rejected",
  "cancelled",
  "expired",
  "failed",
  "needs_attention",
] as const;

export type RequestStatus = (typeof REQUEST_STATUSES)[number];

/** The ends. Each gets a response row, `ResponseCreated` and `ResponseReady`. */
export const RESPONSE_OUTCOMES = ["completed", "rejected", "cancelled", "expired", "failed"] as const;
export type ResponseOutcome = (typeof RESPONSE_OUTCOMES)[number];

/**
 * From each status to where it may go. `needs_attention` is left by a person only: onward again, or to an end.
 * `awaiting_approval` goes back to `pricing` when what was to be approved changed, and to `needs_clarification` when an
 * approver asks the requester. Only what waits for a person can expire.
 */
export const REQUEST_TRANSITIONS: Readonly<Record<RequestStatus, readonly RequestStatus[]>> = {
  uploaded: ["reading", "rejected", "cancelled", "failed", "needs_attention"],
  reading: ["needs_clarification", "pricing", "rejected", "cancelled", "failed", "needs_attention"],
  needs_clarification: ["reading", "cancelled", "expired", "failed", "needs_attention"],
  pricing: ["needs_clarification", "routing", "rejected", "cancelled", "failed", "needs_attention"],
  routing: ["awaiting_approval", "ordering", "rejected", "cancelled", "failed", "needs_attention"],
  awaiting_approval: [
    "needs_clarification",
    "pricing",
    "ordering",
    "rejected",
    "cancelled",
    "expired",
    "failed",
    "needs_attention",
  ],
  ordering: ["completed", "cancelled", "failed", "needs_attention"],
  needs_attention: [
    "reading",
    "pricing",
    "routing",
    "awaiting_approval",
    "ordering",
    "completed",
    "rejected",
    "cancelled",
    "failed",
  ],
  completed: [],
  rejected: [],
  cancelled: [],
  expired: [],
  failed: [],
};

/** True when the request may move from one status to the other. Staying is no move. */
export function canMove(from: RequestStatus, to: RequestStatus): boolean {
  return REQUEST_TRANSITIONS[from].includes(to);
}

/** True when nothing more happens to the request: it has, or gets in the same batch, its response. */
export function isFinal(status: RequestStatus): status is ResponseOutcome {
  return REQUEST_TRANSITIONS[status].length === 0;
}

export function isRequestStatus(value: string): value is RequestStatus {
  return (REQUEST_STATUSES as readonly string[]).includes(value);
}
