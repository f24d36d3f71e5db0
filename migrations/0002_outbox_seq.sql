-- The outbox is addressed by its place in the log: one index less to write for each event, and order is explicit.
CREATE TABLE outbox_new (
  seq INTEGER PRIMARY KEY,                           -- commit order; never reused while a later row is there
  event_id TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  type TEXT NOT NULL,
  subject TEXT NOT NULL,
  region TEXT,                                       -- NULL: concerns every region
  sequence INTEGER GENERATED ALWAYS AS (event ->> '$.sequence') VIRTUAL,
  event TEXT NOT NULL,                               -- the CloudEvent, JSON
  created_at TEXT NOT NULL,
  not_before TEXT NOT NULL DEFAULT '',               -- a timer is an outbox row with this set
  lease_until TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  want INTEGER NOT NULL,                             -- the subscribers, a bit each (events/subscriptions.ts)
  done INTEGER NOT NULL DEFAULT 0,                   -- those whose effect is committed
  parked_at TEXT,
  error TEXT
);
INSERT INTO outbox_new(seq, event_id, bucket, type, subject, region, event, created_at, not_before, lease_until, attempts,
    want, done, parked_at, error)
  SELECT rowid, event_id, bucket, type, subject, region, event, created_at, not_before, lease_until, attempts,
    want, done, parked_at, error FROM outbox ORDER BY rowid;
DROP TABLE outbox;
ALTER TABLE outbox_new RENAME TO outbox;
CREATE INDEX outbox_open ON outbox(not_before) WHERE done <> want AND parked_at IS NULL;
-- What a parked event holds back: later ones of its subject on the hub lane.
CREATE INDEX outbox_parked ON outbox(subject) WHERE parked_at IS NOT NULL;

-- The ledger is kept by place: the key serves the recount, and a movement is one written row.
CREATE TABLE stock_movements_new (
  id TEXT NOT NULL,
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  bin TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity <> 0),
  kind TEXT NOT NULL CHECK (kind IN ('opening', 'adjustment', 'ship', 'ship_reversal', 'receipt', 'import', 'count')),
  source TEXT NOT NULL,                              -- the command, order or import that caused it
  at TEXT NOT NULL,
  PRIMARY KEY (sku, location, id)
) WITHOUT ROWID;
INSERT INTO stock_movements_new SELECT id, sku, location, bin, quantity, kind, source, at FROM stock_movements;
DROP TABLE stock_movements;
ALTER TABLE stock_movements_new RENAME TO stock_movements;
