/** What every refusal must look like, whoever answers: RFC 9457, with a code from the table, and never a stack. */
import type { ExpectStatic } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../../src/domain/errors.ts";
import type { Answer } from "./harness.ts";

export function expectProblem(expect: ExpectStatic, answer: Answer<unknown>, status: number, code: ErrorCode): void {
  expect({ status: answer.status, body: answer.body }).toMatchObject({
    status,
    body: {
      type: `/docs/errors#${code}`,
      title: expect.any(String),
      status,
      detail: expect.any(String),
      instance: expect.stringMatching(/^\//),
      code,
      retryable: expect.any(Boolean),
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    },
  });
  expectTidy(expect, answer);
}

/** For an answer of which only the class is known: a 4xx problem document. */
export function expectRefusal(expect: ExpectStatic, answer: Answer<unknown>, what = ""): void {
  expect(answer.status, `${what} ${JSON.stringify(answer.body)}`).toBeGreaterThanOrEqual(400);
  expect(answer.status, `${what} ${JSON.stringify(answer.body)}`).toBeLessThan(500);
  const { code, status } = answer.body as { code: ErrorCode; status: number };
  expect(ERROR_CODES, what).toContain(code);
  expect(status, what).toBe(answer.status);
  expectTidy(expect, answer);
}

function expectTidy(expect: ExpectStatic, answer: Answer<unknown>): void {
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  const text = JSON.stringify(answer.body);
  expect(text).not.toMatch(/\bat \S+ \(|node_modules|\.ts:\d+|SQLITE|D1_ERROR/);
}
