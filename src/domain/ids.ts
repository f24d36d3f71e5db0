/** Identifiers: UUIDv7 (RFC 9562) with a readable prefix, except natural keys (SKU, device, location). */
export const ID_PREFIXES = {
  request: "req",
  upload: "upl",
  order: "ord",
  purchaseOrder: "po",
  transfer: "trf",
  response: "res",
  command: "cmd",
  event: "evt",
  movement: "mov",
  lowMark: "low",
  approvalStep: "stp",
  ballot: "bal",
  agentRun: "run",
  notification: "ntf",
  discrepancy: "dsc",
  session: "ses",
  webhook: "whk",
  webhookDelivery: "whd",
  invariantReport: "inv",
  deadLetter: "dlt",
} as const;

export type IdKind = keyof typeof ID_PREFIXES;

/** Makes a new id of the kind: `ord_0199…`. Comes from the container, so that a test can fix it. */
export type NewId = (kind: IdKind) => string;
