import { describe, it } from "vitest";
import { AppError } from "../../../src/domain/errors.ts";
import { decideRetry, faultOf, isRetryableStatus } from "../../../src/resilience/retry.ts";

const random = () => 0;
const fault = { retryable: true };

describe("decideRetry", () => {
  it("2.5-R5, 2.5-R6 walks the whole ladder, says at the fifth attempt that it was the last, and gives up once", ({
    expect,
  }) => {
    const decisions = [1, 2, 3, 4, 5].map((attempt) => decideRetry({ attempt, error: fault, random }));
    expect(decisions).toEqual([
      { do: "retry", delayMs: 1_000 },
      { do: "retry", delayMs: 2_000 },
      { do: "retry", delayMs: 4_000 },
      { do: "retry", delayMs: 8_000 },
      { do: "give_up", reason: "attempts_exhausted" },
    ]);
  });

  it("never retries what isn't retryable, whatever Retry-After says", ({ expect }) => {
    const error = { retryable: false, retryAfterSeconds: 1 };
    expect(decideRetry({ attempt: 1, error, random })).toEqual({ do: "give_up", reason: "not_retryable" });
  });

  it("honours Retry-After as a lower bound", ({ expect }) => {
    const error = new AppError("DEPENDENCY_FAILED", "busy", { retryable: true, retryAfterSeconds: 7 });
    expect(decideRetry({ attempt: 1, error, random })).toEqual({ do: "retry", delayMs: 7_000 });
    expect(decideRetry({ attempt: 4, error, random })).toEqual({ do: "retry", delayMs: 8_000 });
  });

  it("gives up after the fifth attempt even when Retry-After asks for another", ({ expect }) => {
    const error = { retryable: true, retryAfterSeconds: 7 };
    expect(decideRetry({ attempt: 5, error, random })).toEqual({ do: "give_up", reason: "attempts_exhausted" });
  });
});

describe("faultOf", () => {
  it.for([
    ["a refusal that was thrown", new AppError("SUPPLIER_REFUSED", "no"), { retryable: false }],
    ["a retryable fault", new AppError("DEPENDENCY_FAILED", "down", { retryable: true }), { retryable: true }],
    [
      "a fault with Retry-After",
      new AppError("CIRCUIT_OPEN", "wait", { retryable: true, retryAfterSeconds: 3 }),
      { retryable: true, retryAfterSeconds: 3 },
    ],
    ["a network error of the platform", new TypeError("Network connection lost."), { retryable: true }],
    ["a thrown string", "boom", { retryable: true }],
    ["a thrown null", null, { retryable: true }],
    ["something whose retryable isn't a boolean", { retryable: "no" }, { retryable: true }],
  ] as const)("reads %s", ([, thrown, expected], { expect }) => {
    expect(faultOf(thrown)).toEqual(expected);
  });
});

describe("isRetryableStatus", () => {
  it.for([408, 429, 500, 502, 503, 504, 599])("%i may succeed later", (status, { expect }) => {
    expect(isRetryableStatus(status)).toBe(true);
  });

  it.for([200, 304, 400, 401, 404, 409, 422, 499, 600])("%i never does", (status, { expect }) => {
    expect(isRetryableStatus(status)).toBe(false);
  });
});
