/**
 * The demo fleet as plain rows, keyed by column: the same seed gives the same rows to the byte. It is what `npm start`
 * fills an empty database with; secrets in it are public, so it never belongs into a real deployment.
 */
import { FAMILIES, MODELS, type Family } from "./demo/catalogue.ts";
import { DEVICES, LOCATIONS, PEOPLE, REGIONS } from "./demo/people-and-places.ts";
import { randomFrom, type Random } from "./demo/random.ts";
import { holdingsOf, OPENED_AT, openingStock } from "./demo/stock.ts";
import { EXCHANGE_RATES, offersFor, SUPPLIERS } from "./demo/supply.ts";

export const DEMO_SEED = 20_260_105;

const ROWS_PER_STATEMENT = 1_000; // about 300 KB of JSON; D1 takes 2 MB a value
const CENTS = 100;
const ECU_001_PRICE = 89_900;
const PUMP_001_PRICE = 14_995;

export type DemoData = ReturnType<typeof demoData>;
/** One parameterised statement of a batch. */
export interface SeedStatement {
  readonly sql: string;
  readonly params: readonly [json: string];
}

/** The rows of each table, in an order in which foreign keys always point back. */
export function demoData(seed: number = DEMO_SEED) {
  const random = randomFrom(seed);
  const parts = FAMILIES.flatMap((family, at) => partsOf(family, at, random));
  const sold = parts.filter((part) => part.discontinued === 0);
  const offers = sold.flatMap((part) => offersFor(part, random).map((offer) => ({ ...offer, sku: part.sku })));
  const newMovementId = movementIds(random);
  const opening = sold.map(({ sku, list_price: price }) =>
    openingStock(sku, holdingsOf(sku, price, random), newMovementId),
  );
  return {
    regions: [...REGIONS],
    locations: [...LOCATIONS],
    people: PEOPLE,
    devices: DEVICES,
    parts,
    exchange_rates: EXCHANGE_RATES,
    suppliers: SUPPLIERS.map(({ id, name, rating, preferred, currency = "USD", freight }, at) => ({
      id,
      name,
      url: `https://suppliers.waybill.example/${id}`,
      account_number: `WB-${1001 + at}`,
      credit_rating: rating,
      preferred: Number(preferred),
      currency,
      freight_flat: freight?.flat ?? 0,
      freight_free_from: freight?.freeFrom ?? null,
      freight_per_line: freight?.perLine ?? 0,
    })),
    supplier_parts: offers.map(({ breaks: _breaks, ...terms }) => ({ ...terms, currency: currencyOf(terms.supplier) })),
    price_breaks: offers.flatMap(({ supplier, sku, breaks }) => breaks.map((step) => ({ supplier, sku, ...step }))),
    stock_levels: opening.flatMap(({ levels }) => levels),
    stock_bins: opening.flatMap(({ bins }) => bins),
    stock_movements: opening.flatMap(({ movements }) => movements),
  };
}

/** Bulk inserts for one batch: rows travel as one JSON parameter, since a statement takes 100 parameters at most. */
export function seedStatements(data: Partial<DemoData>): SeedStatement[] {
  return Object.entries(data).flatMap(([table, rows]: [string, readonly object[]]) => {
    const columns = Object.keys(rows[0] ?? {});
    const values = columns.map((column) => `value ->> '$.${column}'`);
    const sql = `INSERT INTO ${table}(${columns.join(", ")}) SELECT ${values.join(", ")} FROM json_each(?)`;
    const chunks = Math.ceil(rows.length / ROWS_PER_STATEMENT);
    return Array.from({ length: chunks }, (_, at): SeedStatement => {
      const chunk = rows.slice(at * ROWS_PER_STATEMENT, (at + 1) * ROWS_PER_STATEMENT);
      return { sql, params: [JSON.stringify(chunk)] };
    });
  });
}

/** One part per model; in every fourth family the last one is out of production, and the one before replaces it. */
function partsOf(family: Family, familyAt: number, random: Random) {
  return MODELS.map((model, at) => {
    const sku = skuOf(family, at);
    const gone = familyAt % 4 === 3 && at === MODELS.length - 1;
    return {
      sku,
      name: `${family.name} ${model}`,
      description: `${family.name} for ${model} trucks, built from ${random.int(2012, 2021)} on. ${soldBy(family)}`,
      category: family.category,
      unit: family.unit,
      list_price: listPrice(sku, family, random),
      barcode: ean13(familyAt * 1_000 + at + 1),
      superseded_by: gone ? skuOf(family, at - 1) : null,
      discontinued: Number(gone),
    };
  });
}

/** A supplier sells in the currency in which it takes orders. */
function currencyOf(supplier: string): string {
  return SUPPLIERS.find(({ id }) => id === supplier)?.currency ?? "USD";
}

function soldBy({ unit }: Family): string {
  return unit === "each" ? "Sold singly." : `Sold by the ${unit}.`;
}

function skuOf(family: Family, at: number): string {
  return `${family.prefix}-${String(at + 1).padStart(3, "0")}`;
}

/** Minor units. Low prices are as likely as high ones per octave, as in real price lists; they end in 95 cents. */
function listPrice(sku: string, { dollars: [from, to] }: Family, random: Random): number {
  const drawn = Math.floor(from * (to / from) ** random.next()) * CENTS + 95;
  if (sku === "ECU-001") return ECU_001_PRICE;
  return sku === "PUMP-001" ? PUMP_001_PRICE : drawn;
}

/** An EAN-13 of the range for use within a company (GS1 prefix 200), so that no real article has it. */
function ean13(article: number): string {
  const digits = `200${String(article).padStart(9, "0")}`;
  const sum = Array.from(digits).reduce((total, digit, at) => total + Number(digit) * (at % 2 === 0 ? 1 : 3), 0);
  return `${digits}${(10 - (sum % 10)) % 10}`;
}

/** `mov_` and a UUIDv7 of the day of the count, in rising order. */
function movementIds(random: Random): () => string {
  const time = Date.parse(OPENED_AT).toString(16).padStart(12, "0");
  let made = 0;
  return () => {
    const tail = random
      .int(0, 2 ** 32 - 1)
      .toString(16)
      .padStart(8, "0");
    const order = (made++).toString(16).padStart(8, "0");
    const groups = [time.slice(0, 8), time.slice(8), `7${order.slice(0, 3)}`, `8${order.slice(3, 6)}`];
    return `mov_${groups.join("-")}-${order.slice(6)}00${tail}`;
  };
}
