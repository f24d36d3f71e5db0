-- How a supplier is reached. A secret is never in the database: the row names it, its value is in SUPPLIER_SECRETS.
-- Whoever doesn't say otherwise is simulated, and no simulated supplier is called in production.
ALTER TABLE suppliers ADD COLUMN adapter TEXT NOT NULL DEFAULT 'simulated-supplier'
  CHECK (adapter IN ('http-supplier', 'simulated-supplier'));
ALTER TABLE suppliers ADD COLUMN secret_name TEXT;       -- NULL, http-supplier: nothing is ordered there until it has one
UPDATE suppliers SET adapter = 'http-supplier' WHERE url NOT LIKE 'https://suppliers.waybill.example/%';
