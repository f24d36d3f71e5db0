/** A1 to A5 and B1 to B3: what the total and the parts ask for, at each limit and beside it. */
import type { EvalCase } from "../case.ts";
import { UNPRICED } from "../fleet/measured.ts";
import { ask, mixed } from "./asking.ts";

const FREE = { sku: UNPRICED.sku, quantity: 1 };
const NORTH = ["manager-north"];
const NORTH_AREA = ["manager-north", "manager-area"];
const UP_TO_CHIEF = ["manager-north", "manager-area", "manager-chief"];
const WITH_FINANCE = { who: "finance-1" };

export const AMOUNT_CASES: readonly EvalCase[] = [
  ask("A1-least", "tech-north", "0.01", { level: "auto", outcome: "auto", silent: ["A2"] }),
  ask("A1-under", "tech-north", "99.99", { level: "auto", outcome: "auto", silent: ["A2"] }),
  ask("A1-at", "tech-north", "100.00", { level: "auto", outcome: "auto", silent: ["A2"] }),
  ask("A1-at-device", "truck-north", "100.00", { level: "auto", outcome: "auto", silent: ["A2"] }),
  ask("A1-at-integrator", "erp", "100.00", { level: "auto", outcome: "auto", silent: ["A2", "C1"] }),
  ask("A1-at-south", "tech-south", "100.00", { level: "auto", outcome: "auto", silent: ["C2"] }),
  ask("A1-at-bought", "tech-north", ["100.00", "from-acme"], { level: "auto", sources: { "ACME-100": "acme" } }),
  ask("A1-freight-at", "tech-north", ["90.00", "from-harbor"], { level: "auto", silent: ["A2"] }, { why: "90 and 10" }),
  ask("A2-freight-above", "tech-north", ["90.01", "from-harbor"], { level: "one", asks: ["A2"] }, { why: "100.01" }),
  ask("A2-above", "tech-north", "100.01", { level: "one", outcome: "steps", approvers: NORTH, asks: ["A2"] }),
  ask("A2-above-device", "truck-north", "100.01", { level: "one", approvers: NORTH, asks: ["A2"], finance: null }),
  ask("A2-above-integrator", "erp", "100.01", { level: "one", approvers: NORTH, asks: ["A2"], silent: ["C1"] }),
  ask("A2-above-west", "tech-west", "100.01", { level: "one", approvers: ["manager-west"], asks: ["A2"] }),
  ask("A2-self-under", "tech-self-500", "499.99", { level: "auto", outcome: "auto", silent: ["A2"] }),
  ask("A2-self-at", "tech-self-500", "500.00", { level: "auto", outcome: "auto", silent: ["A2"] }),
  ask("A2-self-above", "tech-self-500", "500.01", { level: "one", approvers: NORTH, asks: ["A2"] }),
  ask("A2-self-large", "tech-self-5000", "1,000.00", { level: "auto", silent: ["A2", "E1"] }),
  ask(
    "A2-self-large-window",
    "tech-self-5000",
    "1,000.01",
    { level: "one", approvers: NORTH, asks: ["E1"], silent: ["A2"] },
    { why: "the limit of 5,000.00 waives A2; what is approved by nobody else is above 1,000.00 within 24 h" },
  ),
  ask("A2-limit-of-approver", "tech-north", "5,000.00", { level: "one", approvers: NORTH, finance: null }),
  ask("A3-under", "tech-north", "49,999.99", { level: "one", approvers: NORTH_AREA, silent: ["A3"] }),
  ask("A3-at", "tech-north", "50,000.00", { level: "one", approvers: NORTH_AREA, silent: ["A3"] }),
  ask("A3-above", "tech-north", "50,000.01", { level: "two", approvers: NORTH_AREA, asks: ["A3"], finance: null }),
  ask("A3-above-self", "tech-self-60000", "50,000.01", { level: "two", approvers: NORTH_AREA, asks: ["A3"] }),
  ask("A3-above-device", "truck-north", "50,000.01", { level: "two", approvers: NORTH_AREA, asks: ["A3"] }),
  ask("A3-above-west", "tech-west", "50,000.01", { level: "two", approvers: ["manager-west", "manager-area"] }),
  ask("A4-under", "tech-north", "249,999.99", { level: "two", approvers: UP_TO_CHIEF, finance: null, silent: ["A4"] }),
  ask("A4-at", "tech-north", "250,000.00", { level: "two", approvers: UP_TO_CHIEF, finance: null, silent: ["A4"] }),
  ask("A4-above", "tech-north", "250,000.01", {
    level: "two_finance",
    approvers: UP_TO_CHIEF,
    finance: WITH_FINANCE,
    asks: ["A4"],
  }),
  ask("A4-above-west", "tech-west", "250,000.01", { level: "two_finance", finance: WITH_FINANCE, asks: ["A4"] }),
  ask("A5-under", "tech-north", "999,999.99", { level: "two_finance", finance: WITH_FINANCE, silent: ["A5"] }),
  ask("A5-at", "tech-north", "1,000,000.00", { level: "two_finance", finance: WITH_FINANCE, silent: ["A5"] }),
  ask("A5-above", "tech-north", "1,000,000.01", { level: "reject", outcome: "reject", asks: ["A5"] }),
  ask("A5-above-device", "truck-north", "1,000,000.01", { level: "reject", outcome: "reject", asks: ["A5"] }),
  ask("A5-above-integrator", "erp", "1,000,000.01", { level: "reject", outcome: "reject", asks: ["A5"] }),

  ask("B1-at", "tech-self-5000", ["1,000.00", "electronics"], { level: "auto", silent: ["B1", "A2"] }),
  ask("B1-above", "tech-self-5000", ["1,000.01", "electronics"], { level: "one", approvers: NORTH, asks: ["B1"] }),
  ask("B1-above-no-limit", "tech-north", ["1,000.01", "electronics"], { level: "one", asks: ["A2", "B1"] }),
  ask("B1-at-no-limit", "tech-north", ["1,000.00", "electronics"], { level: "one", asks: ["A2"], silent: ["B1"] }),
  ask("B1-other-category", "tech-north", "1,000.01", { level: "one", asks: ["A2"], silent: ["B1"] }),
  ask("B1-little-of-it", "tech-self-5000", mixed(["1,000.00", "plain"], ["0.01", "electronics"]), {
    level: "one",
    asks: ["B1"],
  }),
  ask("B1-little-at", "tech-self-5000", mixed(["999.99", "plain"], ["0.01", "electronics"]), {
    level: "auto",
    silent: ["B1"],
  }),
  ask("B2-alone", "tech-north", [FREE], { level: "one", approvers: NORTH, asks: ["B2"], silent: ["A2"] }),
  ask("B2-self", "tech-self-5000", [FREE], { level: "one", approvers: NORTH, asks: ["B2"] }),
  ask("B2-beside-others", "tech-north", [FREE, { sku: "PLAIN-1", quantity: 5 }], { level: "one", asks: ["B2"] }),
  ask("B2-priced", "tech-north", [{ sku: "PLAIN-1", quantity: 5 }], { level: "auto", silent: ["B2"] }),
  ask("B2-with-two", "tech-north", [FREE, { sku: "PLAIN-10K", quantity: 6 }], { level: "two", asks: ["A3", "B2"] }),
  ask("B3-at", "tech-self-5000", ["500.00", "discontinued"], { level: "auto", silent: ["B3", "A2"] }),
  ask("B3-above", "tech-self-5000", ["500.01", "discontinued"], { level: "one", approvers: NORTH, asks: ["B3"] }),
  ask("B3-above-no-limit", "tech-north", ["500.01", "discontinued"], { level: "one", asks: ["A2", "B3"] }),
  ask("B3-cheap", "tech-north", ["100.00", "discontinued"], { level: "auto", silent: ["A2", "B3"] }),
  ask("B3-in-production", "tech-self-5000", "500.01", { level: "auto", silent: ["B3"] }),
  ask("B3-little-of-it", "tech-self-5000", mixed(["500.00", "plain"], ["0.01", "discontinued"]), {
    level: "one",
    asks: ["B3"],
  }),
];
