/**
 * Calendar dates as ISO 8601 text (`2026-11-23`, UTC), without the platform's clock or calendar. Dates of this form
 * compare as strings.
 * Source: the proleptic Gregorian day count of ISO 8601; arithmetic by 400-year eras.
 */
export const DAY_MS = 24 * 60 * 60 * 1000;

const DAYS_PER_ERA = 146_097;
/** Days from 0000-03-01 to 1970-01-01. */
const EPOCH_OFFSET = 719_468;

const pad = (n: number, width: number) => String(n).padStart(width, "0");

function dateOfDay(day: number): string {
  const shifted = day + EPOCH_OFFSET;
  const era = Math.floor(shifted / DAYS_PER_ERA);
  const dayOfEra = shifted - era * DAYS_PER_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  // The year begins in March here, so that the leap day is its last.
  const march = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(dayOfMonth, 2)}`;
}

/** The first day on which any of these is needed; `otherwise` stands for what has none. null: none has. */
export function earliest(
  all: readonly { readonly neededBy?: string | null | undefined }[],
  otherwise: string | null = null,
): string | null {
  const days = all.map((one) => one.neededBy ?? otherwise).filter((day) => day !== null);
  return days.length === 0 ? null : days.reduce((a, b) => (b < a ? b : a));
}

/** The UTC date of an instant in ms since the epoch. */
export function isoDate(ms: number): string {
  return dateOfDay(Math.floor(ms / DAY_MS));
}

/** The UTC date `days` after an instant in ms since the epoch. */
export function isoDateAfter(ms: number, days: number): string {
  return dateOfDay(Math.floor(ms / DAY_MS) + days);
}
