/** Money in words: integer minor units and an ISO 4217 code as a person reads them. Never parsed back. */

/** Currencies whose minor unit isn't a hundredth (ISO 4217, table A.1). */
const EXPONENTS: Readonly<Record<string, number>> = {
  BHD: 3,
  CLP: 0,
  ISK: 0,
  JOD: 3,
  JPY: 0,
  KRW: 0,
  KWD: 3,
  OMR: 3,
  TND: 3,
  VND: 0,
};

/** Digits of the minor unit: 2 for cents. */
export function minorDigits(currency: string): number {
  return EXPONENTS[currency] ?? 2;
}

/** `123456, "USD"` → `1234.56 USD`. */
export function formatMoney(amount: number, currency: string): string {
  const exponent = minorDigits(currency);
  const sign = amount < 0 ? "-" : "";
  const digits = String(Math.abs(amount)).padStart(exponent + 1, "0");
  const whole = digits.slice(0, digits.length - exponent);
  return `${sign}${exponent === 0 ? whole : `${whole}.${digits.slice(-exponent)}`} ${currency}`;
}
