/**
 * The invariants of testing.md as SQL, numbered as there: each query's rows are its violations. They share no query with
 * the product, so that a mistake there isn't repeated here.
 */
import type { Check } from "./checks/check.ts";
import { ENDS, EVENTS, WAKES } from "./checks/event-checks.ts";
import { ORDERS, STOCK } from "./checks/stock-checks.ts";
import { APPROVALS, TRAIL } from "./checks/trail-checks.ts";

export const CHECKS: readonly Check[] = [...STOCK, ...ORDERS, ...EVENTS, ...ENDS, ...WAKES, ...TRAIL, ...APPROVALS];
