/**
 * Stock as a sequential machine: two parts at one place, three bins each, and orders that reserve, ship and come back.
 * What the ledger answers must be what this would, call by call.
 */

export const BINS = ["Bin-1", "Bin-2", "Bin-3"] as const;
export const PARTS = [0, 1] as const;

/** By part. */
export type Quantities = readonly [number, number];

export interface LevelAnswer {
  readonly on_hand: number;
  readonly reserved: number;
  readonly version: number;
}

export interface BinPick {
  readonly part: number;
  readonly bin: number;
  readonly quantity: number;
}

interface Level extends LevelAnswer {
  readonly bins: readonly number[];
}

export interface StockState {
  readonly levels: readonly Level[];
  /** By order: what became of its reservation, and the bins that it was picked from. */
  readonly orders: readonly {
    readonly state: "none" | "open" | "used" | "released" | "reversed";
    readonly picks: readonly BinPick[];
  }[];
  /** What each key was answered: the same again, whoever asks. */
  readonly answers: Readonly<Record<string, string>>;
}

/** A change of what lies in a bin, or a step of an order. */
export type Change =
  | { readonly kind: "change"; readonly part: number; readonly bin: number; readonly quantity: number }
  | { readonly kind: "reserve" | "release" | "ship" | "reverse"; readonly order: number };
export type Read = { readonly kind: "level" | "bins"; readonly part: number };
export type Op = Change | Read;

export const isRead = (op: Op): op is Read => op.kind === "level" || op.kind === "bins";

/**
 * What the caller of a change was told. `nothing`: it found nothing to do, and asked for no change; `unknown`: the line broke;
 * `failed`: a fault of the product's own, which nobody may ever be told.
 */
export type Told =
  | { readonly as: "applied"; readonly levels: string }
  | { readonly as: "refused"; readonly code: string }
  | { readonly as: "nothing" | "unknown" | "failed" };

/** How the levels stand, as an answer tells it. */
export function levelsOf(state: StockState): string {
  return JSON.stringify(state.levels.map(({ on_hand, reserved, version }) => ({ on_hand, reserved, version })));
}

export function opening(stock: readonly (readonly number[])[], orders: number): StockState {
  return {
    levels: stock.map((bins) => ({ on_hand: sum(bins), reserved: 0, version: 1, bins })),
    orders: Array.from({ length: orders }, () => ({ state: "none" as const, picks: [] })),
    answers: {},
  };
}

const sum = (list: readonly number[]) => list.reduce((total, one) => total + one, 0);

const refused = (code: string) => ({ code });
type Done = StockState | { readonly code: string };

/** The state after the change, or the code with which it is refused. `demand`: by order. */
export function carryOut(
  state: StockState,
  op: Change,
  demand: readonly Quantities[],
  picks: readonly BinPick[],
): Done {
  if (op.kind === "change") return changeBin(state, op);
  const wanted = demand[op.order] ?? [0, 0];
  const order = state.orders[op.order]?.state ?? "none";
  if (op.kind === "reserve") {
    if (state.levels.some((level, part) => level.on_hand - level.reserved < (wanted[part] ?? 0)))
      return refused("INSUFFICIENT_STOCK");
    if (order !== "none" && order !== "released") return refused("CONFLICT");
    return withOrder(
      withLevels(state, wanted, (level, q) => ({ ...level, reserved: level.reserved + q })),
      op.order,
      "open",
    );
  }
  if (op.kind === "release") {
    if (order !== "open") return state;
    const given = withLevels(state, wanted, (level, q) => ({ ...level, reserved: level.reserved - q }));
    return withOrder(given, op.order, "released");
  }
  if (op.kind === "ship") {
    if (order !== "open") return refused("RESERVATION_GONE");
    if (picks.some((pick) => (state.levels[pick.part]?.bins[pick.bin] ?? 0) < pick.quantity))
      return refused("CONFLICT");
    const left = withLevels(state, wanted, (level, q, part) => ({
      ...level,
      on_hand: level.on_hand - q,
      reserved: level.reserved - q,
      bins: moved(level.bins, part, picks, -1),
    }));
    return withOrder(left, op.order, "used", picks);
  }
  if (order !== "used") return refused("CONFLICT");
  const back = state.orders[op.order]?.picks ?? [];
  const came = withLevels(state, wanted, (level, q, part) => ({
    ...level,
    on_hand: level.on_hand + q,
    bins: moved(level.bins, part, back, 1),
  }));
  return withOrder(came, op.order, "reversed");
}

function changeBin(state: StockState, { part, bin, quantity }: Extract<Change, { kind: "change" }>): Done {
  const level = state.levels[part];
  if (!level) return refused("NO_SUCH_PART");
  if (quantity < 0 && level.on_hand + quantity < level.reserved) return refused("INSUFFICIENT_STOCK");
  if (quantity < 0 && (level.bins[bin] ?? 0) + quantity < 0) return refused("INSUFFICIENT_STOCK");
  const changed = { part, bin, quantity };
  return withLevels(state, PARTS.map((one) => (one === part ? quantity : 0)) as unknown as Quantities, (one) => ({
    ...one,
    on_hand: one.on_hand + quantity,
    bins: moved(one.bins, part, [changed], 1),
  }));
}

function withLevels(
  state: StockState,
  by: Quantities,
  change: (level: Level, q: number, part: number) => Level,
): StockState {
  const levels = state.levels.map((level, part) => {
    const q = by[part] ?? 0;
    return q === 0 ? level : { ...change(level, q, part), version: level.version + 1 };
  });
  return { ...state, levels };
}

function withOrder(
  state: StockState,
  order: number,
  to: StockState["orders"][number]["state"],
  picks = state.orders[order]?.picks ?? [],
): StockState {
  return { ...state, orders: state.orders.map((one, at) => (at === order ? { state: to, picks } : one)) };
}

function moved(bins: readonly number[], part: number, picks: readonly BinPick[], sign: 1 | -1): number[] {
  return bins.map(
    (quantity, bin) =>
      quantity +
      sign * sum(picks.filter((pick) => pick.part === part && pick.bin === bin).map((pick) => pick.quantity)),
  );
}

/** True when picking could find too little in the bins now. */
export function isShort(state: StockState, wanted: Quantities): boolean {
  return state.levels.some((level, part) => level.on_hand < (wanted[part] ?? 0));
}
