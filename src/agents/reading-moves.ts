/** From an uploaded file to an approval chain: RequestRouter, PartsSpecialist, SupplierMatcher, RequestRouter again. */
import { MAX_REQUEST_LINES } from "../config.ts";
import { findDevicePrincipal, findPersonPrincipal, listManagers } from "../db/queries/people.ts";
import { findUploadOf, insertRequestLines } from "../db/queries/requests.ts";
import { listAvailable, listCandidates, listOffers, listRates } from "../db/queries/sourcing.ts";
import { findLocation } from "../db/queries/stock.ts";
import { AppError, type InputProblem } from "../domain/errors.ts";
import { isoDate } from "../domain/iso-date.ts";
import { formatMoney } from "../domain/money.ts";
import { newRequestContext, senderLines, withTrusted, type RequestContext } from "../domain/request-context.ts";
import { pastDates, readRequestFile, type RequestFileResult } from "../domain/request-file.ts";
import type { RequestLine } from "../domain/request-line.ts";
import { askFirst } from "./approval-moves.ts";
import { byAgent, mustHave } from "./by-agent.ts";
import type { Loaded, Move, OrchestratorDeps } from "./move.ts";
import { endWith } from "./ending.ts";
import { resolveParts } from "./parts-specialist.ts";
import { routeApproval, routeRequest } from "./request-router.ts";
import { matchSuppliers } from "./supplier-matcher.ts";

/** uploaded → reading: reads the lines and checks that the requester may ask; a file that can't be read goes back. */
export async function nextUploadedMove(deps: OrchestratorDeps, loaded: Loaded): Promise<Move> {
  const { request } = loaded;
  const read = await readLines(deps, loaded);
  if (!read.ok) return readAndAskBack(loaded, read.problems);
  const neededBy = read.head.neededBy ?? request.neededBy;
  const past = pastDates({ neededBy, lines: read.lines }, deps.clock.now());
  // A body was asked about its dates when it came; what waited since then is late, not wrong.
  if (past.length > 0 && loaded.lines.length === 0) return readAndAskBack(loaded, past);
  const note = read.head.note ?? request.note;
  const context = newRequestContext(
    {
      id: request.id,
      requestNumber: request.requestNumber,
      deviceId: request.deviceId,
      requester: request.requester,
      region: request.region,
      destination: request.destination,
      neededBy,
      currency: request.currency,
      createdAt: request.createdAt,
    },
    note,
    read.lines,
  );
  const requester =
    (await findPersonPrincipal(deps.db, request.requester)) ?? (await findDevicePrincipal(deps.db, request.requester));
  const destination = await findLocation(deps.db, request.destination);
  const { section, trace } = routeRequest(context, { now: deps.clock.now(), requester, destination });
  const routed = withTrusted(context, { routed: section });
  if (!section.permitted) {
    return endWith(deps, loaded, routed, { status: "rejected", reason: section.reason, agents: [trace] });
  }
  return {
    change: {
      status: "reading",
      context: JSON.stringify(routed),
      ...(neededBy === null ? {} : { neededBy }),
      ...(note === null ? {} : { note }),
    },
    writes: loaded.lines.length > 0 ? [] : [insertRequestLines(request.id, read.lines)],
    audit: [byAgent(loaded, "RequestRouter", "request.read", { lines: read.lines.length, ...section }, section.reason)],
    agents: [trace],
  };
}

async function readLines(deps: OrchestratorDeps, { request, lines }: Loaded): Promise<RequestFileResult> {
  if (lines.length > 0) return { ok: true, head: {}, lines: lines.map(toSenderLine) };
  const upload = await findUploadOf(deps.db, request.id);
  const bytes = upload ? await deps.readUpload(upload.objectKey) : null;
  if (!upload || !bytes)
    throw new AppError("DEPENDENCY_FAILED", `the file of ${request.id} can't be read now`, { retryable: true });
  return readRequestFile(upload.contentType, bytes, { maxLines: MAX_REQUEST_LINES });
}

function toSenderLine(row: Loaded["lines"][number]): RequestLine {
  return {
    line: row.line,
    quantity: row.quantity ?? 0,
    ...(row.sku === null ? {} : { sku: row.sku }),
    ...(row.text === null ? {} : { text: row.text }),
    ...(row.unit === null ? {} : { unit: row.unit }),
    ...(row.neededBy === null ? {} : { neededBy: row.neededBy }),
  };
}

