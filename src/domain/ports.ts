/** Ports: an interface only where two adapters exist (the real one, and one that a test or the local start needs). */

/** Time. Everything that asks for the time or waits goes through it, so that a test can move it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Resolves after `ms` milliseconds of this clock. Used for deadlines only, never to retry. */
  after(ms: number): Promise<void>;
}

export interface PurchaseOrderLineDraft {
  readonly sku: string;
  readonly quantity: number;
  /** Minor units per stock unit. */
  readonly unitPrice: number;
}

export interface SupplierAddress {
  readonly supplier: string;
  /** Base URL of the supplier's API. */
  readonly url: string;
  /** What signs the calls that write, `whsec_…`; of two, both sign. */
  readonly secrets: readonly string[];
}

export interface PurchaseOrderDraft extends SupplierAddress {
  /** `{order}:{supplier}`: the same key never makes a second purchase order. */
  readonly idempotencyKey: string;
  readonly orderId: string;
  readonly currency: string;
  readonly lines: readonly PurchaseOrderLineDraft[];
}

export interface PlacedPurchaseOrder {
  readonly reference: string;
  readonly status: "accepted" | "cancelled";
  /** As the supplier understood the order; whether these are our terms is for the caller to see. Money in minor units. */
  readonly confirmed: {
    readonly currency: string;
    readonly total: number;
    readonly lines: readonly PurchaseOrderLineDraft[];
  };
}

/**
 * A supplier. A refusal by the supplier (4xx) is a value; time-outs, 5xx and broken answers throw a retryable
 * `AppError`: whether the order was accepted is then unknown, and `findPurchaseOrder` tells.
 */
export interface SupplierGateway {
  placePurchaseOrder(
    draft: PurchaseOrderDraft,
  ): Promise<{ ok: true; order: PlacedPurchaseOrder } | { ok: false; reason: string }>;
  /** The purchase order made under this key, or null if the supplier has none. */
  findPurchaseOrder(at: SupplierAddress, idempotencyKey: string): Promise<PlacedPurchaseOrder | null>;
  /** Cancels every order under the key, but for `keep`. Cancelling what is cancelled, or was never placed, succeeds. */
  cancelPurchaseOrder(
    at: SupplierAddress,
    idempotencyKey: string,
    keep?: string,
  ): Promise<{ ok: true } | { ok: false; reason: string }>;
  health(at: SupplierAddress): Promise<boolean>;
}

/** Where response files may be kept; the row of each says which one it is for. */
export const DOCUMENT_STORES = ["archive", "sharepoint"] as const;
export type DocumentStoreName = (typeof DOCUMENT_STORES)[number];

export interface KeptDocument {
  /** Where a person finds it with a browser; null: the store has no such address. */
  readonly link: string | null;
}

/**
 * Where response files are kept. `put` replaces: the same path written twice is one document. Faults are `AppError`s;
 * after a retryable one it is unknown whether the document was kept.
 */
export interface DocumentStore {
  readonly name: DocumentStoreName;
  put(path: string, body: string, contentType: string): Promise<KeptDocument>;
  /** The document, parsed; null: there is none at this path. */
  read(path: string): Promise<unknown>;
  health(): Promise<boolean>;
}
