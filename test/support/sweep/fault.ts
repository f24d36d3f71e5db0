/** The five faults of one I/O call, and the keys that name a run so that it can be played again. */

export const FAULT_KINDS = ["crash-before", "crash-after", "late", "twice", "delayed"] as const;

/**
 * `crash-before`, `crash-after`: whoever calls dies before the call, or when it is done and its answer on the way. `late`: the caller
 * is told of a time-out, and the call is carried out later. `twice`: it is carried out two times, and the caller gets the
 * second's answer. `delayed`: what else is due happens first, then the call is carried out and answered.
 */
export type FaultKind = (typeof FAULT_KINDS)[number];

/** `point`: who calls what, and for the how many-th time in the run. */
export interface Fault {
  readonly kind: FaultKind;
  readonly point: string;
}

/** A run is a flow, the seed of its schedule, and its faults. */
export interface RunKey {
  readonly flow: string;
  readonly seed: number;
  readonly faults: readonly Fault[];
}

export function formatRunKey({ flow, seed, faults }: RunKey): string {
  return [`${flow}/${seed}`, ...faults.map(({ kind, point }) => `${kind}@${point}`)].join(" | ");
}

export function parseRunKey(text: string): RunKey {
  const [head = "", ...rest] = text.split(" | ");
  const [flow = "", seed = ""] = head.trim().split("/");
  if (flow === "" || !/^\d+$/.test(seed)) throw new Error(`not the key of a run: ${text}`);
  return { flow, seed: Number(seed), faults: rest.map(parseFault) };
}

function parseFault(text: string): Fault {
  const at = text.indexOf("@");
  const kind = FAULT_KINDS.find((one) => one === text.slice(0, at).trim());
  if (!kind) throw new Error(`not a fault: ${text}`);
  return { kind, point: text.slice(at + 1).trim() };
}
