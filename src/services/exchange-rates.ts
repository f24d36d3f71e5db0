/** Setting an exchange rate: a dated row that a person writes, with its place in the trail. The same day again replaces it. */
import { putExchangeRate } from "../db/queries/exchange-rates.ts";
import type { ExchangeRate } from "../domain/exchange.ts";
import { actorOf, type Principal } from "../domain/identity.ts";
import type { Trace } from "../domain/trace.ts";
import type { ServiceDeps } from "./deps.ts";

interface RateSet {
  readonly ok: true;
  readonly rate: ExchangeRate;
}

export async function setExchangeRate(
  deps: ServiceDeps,
  principal: Principal,
  rate: ExchangeRate,
  trace: Trace,
): Promise<RateSet> {
  const set: RateSet = { ok: true, rate };
  await deps.commit({
    trace,
    answers: set,
    writes: [putExchangeRate(rate)],
    audit: [
      {
        actor: actorOf(principal),
        action: "exchange rate.set",
        subject: `exchange-rate/${rate.from}-${rate.to}`,
        after: { as_of: rate.asOf, billionths: rate.billionths },
      },
    ],
    events: [],
  });
  return set;
}
