/**
 * The definitions of the order saga by version: which steps an order goes through, in which order. An order ends under the
 * definition that it began under, so one that was ever deployed is never changed or taken away: a new one is added.
 */
import type { StepName } from "./saga-state.ts";

export interface SagaDefinition {
  readonly version: number;
  /** `purchase`: one for each supplier of the order. */
  readonly steps: readonly ("create" | "reserve" | "purchase" | "move" | "complete")[];
}

export interface SagaDefinitions {
  /** Of the orders that begin now. */
  readonly current: number;
  readonly known: readonly SagaDefinition[];
}

export const SAGA_DEFINITIONS: SagaDefinitions = {
  current: 1,
  known: [{ version: 1, steps: ["create", "reserve", "purchase", "move", "complete"] }],
};

/** Undefined: begun by a version that is newer than this one. */
export function definitionOf({ known }: SagaDefinitions, version: number): SagaDefinition | undefined {
  return known.find((definition) => definition.version === version);
}

/** The steps of an order in their order. */
export function plannedSteps({ steps }: SagaDefinition, suppliers: readonly string[]): StepName[] {
  return steps.flatMap((step): StepName[] =>
    step === "purchase" ? suppliers.map((supplier): StepName => `purchase:${supplier}`) : [step],
  );
}
