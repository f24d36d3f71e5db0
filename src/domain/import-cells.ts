/**
 * The cells of an import file: each schema reads the text of one cell (trimmed) into the value that is kept, or says in
 * words what the cell must be. Money becomes integer hundredths, rounded half up; days become instants in UTC.
 */
import { z } from "zod";
import { minorDigits } from "./money.ts";

export const MAX_IMPORT_QUANTITY = 1_000_000_000;
const MAX_CODE_LENGTH = 100;
const MAX_NAME_LENGTH = 200;
const MAX_DAYS = 3_650;

type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly detail: string };

const is = <T>(value: T): Read<T> => ({ ok: true, value });
const wrong = (detail: string): Read<never> => ({ ok: false, detail });

function cell<T>(read: (text: string) => Read<T>) {
  return z.string().transform((raw, context) => {
    const result = read(raw.trim());
    if (result.ok) return result.value;
    context.addIssue({ code: "custom", message: result.detail });
    return z.NEVER;
  });
}

function readText(text: string, max: number): Read<string> {
  if (text === "") return wrong("must not be empty");
  if (text.length > max) return wrong(`must have at most ${max} characters`);
  return /\p{C}/u.test(text) ? wrong("must not hold control or invisible characters") : is(text);
}

/** `""` is null; anything else is read. */
function orNull<T>(read: (text: string) => Read<T>): (text: string) => Read<T | null> {
  return (text) => (text === "" ? is(null) : read(text));
}

/** A code that isn't a part of a path: SKU, bin. */
export const code = cell((text) => readText(text, MAX_CODE_LENGTH));
export const optionalCode = cell(orNull((text) => readText(text, MAX_CODE_LENGTH)));
export const name = cell((text) => readText(text, MAX_NAME_LENGTH));
export const optionalName = cell(orNull((text) => readText(text, MAX_NAME_LENGTH)));

/** An id that also stands in paths and in names of objects: region, warehouse, supplier, purchase order. */
export const id = cell((text) => {
  const read = readText(text, MAX_CODE_LENGTH);
  if (!read.ok || /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text)) return read;
  return wrong("must consist of letters, digits, '.', '_' and '-', and begin with a letter or digit");
});

const MAX_ADDRESS_LENGTH = 2_000;

/** An address; whether it may be called is for the deployment to say. */
export const webAddress = cell((text) => readText(text, MAX_ADDRESS_LENGTH));

/** Of those currencies whose minor unit is a hundredth: amounts are kept in hundredths. */
export const currency = cell((text) => {
  if (!/^[A-Z]{3}$/.test(text)) return wrong("must be a currency such as USD (ISO 4217)");
  return minorDigits(text) === 2 ? is(text) : wrong("must be a currency of hundredths: its amounts are read as such");
});

const MONEY = /^(\d{0,10})(?:\.(\d{1,4}))?$/;

function readMoney(text: string): Read<number> {
  if (text === "") return wrong("must be an amount such as 12.50");
  if (text.startsWith("-")) return wrong("must not be negative");
  const match = MONEY.exec(text);
  if (!match) return wrong("must be an amount in digits with at most four decimals, such as 12.5000");
  const tenThousandths = Number(match[1]) * 10_000 + Number((match[2] ?? "").padEnd(4, "0"));
  return is(Math.floor((tenThousandths + 50) / 100));
}

/** An amount with up to four decimals → hundredths, rounded half up (`45.5850` → 4559). Zero is a price. */
export const money = cell(readMoney);
export const optionalMoney = cell(orNull(readMoney));

/** The files write whole numbers also as `3.00` and `.00`; a fraction of a piece is refused. */
function readWhole(text: string, min: number, max: number): Read<number> {
  if (text === "") return wrong(`must be a whole number from ${min} to ${max}`);
  if (/^-\s*\.?\d/.test(text)) return wrong("must not be negative");
  const match = /^(\d{0,15})(\.0*)?$/.exec(text);
  if (!match || text === ".") return wrong("must be a whole number in digits");
  const value = Number(match[1]);
  return value < min || value > max ? wrong(`must be from ${min} to ${max}`) : is(value);
}

export const whole = (min: number, max: number) => cell((text) => readWhole(text, min, max));
export const quantity = whole(0, MAX_IMPORT_QUANTITY);
export const orderQuantity = whole(1, MAX_IMPORT_QUANTITY);
export const optionalOrderQuantity = cell(orNull((text) => readWhole(text, 1, MAX_IMPORT_QUANTITY)));
export const days = whole(0, MAX_DAYS);

export const flag = cell((text) => {
  if (text === "true") return is(true);
  return text === "false" ? is(false) : wrong("must be true or false");
});

export function oneOf<const T extends string>(values: readonly T[]) {
  return cell((text): Read<T> => {
    const known = values.find((value) => value === text);
    return known === undefined ? wrong(`must be ${values.join(" or ")}`) : is(known);
  });
}

const DAY = z.iso.date();

function readDay(text: string): Read<string> {
  return DAY.safeParse(text).success ? is(`${text}T00:00:00.000Z`) : wrong("must be a date such as 2026-11-23");
}

/** A calendar day → its beginning in UTC, ISO 8601. */
export const day = cell(readDay);
export const optionalDay = cell(orNull(readDay));
