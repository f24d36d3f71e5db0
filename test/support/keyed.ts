/** A write under a key of the test's own, and its answer as bytes: what is replayed is compared as text. */
import { call, env, tokenOf } from "./harness.ts";

export interface KeyedAnswer {
  readonly status: number;
  readonly text: string;
  readonly location: string | null;
  readonly replayed: boolean;
  readonly type: string | null;
}

/** A text body goes as CSV, anything else as JSON. */
export async function keyedPost(who: string, path: string, key: string, body: unknown): Promise<KeyedAnswer> {
  const raw = typeof body === "string";
  const answer = await call(path, {
    method: "POST",
    headers: {
      authorization: `Bearer ${await tokenOf(who)}`,
      "content-type": raw ? "text/csv" : "application/json",
      "idempotency-key": key,
    },
    body: raw ? body : JSON.stringify(body),
  });
  return {
    status: answer.status,
    text: await answer.text(),
    location: answer.headers.get("location"),
    replayed: answer.headers.get("idempotent-replayed") === "true",
    type: answer.headers.get("content-type"),
  };
}

/** The stored answers under a key, whoever's and of whichever route. */
export async function storedUnder(key: string): Promise<{ scope: string; result: string }[]> {
  const { results } = await env.DB.prepare("SELECT scope, result FROM inbox WHERE id = ? ORDER BY scope")
    .bind(key)
    .all<{ scope: string; result: string }>();
  return results;
}
