import { describe, it, vi } from "vitest";
import { BREAKER_TIMEOUT_MS, SUPPLIER_TIMEOUT_MS } from "../../../src/config.ts";
import { breakerFor, throughBreaker } from "../../../src/integrations/breaker.ts";
import { checkHealth } from "../../../src/integrations/health.ts";
import { fakeClock, settled } from "./fake-clock.ts";

const never = () => new Promise<never>(() => {});

describe("checkHealth", () => {
  it("asks the check of the dependency's kind, with all that follows the colon", async ({ expect }) => {
    const supplier = vi.fn(async () => false);
    const checks = { supplier, archive: async () => true };
    expect(await checkHealth("supplier:north:7", checks, fakeClock())).toBe(false);
    expect(await checkHealth("archive", checks, fakeClock())).toBe(true);
    expect(supplier.mock.calls).toEqual([["north:7"]]);
  });

  it.for(["webhook:crm", "", "toString", "__proto__"])(
    "leaves %j, of a kind without a check, to the probe",
    async (name, { expect }) => {
      expect(await checkHealth(name, {}, fakeClock())).toBe(true);
    },
  );

  it("ends after 10 s when the dependency doesn't answer", async ({ expect }) => {
    const clock = fakeClock();
    const checked = checkHealth("archive", { archive: never }, clock);
    const refused = expect(checked).rejects.toMatchObject({ code: "DEPENDENCY_FAILED", retryable: true });
    await clock.advance(SUPPLIER_TIMEOUT_MS);
    await refused;
  });
});

describe("a breaker's object that hangs", () => {
  it("holds a call up for 2 s, and then it goes out", async ({ expect }) => {
    const clock = fakeClock();
    const log = vi.fn();
    const hanging = { idFromName: (name: string) => name, get: () => ({ fetch: never }) };
    const breaker = breakerFor(hanging as unknown as DurableObjectNamespace, "archive", {
      clock,
      log,
      hints: new Map(),
    });
    const call = vi.fn(async () => 7);
    const done = throughBreaker(breaker, call);
    await clock.advance(BREAKER_TIMEOUT_MS - 1);
    expect(call).not.toHaveBeenCalled();
    await clock.advance(1);
    await settled();
    expect(await done).toBe(7);
    expect(log).toHaveBeenCalledWith("warn", "breaker.unreachable", expect.objectContaining({ dependency: "archive" }));
  });
});
