/**
 * The browser's way to the API: the client deadline, the caller's token, problem documents as errors, and an
 * Idempotency-Key per intent, so that the same sent again after a lost answer carries the key of the first time.
 */
import { CLIENT_DEADLINE_MS } from "../../config.ts";

export const CLIENT_JS = String.raw`const DEADLINE_MS = ${CLIENT_DEADLINE_MS};
const TOKEN_MARGIN_MS = 60_000;
export const JSON_TYPE = "application/json";

/** @typedef {{ id: string, role: string, region: string | null }} Persona */
/** @type {Persona | null} */
let persona = null;
let [token, tokenUntil] = ["", 0];
let sent = { intent: "", key: "" };

/** From now on the caller is this persona; its token is fetched when it is needed. @param {Persona | null} chosen */
export function actAs(chosen) {
  [persona, tokenUntil] = [chosen, 0];
}

/** @param {string} given A bearer token. */
export function useToken(given) {
  [persona, token] = [null, given];
}

/** Random bytes as hex: unlike randomUUID they exist on plain http too. */
export function randomHex(bytes = 16) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A key per intent: sent again unchanged, it is the key of the first time. @param {string} intent */
function keyOf(intent) {
  if (intent !== sent.intent) sent = { intent, key: randomHex() };
  return sent.key;
}

/** An error that carries a problem document (RFC 9457), or what stands in for one when no answer came (status 0). */
function problem(document) {
  return Object.assign(new Error(document.detail), { document });
}

/** Throws a problem unless the answer is good or 304. @param {string} path @param {RequestInit} [init] */
export async function exchange(path, init = {}) {
  const response = await fetch(path, { ...init, signal: AbortSignal.timeout(DEADLINE_MS) }).catch((error) => {
    const late = error.name === "TimeoutError";
    const why = late ? "No answer within " + DEADLINE_MS / 1000 + " seconds." : "The server can't be reached.";
    throw problem({ status: 0, title: "No answer", detail: why + " Sending the same again is safe." });
  });
  const { ok, status } = response;
  if (ok || status === 304) return response;
  // What stands between us and the server may answer with a page of its own: then the status is all there is to tell.
  const document = await response.json().catch(() => null);
  throw problem({ title: "Refused", detail: "The server answered " + status + ".", ...document, status });
}

/** The same with the caller's token. A persona's token is made anew before it ends. */
export async function call(path, init = {}) {
  const caller = persona;
  if (caller && Date.now() > tokenUntil) {
    const body = JSON.stringify({ subject: caller.id });
    const made = await (await exchange("/dev/token", { method: "POST", headers: { "content-type": JSON_TYPE }, body })).json();
    if (caller !== persona) return call(path, init); // another persona was chosen meanwhile
    [token, tokenUntil] = [made.access_token, Date.now() + made.expires_in * 1000 - TOKEN_MARGIN_MS];
  }
  return exchange(path, { ...init, headers: { ...init.headers, authorization: "Bearer " + token } });
}

/** @param {string} path */
export async function get(path) {
  return (await call(path)).json();
}

/**
 * Sends a write under the key of its intent. A refusal is an answer: whoever tries again after it means something new.
 * @param {string} path @param {string} type @param {BodyInit} body @param {string} [what] Stands for a body that isn't text.
 */
export async function post(path, type, body, what = String(body)) {
  const headers = { "content-type": type, "idempotency-key": keyOf(path + " " + what) };
  const answer = await call(path, { method: "POST", headers, body }).catch((error) => {
    const { status } = error.document ?? {};
    if (status >= 400 && status < 500) sent = { intent: "", key: "" };
    throw error;
  });
  return answer.json();
}
`;
