-- What a purchase costs when it lands (freight, currency), by when it is needed, how long suppliers really take, and
-- purchase orders that are closed before all of them came.

-- A supplier's purchase orders and its freight are in one currency, its own. Amounts are its minor units.
ALTER TABLE suppliers ADD COLUMN currency TEXT NOT NULL DEFAULT 'USD';
ALTER TABLE suppliers ADD COLUMN freight_flat INTEGER NOT NULL DEFAULT 0 CHECK (freight_flat >= 0); -- of a purchase order
ALTER TABLE suppliers ADD COLUMN freight_free_from INTEGER CHECK (freight_free_from >= 0); -- goods from which no flat freight is asked; NULL: never
ALTER TABLE suppliers ADD COLUMN freight_per_line INTEGER NOT NULL DEFAULT 0 CHECK (freight_per_line >= 0); -- of each part of a purchase order
UPDATE suppliers SET currency = (SELECT MIN(o.currency) FROM supplier_parts o WHERE o.supplier = suppliers.id)
  WHERE EXISTS (SELECT 1 FROM supplier_parts o WHERE o.supplier = suppliers.id)
    AND NOT EXISTS (SELECT 1 FROM supplier_parts o WHERE o.supplier = suppliers.id AND o.currency = 'USD');

CREATE TABLE exchange_rates (
  from_currency TEXT NOT NULL,
  to_currency TEXT NOT NULL,
  as_of TEXT NOT NULL,                               -- the day from which it holds
  rate INTEGER NOT NULL CHECK (rate > 0),            -- billionths of a major unit of to_currency for one of from_currency
  PRIMARY KEY (from_currency, to_currency, as_of)
) WITHOUT ROWID;

-- Days from placed to received of the latest receipts, the oldest first (JSON array, at most 20).
ALTER TABLE supplier_parts ADD COLUMN arrivals TEXT NOT NULL DEFAULT '[]';
-- Driven by the receipts, each with its purchase order: not every offer with all of them.
UPDATE supplier_parts SET arrivals = measured.arrivals FROM (
    SELECT supplier, sku, json_group_array(days ORDER BY at) AS arrivals FROM (
      SELECT p.supplier, r.sku, r.at, CAST(julianday(date(r.at)) - julianday(date(p.created_at)) AS INTEGER) AS days,
        ROW_NUMBER() OVER (PARTITION BY p.supplier, r.sku ORDER BY r.at DESC) AS latest
      FROM receipts r CROSS JOIN purchase_orders p ON p.id = substr(r.source, length('purchase-order/') + 1)
      WHERE r.source >= 'purchase-order/' AND r.source < 'purchase-order0' AND r.received > 0)
    WHERE latest <= 20 GROUP BY supplier, sku) AS measured
  WHERE supplier_parts.supplier = measured.supplier AND supplier_parts.sku = measured.sku;

ALTER TABLE request_lines ADD COLUMN needed_by TEXT;      -- of this line; NULL: the request's

ALTER TABLE order_lines ADD COLUMN needed_by TEXT;
ALTER TABLE order_lines ADD COLUMN lead_days INTEGER;     -- purchase: from placed to there; the date due is made of it
ALTER TABLE order_lines ADD COLUMN freight INTEGER NOT NULL DEFAULT 0; -- of all that the order buys there; on the first line of a supplier
ALTER TABLE order_lines ADD COLUMN supplier_terms TEXT;   -- JSON: price, freight and rate of a supplier in another currency

ALTER TABLE purchase_orders ADD COLUMN freight INTEGER NOT NULL DEFAULT 0; -- in its total
ALTER TABLE purchase_orders ADD COLUMN closed_short TEXT; -- JSON {at, by, reason}: the rest was given up
ALTER TABLE purchase_order_lines ADD COLUMN closed INTEGER NOT NULL DEFAULT 0; -- given up when it was closed short
ALTER TABLE purchase_order_lines ADD COLUMN first_due_at TEXT; -- what was due first, once a later date was told
