/**
 * Calls of Microsoft Graph under one deadline for the whole of a piece of work. A token that is refused is replaced once; no
 * other address than Graph's own ever gets one.
 */
import { SHAREPOINT_ANSWER_BYTES, SHAREPOINT_TIMEOUT_MS } from "../config.ts";
import type { SharepointSettings } from "../config/documents.ts";
import { remainingMs, startDeadline } from "../resilience/deadline.ts";
import { exchangeJson, type Exchange, type ExchangeAnswer } from "./json-exchange.ts";
import { passingFault, SHAREPOINT, wordsOfGraph } from "./sharepoint-answers.ts";
import { accessToken, forgetToken, type TokenDeps } from "./sharepoint-token.ts";

type Call = Pick<Exchange, "method" | "headers" | "body" | "content" | "anyType"> & {
  readonly maxAnswerBytes?: number;
};

export interface Graph {
  /** A call below `/v1.0/drives/{drive}`, with a token. Refusals (4xx) come back, faults are thrown, as by `exchangeJson`. */
  call(path: string, call: Call): Promise<ExchangeAnswer>;
  /** A call of an address that Graph gave out: what it allows is in the address, and it gets no token. */
  callGiven(url: URL, call: Call): Promise<ExchangeAnswer>;
}

/** Each call gets what is left of `budgetMs`, at most 10 s. */
export function graphWithin(budgetMs: number, deps: TokenDeps, at: SharepointSettings): Graph {
  const deadline = startDeadline(deps.clock.now(), budgetMs);
  const timeoutMs = (): number => {
    const left = remainingMs(deadline, deps.clock.now());
    if (left === 0) throw passingFault(`not done within ${budgetMs} ms`);
    return Math.min(SHAREPOINT_TIMEOUT_MS, left);
  };
  const exchange = (url: URL, call: Call, token?: string): Promise<ExchangeAnswer> =>
    exchangeJson(deps, {
      maxAnswerBytes: SHAREPOINT_ANSWER_BYTES,
      ...call,
      headers: { ...call.headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
      dependency: SHAREPOINT,
      url,
      wordsOf: wordsOfGraph,
      timeoutMs: timeoutMs(),
    });
  return {
    async call(path, call) {
      const url = new URL(`${at.graphUrl}/v1.0/drives/${encodeURIComponent(at.driveId)}${path}`);
      const token = await accessToken(deps, at, timeoutMs());
      const answer = await exchange(url, call, token);
      if (answer.ok || answer.status !== 401) return answer;
      forgetToken(deps, at, token);
      return exchange(url, call, await accessToken(deps, at, timeoutMs()));
    },
    async callGiven(url, call) {
      return exchange(url, call);
    },
  };
}
