-- What the commands of a warehouse need: transfers that are received in parts, receipts, and the mark of low stock.

-- Transfers are rebuilt: a state more, and what has arrived by line. A line's pieces are received, rejected (with the
-- receipt's reason) or still on their way.
CREATE TABLE transfers_new (
  id TEXT PRIMARY KEY,
  order_id TEXT,                                     -- NULL: shipped by a command
  from_location TEXT NOT NULL,
  to_location TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('in_transit', 'partially_received', 'received', 'reversed')),
  version INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL
);
INSERT INTO transfers_new(id, order_id, from_location, to_location, state, created_at)
  SELECT id, order_id, from_location, to_location, state, created_at FROM transfers;

CREATE TABLE transfer_lines_new (
  transfer_id TEXT NOT NULL REFERENCES transfers_new(id),
  sku TEXT NOT NULL,
  bin TEXT NOT NULL,                                 -- the bin it was picked from, so that a reversal puts it back there
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  received INTEGER NOT NULL DEFAULT 0 CHECK (received >= 0),
  rejected INTEGER NOT NULL DEFAULT 0 CHECK (rejected >= 0),
  PRIMARY KEY (transfer_id, sku, bin),
  CHECK (received + rejected <= quantity)
) WITHOUT ROWID;
INSERT INTO transfer_lines_new(transfer_id, sku, bin, quantity, received)
  SELECT l.transfer_id, l.sku, l.bin, l.quantity, CASE t.state WHEN 'received' THEN l.quantity ELSE 0 END
  FROM transfer_lines l JOIN transfers t ON t.id = l.transfer_id;

DROP TABLE transfer_lines;
DROP TABLE transfers;
ALTER TABLE transfers_new RENAME TO transfers;
ALTER TABLE transfer_lines_new RENAME TO transfer_lines;
CREATE INDEX transfers_by_order ON transfers(order_id) WHERE order_id IS NOT NULL;
CREATE INDEX transfers_by_time ON transfers(created_at, id);

-- Where the open lines of a purchase order are counted as incoming; NULL: nowhere (not moved yet, undone, imported).
ALTER TABLE purchase_orders ADD COLUMN incoming_at TEXT;
ALTER TABLE purchase_orders ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
UPDATE purchase_orders SET incoming_at = (SELECT o.destination FROM orders o WHERE o.id = purchase_orders.order_id)
  WHERE status = 'placed' AND EXISTS (SELECT 1 FROM orders o WHERE o.id = purchase_orders.order_id AND (o.status = 'Completed'
    OR (EXISTS (SELECT 1 FROM inbox i WHERE i.scope = 'saga' AND i.id LIKE o.id || ':move:_')
        AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.scope = 'saga' AND i.id LIKE o.id || ':move:_:undo'))));
CREATE INDEX purchase_orders_by_time ON purchase_orders(created_at, id);

-- What came in, line by line: the reason of each rejection stands here.
CREATE TABLE receipts (
  command_id TEXT NOT NULL,
  line INTEGER NOT NULL,                             -- of the command
  source TEXT NOT NULL,                              -- transfer/{id} or purchase-order/{id}
  source_line INTEGER,                               -- of the purchase order
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  bin TEXT NOT NULL,
  received INTEGER NOT NULL CHECK (received >= 0),
  rejected INTEGER NOT NULL CHECK (rejected >= 0),
  reason TEXT,
  at TEXT NOT NULL,
  PRIMARY KEY (command_id, line)
) WITHOUT ROWID;
CREATE INDEX receipts_by_source ON receipts(source);

-- Low: on_hand - reserved + incoming < minimum. NULL while a place isn't; else what batch brought it there. What is low
-- already is marked without a word: it was so before anyone was told.
ALTER TABLE stock_levels ADD COLUMN low_mark TEXT;
UPDATE stock_levels SET low_mark = 'migration' WHERE minimum > 0 AND on_hand - reserved + incoming < minimum;
CREATE INDEX stock_low ON stock_levels(location, sku) WHERE low_mark IS NOT NULL;

-- Those commands that someone may look for; the many that were applied are in no index.
CREATE INDEX commands_unsettled ON commands(created_at, id) WHERE state IN ('rejected', 'awaiting_approval', 'dead');
