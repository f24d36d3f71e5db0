/**
 * Amounts in another currency: exact integer arithmetic over dated rates that are data, rounded up to a whole minor unit,
 * so that what is approved is never below what is paid. No rate is guessed: no inverse, no way over a third currency.
 */
import { minorDigits } from "./money.ts";

export interface ExchangeRate {
  readonly from: string;
  readonly to: string;
  /** Billionths of a major unit of `to` for one major unit of `from`. */
  readonly billionths: number;
  /** The day from which it holds, `2026-11-23`. */
  readonly asOf: string;
}

const BILLION = 1_000_000_000n;

/** Minor units of `rate.to` for so many of `rate.from`; null when there are too many to be counted exactly. */
export function convertUp(amount: number, rate: ExchangeRate): number | null {
  const numerator = BigInt(amount) * BigInt(rate.billionths) * 10n ** BigInt(minorDigits(rate.to));
  const denominator = BILLION * 10n ** BigInt(minorDigits(rate.from));
  const up = Number((numerator + denominator - 1n) / denominator);
  return Number.isSafeInteger(up) ? up : null;
}

/** Billionths of a rate as people write it; null for anything else, and for 0. */
export function readRate(text: string): number | null {
  const match = /^(\d{1,6})(?:\.(\d{1,9}))?$/.exec(text);
  const billionths = match ? Number(match[1]) * 1_000_000_000 + Number((match[2] ?? "").padEnd(9, "0")) : 0;
  return billionths > 0 ? billionths : null;
}

/** `1.085` of `1085000000` billionths. */
export function formatRate({ billionths }: Pick<ExchangeRate, "billionths">): string {
  const whole = String(billionths).padStart(10, "0");
  const fraction = whole.slice(-9).replace(/0+$/, "");
  return `${whole.slice(0, -9)}${fraction === "" ? "" : `.${fraction}`}`;
}
