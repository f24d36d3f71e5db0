/**
 * PartsSpecialist: from the sender's lines to parts of the catalogue. Rules resolve what is certain; an engine may
 * choose among the candidates of an ambiguous line, and nothing else. What stays open goes back to the requester.
 */
import { resolveChoice, resolveLine, type PartCandidate, type Resolution } from "../domain/parts-resolution.ts";
import {
  senderLines,
  type RequestContext,
  type ResolvedLine,
  type RuleHit,
  type UnresolvedLine,
} from "../domain/request-context.ts";
import type { RequestLine } from "../domain/request-line.ts";
import { hitForLines, traced, type AgentResult } from "./agent-trace.ts";
import type { Advice, DecisionEngine, OpenLine } from "./engine.ts";

export interface PartsFacts {
  /** By line: the parts that may be meant and, among them, their successors. Rows of the catalogue only. */
  readonly candidates: ReadonlyMap<number, readonly PartCandidate[]>;
}

export interface ResolvedSection {
  readonly lines: ResolvedLine[];
  readonly unresolved: UnresolvedLine[];
}

/** All that the lines' parts rest on but the advice. A part that several lines may mean is there once. */
export interface PartsInput {
  readonly lines: readonly RequestLine[];
  readonly parts: readonly PartCandidate[];
  /** By line: the SKUs of its candidates. */
  readonly candidates: readonly (readonly [line: number, skus: readonly string[]])[];
}

/** Resolves every line. Order of the result: that of the lines. */
export function resolveParts(
  context: RequestContext,
  { candidates }: PartsFacts,
  engine: DecisionEngine,
): Promise<AgentResult<ResolvedSection>> {
  const parts = new Map([...candidates.values()].flat().map((part) => [part.sku, part]));
  const skus = [...candidates].map(([line, of]) => [line, of.map(({ sku }) => sku)] as const);
  return decideParts({ lines: senderLines(context), parts: [...parts.values()], candidates: skus }, engine);
}

export async function decideParts(input: PartsInput, engine: DecisionEngine): Promise<AgentResult<ResolvedSection>> {
  const { lines } = input;
  const parts = new Map(input.parts.map((part) => [part.sku, part]));
  const candidates = new Map(
    input.candidates.map(([line, skus]) => [line, skus.flatMap((sku) => parts.get(sku) ?? [])]),
  );
  const candidatesOf = (line: number) => candidates.get(line) ?? [];
  const byRules = lines.map((line) => ({ line, resolution: resolveLine(line, candidatesOf(line.line)) }));
  const open = byRules.flatMap(({ line, resolution }) => openLine(line, resolution, candidatesOf(line.line)));
  const advice = open.length > 0 ? await engine.advise("PartsSpecialist", { kind: "choose_parts", lines: open }) : null;
  const refused: number[] = [];
  const resolutions = byRules.map(({ line, resolution }) => {
    const choice = advice?.choices.find((one) => one.line === line.line);
    if (!choice) return resolution;
    const offered = open.find((one) => one.line === line.line)?.candidates.map((part) => part.sku) ?? [];
    const chosen = resolveChoice(line, choice.sku, offered, candidatesOf(line.line));
    if (chosen === null) refused.push(line.line);
    return chosen ?? resolution;
  });
  const section = sectionOf(resolutions);
  const override = overrideReason(advice, refused);
  return traced(section, {
    agent: "PartsSpecialist",
    decision: "resolve_parts",
    engine: advice === null ? "rules" : engine.name,
    input,
    advice,
    ruleHits: hitsOf(section),
    final: {
      resolved: section.lines.map(({ line, sku, quantity, how }) => ({ line, sku, quantity, how })),
      unresolved: section.unresolved.map(({ line, kind }) => ({ line, kind })),
    },
    ...(override === null ? {} : { overrideReason: override }),
  });
}

/** The question about a line, if it is one for the engine: free text, ambiguous, with candidates to choose from. */
function openLine(line: RequestLine, resolution: Resolution, candidates: readonly PartCandidate[]): OpenLine[] {
  if (resolution.ok || resolution.line.kind !== "ambiguous" || line.text === undefined) return [];
  const offered = resolution.line.suggestions.flatMap(({ sku, name }) => {
    const part = candidates.find((candidate) => candidate.sku === sku);
    return part ? [{ sku, name, description: part.description }] : [];
  });
  return offered.length > 0 ? [{ line: line.line, text: line.text, candidates: offered }] : [];
}

function sectionOf(resolutions: readonly Resolution[]): ResolvedSection {
  const section: ResolvedSection = { lines: [], unresolved: [] };
  for (const resolution of resolutions) {
    if (resolution.ok) section.lines.push(resolution.line);
    else section.unresolved.push(resolution.line);
  }
  return section;
}

function hitsOf(section: ResolvedSection): RuleHit[] {
  const hits: RuleHit[] = [];
  for (const [how, lines] of Map.groupBy(section.lines, (line) => line.how)) {
    hits.push(
      hitForLines(
        `resolved-by-${how}`,
        "Resolved",
        lines.map((line) => line.line),
      ),
    );
  }
  for (const [kind, lines] of Map.groupBy(section.unresolved, (line) => line.kind)) {
    hits.push(
      hitForLines(
        `unresolved-${kind.replaceAll("_", "-")}`,
        "Back to the requester",
        lines.map((line) => line.line),
      ),
    );
  }
  return hits;
}

function overrideReason(advice: Advice | null, refused: readonly number[]): string | null {
  const reasons = [
    ...(advice?.failure === undefined ? [] : [`The engine failed, the rules' answer holds: ${advice.failure}`]),
    ...(refused.length === 0 ? [] : [`Choices outside the candidates were refused: line ${refused.join(", ")}.`]),
  ];
  return reasons.length === 0 ? null : reasons.join(" ");
}
