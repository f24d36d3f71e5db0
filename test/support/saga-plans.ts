/** The steps that an order goes through under the definition of its journal. */
import { definitionOf, plannedSteps, SAGA_DEFINITIONS } from "../../src/domain/saga-definitions.ts";
import type { SagaState, StepName } from "../../src/domain/saga-state.ts";

export function plannedUnder(state: SagaState): StepName[] {
  const definition = definitionOf(SAGA_DEFINITIONS, state.definition);
  if (!definition) throw new Error(`nobody knows definition ${state.definition}`);
  return plannedSteps(definition, state.suppliers);
}
