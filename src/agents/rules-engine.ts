/**
 * The engine without a model: it has no opinion beyond the rules, which every agent applies anyway. No network, no
 * state.
 */
import { NO_ADVICE, type DecisionEngine } from "./engine.ts";

export const rulesEngine: DecisionEngine = {
  name: "rules",
  advise: () => Promise.resolve(NO_ADVICE),
};
