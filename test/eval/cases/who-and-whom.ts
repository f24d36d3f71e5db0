/** C1 to C3, D1 and D2: who asks, where, and from whom it is bought. */
import type { EvalCase } from "../case.ts";
import { ask, mixed } from "./asking.ts";

const NORTH = ["manager-north"];
const NORTH_AREA = ["manager-north", "manager-area"];
const CONFIRMED = { who: "finance-1", withFirst: true } as const;

export const WHO_AND_WHOM_CASES: readonly EvalCase[] = [
  ask("C1-at", "erp-self-60000", "1,000.00", { level: "auto", silent: ["C1", "A2"] }),
  ask("C1-above", "erp-self-60000", "1,000.01", { level: "one", approvers: NORTH, asks: ["C1"], silent: ["A2"] }),
  ask("C1-above-no-limit", "erp", "1,000.01", { level: "one", approvers: NORTH, asks: ["A2", "C1"] }),
  ask("C1-technician", "tech-north", "1,000.01", { level: "one", silent: ["C1"] }),
  ask("C1-device", "truck-north", "25,000.01", { level: "one", approvers: NORTH_AREA, silent: ["C1"] }),
  ask("C1-two-at", "erp", "25,000.00", { level: "one", approvers: NORTH_AREA, asks: ["C1"] }),
  ask("C1-two-above", "erp", "25,000.01", { level: "two", approvers: NORTH_AREA, asks: ["C1"], silent: ["A3"] }),
  ask("C1-two-above-self", "erp-self-60000", "25,000.01", { level: "two", approvers: NORTH_AREA, asks: ["C1"] }),
  ask(
    "C1-in-west",
    "erp",
    "25,000.01",
    { level: "two", approvers: ["manager-west", "manager-area"] },
    { region: "west" },
  ),
  ask("C2-under", "tech-south", "19,999.99", { level: "one", silent: ["C2"] }),
  ask("C2-at", "tech-south", "20,000.00", {
    level: "one",
    approvers: ["manager-south", "manager-area"],
    silent: ["C2"],
  }),
  ask("C2-above", "tech-south", "20,000.01", {
    level: "two",
    approvers: ["manager-south", "manager-area"],
    asks: ["C2"],
    silent: ["A3"],
  }),
  ask("C2-above-self", "tech-south-self-60000", "20,000.01", { level: "two", asks: ["C2"], silent: ["A2"] }),
  ask("C2-above-device", "truck-south", "20,000.01", { level: "two", asks: ["C2"] }),
  ask("C2-in-north", "tech-north", "20,000.01", { level: "one", approvers: NORTH_AREA, silent: ["C2"] }),
  ask("C2-in-east", "tech-east", "20,000.01", { level: "one", silent: ["C2"], finance: null }),
  ask("C2-in-west", "tech-west", "20,000.01", { level: "one", silent: ["C2"] }),
  ask("C3-at", "tech-east", ["5,000.00", "from-acme"], { level: "one", finance: null, silent: ["C3"] }),
  ask("C3-above", "tech-east", ["5,000.01", "from-acme"], {
    level: "one",
    approvers: ["manager-east", "manager-area"],
    finance: CONFIRMED,
    asks: ["C3"],
  }),
  ask("C3-above-device", "truck-east", ["5,000.01", "from-acme"], { level: "one", finance: CONFIRMED, asks: ["C3"] }),
  ask("C3-above-self", "tech-east-self-60000", ["5,000.01", "from-acme"], { finance: CONFIRMED, asks: ["C3"] }),
  ask("C3-from-stock", "tech-east", "5,000.01", { level: "one", finance: null, silent: ["C3"] }),
  ask("C3-part-bought-at", "tech-east", mixed(["4,000.00", "plain"], ["5,000.00", "from-acme"]), {
    level: "one",
    finance: null,
    silent: ["C3"],
  }),
  ask("C3-part-bought-above", "tech-east", mixed(["4,000.00", "plain"], ["5,000.01", "from-acme"]), {
    level: "one",
    finance: CONFIRMED,
  }),
  ask("C3-freight-at", "tech-east", ["4,990.00", "from-harbor"], { level: "one", finance: null, silent: ["C3"] }),
  ask("C3-freight-above", "tech-east", ["4,990.01", "from-harbor"], { level: "one", finance: CONFIRMED, asks: ["C3"] }),
  ask("C3-in-north", "tech-north", ["5,000.01", "from-acme"], { level: "one", finance: null, silent: ["C3"] }),
  ask("C3-in-south", "tech-south", ["5,000.01", "from-acme"], { level: "one", finance: null, silent: ["C3"] }),
  ask("C3-and-two", "tech-east", ["50,000.01", "from-acme"], { level: "two", finance: CONFIRMED, asks: ["A3", "C3"] }),
  ask(
    "C3-no-finance",
    "tech-east",
    ["5,000.01", "from-acme"],
    { outcome: "needs_attention" },
    { roster: "no-finance", why: "finance has to confirm, and nobody is of finance: it isn't approved without" },
  ),

  ask("D1-least", "tech-north", ["0.01", "from-ironwood"], { level: "one", approvers: NORTH, asks: ["D1"] }),
  ask("D1-self", "tech-self-500", ["50.00", "from-ironwood"], { level: "one", asks: ["D1"], silent: ["A2"] }),
  ask("D1-rating-5", "tech-north", ["0.01", "from-lakeshore"], { level: "one", asks: ["D1"] }),
  ask("D1-rating-4-not-preferred", "tech-north", ["0.01", "from-keystone"], { level: "one", asks: ["D1"] }),
  ask("D1-rating-3", "tech-north", ["100.00", "from-granite"], { level: "auto", silent: ["D1"] }),
  ask("D1-rating-3-not-preferred", "tech-north", ["100.00", "from-eastgate"], { level: "auto", silent: ["D1", "D2"] }),
  ask("D1-rating-1", "tech-north", ["100.00", "from-acme"], { level: "auto", silent: ["D1"] }),
  ask("D1-two-at", "tech-north", ["10,000.00", "from-ironwood"], { level: "one", approvers: NORTH_AREA, asks: ["D1"] }),
  ask("D1-two-above", "tech-north", ["10,000.01", "from-ironwood"], {
    level: "two",
    approvers: NORTH_AREA,
    asks: ["D1"],
  }),
  ask("D1-two-above-rating-5", "tech-north", ["10,000.01", "from-lakeshore"], { level: "two", asks: ["D1"] }),
  ask("D1-two-rating-3", "tech-north", ["10,000.01", "from-granite"], { level: "one", silent: ["D1"] }),
  ask("D1-part-of-it", "tech-north", mixed(["9,000.00", "plain"], ["2,000.00", "from-ironwood"]), {
    level: "one",
    asks: ["D1"],
  }),
  ask("D1-beside-good", "tech-north", mixed(["50.00", "from-acme"], ["0.01", "from-lakeshore"]), {
    level: "one",
    asks: ["D1"],
    silent: ["A2"],
  }),
  ask("D2-at", "tech-north", ["5,000.00", "from-eastgate"], { level: "one", asks: ["A2"], silent: ["D2"] }),
  ask("D2-above", "tech-north", ["5,000.01", "from-eastgate"], { level: "one", approvers: NORTH_AREA, asks: ["D2"] }),
  ask("D2-above-self", "tech-self-60000", ["5,000.01", "from-eastgate"], {
    level: "one",
    asks: ["D2"],
    silent: ["A2"],
  }),
  ask("D2-together", "tech-north", mixed(["3,000.00", "from-eastgate"], ["2,000.01", "from-fjord"]), {
    level: "one",
    asks: ["D2"],
  }),
  ask("D2-together-at", "tech-north", mixed(["3,000.00", "from-eastgate"], ["2,000.00", "from-fjord"]), {
    level: "one",
    silent: ["D2"],
  }),
  ask("D2-with-preferred", "tech-north", mixed(["5,000.00", "from-eastgate"], ["900.00", "from-acme"]), {
    level: "one",
    silent: ["D2"],
  }),
  ask("D2-preferred", "tech-north", ["5,000.01", "from-granite"], { level: "one", silent: ["D2"] }),
  ask("D2-from-stock", "tech-north", "5,000.01", { level: "one", silent: ["D2"] }),
];
