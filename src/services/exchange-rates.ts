/**
 * Setting an exchange rate: a dated row that a person writes, of a currency in which a supplier sells, with its place in the
 * trail. The same day again replaces it.
 */
import { putExchangeRate, sellsIn } from "../db/queries/exchange-rates.ts";
import { refuse, type Refusal } from "../domain/errors.ts";
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
): Promise<RateSet | Refusal> {
  if (!(await sellsIn(deps.db, rate.from))) {
    const detail = `no supplier sells in ${rate.from}`;
    return refuse("UNKNOWN_REFERENCE", detail, { problems: [{ pointer: "/from", detail }] });
  }
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
