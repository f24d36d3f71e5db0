import { DatabaseSync } from "node:sqlite";
import { it } from "vitest";
import { createBook } from "../../../supplier/src/book-schema.ts";

/** As the object's storage would run it. */
function storage(db: DatabaseSync): Parameters<typeof createBook>[0] {
  return {
    exec: (text) => {
      if (!text.startsWith("SELECT")) db.exec(text);
      return { toArray: () => (text.startsWith("SELECT") ? db.prepare(text).all() : []) };
    },
  };
}

const DRAFT = { order_id: "ord_1", currency: "USD", lines: [{ sku: "Ö-1", quantity: 2, unit_price: 150 }] };

it("a book of before is taken over with its orders, numbers and keys, once", ({ expect }) => {
  const db = new DatabaseSync(":memory:");
  db.exec(`CREATE TABLE orders (seq INTEGER PRIMARY KEY AUTOINCREMENT, supplier TEXT NOT NULL, status TEXT NOT NULL,
      idempotency_key TEXT NOT NULL, order_id TEXT NOT NULL, total INTEGER NOT NULL, currency TEXT NOT NULL, draft TEXT NOT NULL);
    CREATE TABLE late_acceptances (idempotency_key TEXT PRIMARY KEY, supplier TEXT NOT NULL, draft TEXT NOT NULL, due_at INTEGER NOT NULL);`);
  const draft = JSON.stringify(DRAFT);
  db.prepare("INSERT INTO orders VALUES (7, 'acme', 'cancelled', 'k', 'ord_1', 300, 'USD', ?)").run(draft);
  db.prepare("INSERT INTO late_acceptances VALUES ('late', 'acme', ?, 5)").run(draft);
  createBook(storage(db));
  createBook(storage(db));

  const keyed = (idempotency_key: string) => JSON.stringify({ idempotency_key, ...DRAFT });
  expect(db.prepare("SELECT * FROM purchase_orders").all()).toEqual([
    {
      seq: 7,
      supplier: "acme",
      status: "cancelled",
      idempotency_key: "k",
      order_id: "ord_1",
      draft: keyed("k"), // to the letter: a repetition is compared with it as text
      confirmed: JSON.stringify({ currency: "USD", total: 300, lines: DRAFT.lines }),
    },
  ]);
  expect(db.prepare("SELECT draft FROM late_acceptances").all()).toEqual([{ draft: keyed("late") }]);
  expect(db.prepare("SELECT name FROM sqlite_master WHERE name = 'orders'").all()).toEqual([]);
});