/** reading → pricing, or back to the requester with the lines that name no part. */
export async function nextReadingMove(deps: OrchestratorDeps, loaded: Loaded): Promise<Move> {
  if (!loaded.context) return askBack(loaded, null, problemsOf(loaded));
  const candidates = await listCandidates(deps.db, senderLines(loaded.context));
  const { section, trace } = await resolveParts(loaded.context, { candidates }, deps.engine);
  const context = withTrusted(loaded.context, { resolved: section });
  if (section.unresolved.length > 0) {
    const problems = section.unresolved.map((line) => ({ line: line.line, detail: withSuggestions(line) }));
    return { ...askBack(loaded, context, problems), agents: [trace] };
  }
  return {
    change: { status: "pricing", context: JSON.stringify(context) },
    audit: [byAgent(loaded, "PartsSpecialist", "request.lines resolved", trace.final)],
    agents: [trace],
  };
}

function withSuggestions(line: { reason: string; suggestions: readonly { sku: string; name: string }[] }): string {
  const names = line.suggestions.slice(0, 5).map(({ sku, name }) => `${sku} (${name})`);
  return names.length === 0 ? line.reason : `${line.reason} Perhaps: ${names.join(", ")}.`;
}

/** pricing → routing: a source and a price for each line, from the catalogue. */
export async function nextPricingMove(deps: OrchestratorDeps, loaded: Loaded): Promise<Move> {
  const context = mustHave(loaded);
  const skus = context.trusted.resolved?.lines.map((line) => line.sku) ?? [];
  const { section, trace } = matchSuppliers(context, {
    now: deps.clock.now(),
    stock: await listAvailable(deps.db, skus, loaded.request.region),
    offers: await listOffers(deps.db, skus, deps.supplierRules),
    rates: await listRates(deps.db, loaded.request.currency, isoDate(deps.clock.now())),
  });
  const priced = withTrusted(context, { sources: section });
  if (section.unresolved.length > 0) {
    const problems = section.unresolved.map((line) => ({ line: line.line, value: line.sku, detail: line.reason }));
    return { ...askBack(loaded, priced, problems), agents: [trace] };
  }
  return {
    change: { status: "routing", context: JSON.stringify(priced), total: section.total, currency: section.currency },
    audit: [
      byAgent(loaded, "SupplierMatcher", "request.priced", trace.final, formatMoney(section.total, section.currency)),
    ],
    agents: [trace],
  };
}

/** routing → ordering when the policy asks nobody, else the first of the chain is asked. */
export async function nextRoutingMove(deps: OrchestratorDeps, loaded: Loaded): Promise<Move> {
  const context = mustHave(loaded);
  const people = await listManagers(deps.db, loaded.request.region);
  const { section: chain, trace } = await routeApproval(context, { people }, deps.engine);
  const routed = withTrusted(context, { chain });
  const decided = byAgent(loaded, "RequestRouter", `request.chain ${chain.outcome}`, chain, chain.reason);
  if (chain.outcome === "reject") {
    return endWith(deps, loaded, routed, { status: "rejected", reason: chain.reason, agents: [trace] });
  }
  if (chain.outcome === "needs_attention") {
    return {
      change: { status: "needs_attention", context: JSON.stringify(routed), reason: chain.reason },
      audit: [decided],
      agents: [trace],
    };
  }
  if (chain.outcome === "auto") {
    return { change: { status: "ordering", context: JSON.stringify(routed) }, audit: [decided], agents: [trace] };
  }
  const asked = await askFirst(deps, loaded, routed, chain);
  return { ...asked, audit: [decided, ...asked.audit], agents: [trace, ...(asked.agents ?? [])] };
}

/** A file that can't be read: it is kept, and the requester is told each line. */
function readAndAskBack(loaded: Loaded, problems: readonly InputProblem[]): Move {
  return {
    change: { status: "reading", problems: JSON.stringify(problems) },
    audit: [byAgent(loaded, "RequestRouter", "request.unreadable", { problems: problems.length })],
  };
}

function problemsOf({ request }: Loaded): InputProblem[] {
  return request.problems === null
    ? [{ detail: "the file can't be read" }]
    : (JSON.parse(request.problems) as InputProblem[]);
}

function askBack(loaded: Loaded, context: RequestContext | null, problems: readonly InputProblem[]): Move {
  const reason = `${problems.length} ${problems.length === 1 ? "problem" : "problems"} to clarify; send the request again, corrected`;
  return {
    change: {
      status: "needs_clarification",
      problems: JSON.stringify(problems),
      reason,
      ...(context ? { context: JSON.stringify(context) } : {}),
    },
    audit: [
      byAgent(loaded, "PartsSpecialist", "request.needs clarification", { problems: problems.slice(0, 20) }, reason),
    ],
  };
}
