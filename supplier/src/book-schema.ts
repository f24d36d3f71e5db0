/** The tables of a supplier's book. A book of before the confirmed terms were kept is taken over with its orders. */
interface Sql {
  exec(text: string): { toArray(): unknown[] };
}

export function createBook(sql: Sql): void {
  sql.exec(`
    CREATE TABLE IF NOT EXISTS purchase_orders (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      supplier TEXT NOT NULL,
      status TEXT NOT NULL CHECK (status IN ('accepted', 'cancelled')),
      idempotency_key TEXT NOT NULL,
      order_id TEXT NOT NULL,
      draft TEXT NOT NULL,     -- as it came
      confirmed TEXT NOT NULL  -- as it was understood
    );
    CREATE INDEX IF NOT EXISTS purchase_orders_by_key ON purchase_orders(idempotency_key);
    CREATE TABLE IF NOT EXISTS late_acceptances (
      idempotency_key TEXT PRIMARY KEY,
      supplier TEXT NOT NULL,
      draft TEXT NOT NULL,
      due_at INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS calls (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      at TEXT NOT NULL,
      what TEXT NOT NULL,
      answered INTEGER
    );`);
  if (sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'orders'").toArray().length > 0) takeOver(sql);
}

const DRAFT = `json_object('idempotency_key', idempotency_key, 'order_id', draft ->> '$.order_id',
  'currency', draft ->> '$.currency', 'lines', json(draft -> '$.lines'))`;

function takeOver(sql: Sql): void {
  sql.exec(`
    INSERT INTO purchase_orders (seq, supplier, status, idempotency_key, order_id, draft, confirmed)
      SELECT seq, supplier, status, idempotency_key, order_id, ${DRAFT},
        json_object('currency', currency, 'total', total, 'lines', json(draft -> '$.lines')) FROM orders;
    UPDATE late_acceptances SET draft = ${DRAFT};
    DROP TABLE orders;`);
}
