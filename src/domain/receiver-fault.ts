/** A fault of a webhook's receiver: no answer, or one that says "later". Retryable, and held against the receiver's breaker. */
import { AppError } from "./errors.ts";

export class ReceiverFault extends AppError {
  /** Of the answer; null: none came. */
  readonly status: number | null;

  constructor(what: string, more: { status?: number; cause?: unknown; retryAfterSeconds?: number } = {}) {
    const { status, ...rest } = more;
    super("DEPENDENCY_FAILED", what, { retryable: true, ...rest });
    this.status = status ?? null;
  }
}
