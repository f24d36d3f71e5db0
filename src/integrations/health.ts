/**
 * The health call of a dependency, chosen by its name `{kind}` or `{kind}:{id}`. It ends in bounded time, and a call
 * that fails means unhealthy, so a circuit is never kept waiting for an answer.
 */
import { SUPPLIER_TIMEOUT_MS } from "../config.ts";
import { AppError } from "../domain/errors.ts";
import type { Clock } from "../domain/ports.ts";
import { startDeadline, withinDeadline } from "../resilience/deadline.ts";

/** One check a kind; it gets what stands after the colon. A new kind of dependency is a new entry here. */
export type HealthChecks = Readonly<Record<string, (id: string) => Promise<boolean>>>;

/**
 * Whether the dependency answers. Rejects with a retryable AppError, which counts as unhealthy, when it takes longer
 * than 10 s. A kind without a check counts as healthy: the wait is over, and the one probe finds out.
 */
export async function checkHealth(dependency: string, checks: HealthChecks, clock: Clock): Promise<boolean> {
  const [kind = "", ...id] = dependency.split(":");
  const check = Object.hasOwn(checks, kind) ? checks[kind] : undefined;
  if (!check) return true;
  return withinDeadline(
    () => check(id.join(":")),
    startDeadline(clock.now(), SUPPLIER_TIMEOUT_MS),
    clock,
    () =>
      new AppError("DEPENDENCY_FAILED", `${dependency} didn't answer its health check in time`, { retryable: true }),
  );
}
