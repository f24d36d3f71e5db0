/**
 * The engine of recorded answers: the same question gets the answer that it got before, found by the question's hash. A
 * question that was never asked gets none, and says so.
 */
import { canonicalJson } from "../domain/canonical-json.ts";
import { NO_ADVICE, type Advice, type AgentName, type DecisionEngine, type Question } from "./engine.ts";

type Sha256 = (text: string) => Promise<string>;

/** `name` is of the engine whose answers these are; the recorded advice carries the hash of its question. */
export function replayEngine(name: string, recorded: readonly Advice[], sha256: Sha256): DecisionEngine {
  const answers = new Map(recorded.map((advice) => [advice.asked, advice]));
  return {
    name,
    advise: async (agent, question) => {
      const asked = await hashOfQuestion(agent, question, sha256);
      return answers.get(asked) ?? { ...NO_ADVICE, failure: "No answer to this question is recorded.", asked };
    },
  };
}

/** The engine, with the question's hash in each advice: by it a recorded answer is found again. */
export function recordable(engine: DecisionEngine, sha256: Sha256): DecisionEngine {
  return {
    name: engine.name,
    advise: async (agent, question) => {
      const advice = await engine.advise(agent, question);
      return { ...advice, asked: await hashOfQuestion(agent, question, sha256) };
    },
  };
}

function hashOfQuestion(agent: AgentName, question: Question, sha256: Sha256): Promise<string> {
  return sha256(canonicalJson({ agent, question }));
}
