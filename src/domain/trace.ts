/** Who acts and under which trace: carried from the request through every event and audit row it causes. */

export type ActorKind = "person" | "device" | "agent" | "rule" | "system";

export interface Actor {
  readonly id: string;
  readonly kind: ActorKind;
}

/** W3C trace context (https://www.w3.org/TR/trace-context/) and the id that ties one job's events together. */
export interface Trace {
  readonly traceparent: string;
  readonly correlationId: string;
}

const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Goes on with the caller's trace if its header is well-formed, else starts one from 24 random bytes as hex. */
export function traceFrom(header: string | null | undefined, randomHex48: string): Trace {
  const traceparent =
    header && TRACEPARENT.test(header)
      ? `${header.slice(0, 36)}${randomHex48.slice(32, 48)}${header.slice(52)}`
      : `00-${randomHex48.slice(0, 32)}-${randomHex48.slice(32, 48)}-01`;
  return { traceparent, correlationId: traceIdOf(traceparent) };
}

export function traceIdOf(traceparent: string): string {
  return traceparent.slice(3, 35);
}
