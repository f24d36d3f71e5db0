/**
 * Shares an order's purchases among suppliers so that all of it together costs least: goods and freight, which the parts
 * bought from one supplier share. Never dearer than choosing each part by itself. Up to PLANS_TRIED_ALL plans every one
 * is tried; beyond that it is a local search (each part moved by itself, then all turned to one supplier, or away from one),
 * which may miss a plan that needs parts of several suppliers to move at once.
 */
import type { Quote } from "./purchase-quote.ts";

export const PLANS_TRIED_ALL = 4_096;
/** How often the search gathers and avoids each supplier at most. */
const MAX_ROUNDS = 3;
/** Suppliers that are gathered and avoided, those that can deliver most parts first. */
const MAX_GATHERED = 24;

/** One way to cover what is needed of a part: mostly one quote, several where no single supplier sells so many. */
export type Cover = readonly Quote[];

/** Freight of a purchase order in the order's currency; `goods` in the supplier's. 0 for no lines. */
export type FreightOf = (supplier: string, goods: number, lines: number) => number;

interface Ledger {
  readonly put: (cover: Cover) => void;
  readonly take: (cover: Cover) => void;
  readonly total: () => number;
}

function ledger(freightOf: FreightOf): Ledger {
  const baskets = new Map<string, { goods: number; lines: number; freight: number }>();
  let total = 0;
  const change = (cover: Cover, sign: 1 | -1) => {
    for (const { offer, goods, amount } of cover) {
      const before = baskets.get(offer.supplier) ?? { goods: 0, lines: 0, freight: 0 };
      const after = { goods: before.goods + sign * goods, lines: before.lines + sign };
      const freight = freightOf(offer.supplier, after.goods, after.lines);
      baskets.set(offer.supplier, { ...after, freight });
      total += sign * amount + freight - before.freight;
    }
  };
  return { put: (cover) => change(cover, 1), take: (cover) => change(cover, -1), total: () => total };
}

export interface Plan {
  /** Index of the cover chosen for each part. */
  readonly choice: readonly number[];
  /** Goods and freight of the whole order. */
  readonly total: number;
  /** For each part: what the order would cost with another of its covers and everything else as chosen. */
  readonly others: readonly (readonly { readonly cover: number; readonly total: number }[])[];
}

/** `covers`: for each part at least one way, the best by itself first. Of plans that cost the same the first one wins. */
export function planPurchases(
  covers: readonly (readonly Cover[])[],
  freightOf: FreightOf,
  triedAll: number = PLANS_TRIED_ALL,
): Plan {
  const plans = covers.reduce((product, ways) => Math.min(product * ways.length, triedAll + 1), 1);
  const choice = plans <= triedAll ? cheapest(covers, freightOf) : search(covers, freightOf);
  const books = ledger(freightOf);
  choice.forEach((way, part) => books.put(coverAt(covers, part, way)));
  const others = covers.map((ways, part) => {
    const chosen = choice[part] ?? 0;
    books.take(coverAt(covers, part, chosen));
    const tried = ways.flatMap((cover, way) => {
      if (way === chosen) return [];
      books.put(cover);
      const total = books.total();
      books.take(cover);
      return [{ cover: way, total }];
    });
    books.put(coverAt(covers, part, chosen));
    return tried.sort((a, b) => a.total - b.total || a.cover - b.cover);
  });
  return { choice, total: books.total(), others };
}

function coverAt(covers: readonly (readonly Cover[])[], part: number, way: number): Cover {
  return covers[part]?.[way] ?? [];
}

function cheapest(covers: readonly (readonly Cover[])[], freightOf: FreightOf): number[] {
  const books = ledger(freightOf);
  const current: number[] = [];
  let best: { choice: number[]; total: number } | undefined;
  const walk = (part: number): void => {
    if (part === covers.length) {
      if (!best || books.total() < best.total) best = { choice: [...current], total: books.total() };
      return;
    }
    for (const [way, cover] of (covers[part] ?? []).entries()) {
      books.put(cover);
      current[part] = way;
      walk(part + 1);
      books.take(cover);
    }
  };
  walk(0);
  return best?.choice ?? [];
}

interface Found {
  readonly choice: readonly number[];
  readonly total: number;
}

function search(covers: readonly (readonly Cover[])[], freightOf: FreightOf): number[] {
  let best = descend(
    covers,
    covers.map(() => 0),
    freightOf,
  );
  const turns = turnsOf(reachOf(covers));
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const before = best.total;
    for (const fits of turns) {
      const turned = best.choice.map((way, part) => turn(covers[part] ?? [], way, fits));
      const found = descend(covers, turned, freightOf);
      if (found.total < best.total) best = found;
    }
    if (best.total === before) break;
  }
  return [...best.choice];
}

/** Suppliers by how many parts they can deliver. */
function reachOf(covers: readonly (readonly Cover[])[]): string[] {
  const reach = new Map<string, number>();
  for (const ways of covers) {
    for (const supplier of new Set(ways.flat().map((one) => one.offer.supplier)))
      reach.set(supplier, (reach.get(supplier) ?? 0) + 1);
  }
  return [...reach]
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, MAX_GATHERED)
    .map(([supplier]) => supplier);
}

type Fits = (cover: Cover) => boolean;

/** What is turned to: each supplier by itself, and everyone but one. */
function turnsOf(suppliers: readonly string[]): Fits[] {
  const only =
    (supplier: string): Fits =>
    (cover) =>
      cover.every((one) => one.offer.supplier === supplier);
  const without =
    (supplier: string): Fits =>
    (cover) =>
      cover.every((one) => one.offer.supplier !== supplier);
  return [...suppliers.map(only), ...suppliers.map(without)];
}

/** The best way by itself that fits, where there is one. */
function turn(ways: readonly Cover[], way: number, fits: Fits): number {
  const other = ways.findIndex(fits);
  return other === -1 ? way : other;
}

/** Moves part after part to the way that makes the whole cheapest, until no single move helps. */
function descend(covers: readonly (readonly Cover[])[], start: readonly number[], freightOf: FreightOf): Found {
  const books = ledger(freightOf);
  const choice = [...start];
  choice.forEach((way, part) => books.put(coverAt(covers, part, way)));
  for (let moved = true; moved;) {
    moved = false;
    for (const [part, ways] of covers.entries()) {
      const chosen = choice[part] ?? 0;
      let best = { way: chosen, total: books.total() };
      books.take(coverAt(covers, part, chosen));
      for (const [way, cover] of ways.entries()) {
        books.put(cover);
        if (books.total() < best.total) best = { way, total: books.total() };
        books.take(cover);
      }
      books.put(coverAt(covers, part, best.way));
      choice[part] = best.way;
      moved ||= best.way !== chosen;
    }
  }
  return { choice, total: books.total() };
}
