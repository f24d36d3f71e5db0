/**
 * Access tokens for Microsoft Graph by client credentials (RFC 6749, section 4.4). One is kept in memory until shortly before
 * its end, and callers that need a new one at the same time share one exchange.
 */
import { z } from "zod";
import { SHAREPOINT_ANSWER_BYTES, SHAREPOINT_TOKEN_MARGIN_MS } from "../config.ts";
import type { SharepointSettings } from "../config/documents.ts";
import { createSingleFlight, type SingleFlight } from "../resilience/single-flight.ts";
import { exchangeJson, type ExchangeDeps } from "./json-exchange.ts";
import { refusalFault, SHAREPOINT, understood } from "./sharepoint-answers.ts";

interface Token {
  readonly text: string;
  /** ms since the epoch. */
  readonly until: number;
}

export interface TokenCache {
  readonly tokens: Map<string, Token>;
  readonly flights: SingleFlight<Token>;
}

/** An isolate has one of its own; a test gives each of its "isolates" its own. */
export function createTokenCache(): TokenCache {
  return { tokens: new Map(), flights: createSingleFlight() };
}

const isolateTokens = createTokenCache();

export interface TokenDeps extends ExchangeDeps {
  readonly tokens?: TokenCache;
}

const tokenSchema = z.object({
  token_type: z.string().regex(/^bearer$/i),
  access_token: z.string().regex(/^[\x21-\x7e]{1,16384}$/),
  /** Seconds. */
  expires_in: z.coerce
    .number()
    .positive()
    .max(7 * 24 * 60 * 60),
});

/**
 * A token that is good for at least a while, waiting at most `timeoutMs` for a new one. Throws as an exchange does; wrong
 * credentials are told apart by `refusalFault`.
 */
export async function accessToken(deps: TokenDeps, at: SharepointSettings, timeoutMs: number): Promise<string> {
  const { tokens, flights } = deps.tokens ?? isolateTokens;
  const key = keyOf(at);
  const known = tokens.get(key);
  if (known && known.until > deps.clock.now()) return known.text;
  const load = async (): Promise<Token> => {
    const token = await newToken(deps, at, timeoutMs);
    tokens.set(key, token);
    return token;
  };
  return (await flights.run(key, load, { clock: deps.clock, followerWaitMs: timeoutMs })).text;
}

/** The token was refused: the next caller gets a new one, unless another has seen to it. */
export function forgetToken(deps: TokenDeps, at: SharepointSettings, text: string): void {
  const { tokens } = deps.tokens ?? isolateTokens;
  if (tokens.get(keyOf(at))?.text === text) tokens.delete(keyOf(at));
}

async function newToken(deps: TokenDeps, at: SharepointSettings, timeoutMs: number): Promise<Token> {
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: at.clientId,
    client_secret: at.clientSecret,
    scope: `${at.graphUrl}/.default`,
  });
  const asked = deps.clock.now();
  const answer = await exchangeJson(deps, {
    dependency: `${SHAREPOINT} sign-in`,
    url: new URL(`/${encodeURIComponent(at.tenantId)}/oauth2/v2.0/token`, at.loginUrl),
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    content: form.toString(),
    wordsOf: (said) => z.object({ error_description: z.string() }).safeParse(said).data?.error_description,
    timeoutMs,
    maxAnswerBytes: SHAREPOINT_ANSWER_BYTES,
  });
  if (!answer.ok) throw refusalFault(answer, `${SHAREPOINT} sign-in`);
  const { access_token: text, expires_in: seconds } = understood(tokenSchema, answer);
  const lifeMs = seconds * 1000;
  return { text, until: asked + lifeMs - Math.min(SHAREPOINT_TOKEN_MARGIN_MS, lifeMs / 2) };
}

function keyOf({ loginUrl, tenantId, clientId, clientSecret, graphUrl }: SharepointSettings): string {
  return JSON.stringify([loginUrl, tenantId, clientId, clientSecret, graphUrl]);
}
