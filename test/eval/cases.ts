/** Every labelled case of the evaluation. Their ids are unique; each follows from a clause of `design/approval-policy.md`. */
import type { EvalCase } from "./case.ts";
import { AMOUNT_CASES } from "./cases/amount.ts";
import { APPROVER_CASES } from "./cases/approvers.ts";
import { WHO_AND_WHOM_CASES } from "./cases/who-and-whom.ts";
import { WINDOW_CASES } from "./cases/windows.ts";

export const EVAL_CASES: readonly EvalCase[] = [
  ...AMOUNT_CASES,
  ...WHO_AND_WHOM_CASES,
  ...WINDOW_CASES,
  ...APPROVER_CASES,
];
