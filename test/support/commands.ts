/** Commands of a warehouse as tests send and repeat them, and what is refused before it is accepted. */
import type { ExpectStatic } from "vitest";
import type { ErrorCode } from "../../src/domain/errors.ts";
import { as, env } from "./harness.ts";
import { expectProblem } from "./problem.ts";
import { deliverMessages } from "./relay.ts";
import { sent } from "./stock.ts";

let ids = 0;

/** A command with an id of its own. */
export function command(type: string, data: object) {
  return { id: `cmd_${type.toLowerCase()}_${String(++ids).padStart(4, "0")}`, type, data };
}

/**
 * Sends it, and once more, and has its message delivered five times side by side: the end of it, and how many rows of
 * the ledger all that made (of any source, so use it where nothing else moves stock).
 */
export async function sentOften(subject: string, one: { readonly id: string }) {
  const before = await movements();
  const ended = await sent(subject, one);
  const once = await movements();
  const again = await as(subject, "POST", "/api/commands", one);
  await Promise.all(Array.from({ length: 5 }, () => deliverMessages("commands", [{ command_id: one.id }])));
  const after = await as(subject, "GET", `/api/commands/${one.id}`);
  return { ended, again, after: after.body, moved: once - before, movedAgain: (await movements()) - once };
}

async function movements(): Promise<number> {
  return (await env.DB.prepare("SELECT COUNT(*) AS n FROM stock_movements").first<number>("n")) ?? 0;
}

/** Refused at once, by the field. */
export async function expectRefused(
  expect: ExpectStatic,
  subject: string,
  one: object,
  [status, code, pointer]: readonly [status: number, code: ErrorCode, pointer?: string],
): Promise<void> {
  const answer = await as(subject, "POST", "/api/commands", one);
  expectProblem(expect, answer, status, code);
  if (pointer !== undefined) {
    expect(answer.body.errors.map((problem: { pointer: string }) => problem.pointer)).toContain(pointer);
  }
}
