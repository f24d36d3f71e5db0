-- Waybill's first schema. Money: integer minor units + ISO 4217; quantities: integers in the part's stock unit;
-- times: ISO 8601 UTC text; ids: UUIDv7 with a readable prefix, except natural keys (sku, device, location).

-- ── who ────────────────────────────────────────────────────────────────────────────────────────────────────────
CREATE TABLE regions (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL
);

CREATE TABLE locations (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('warehouse', 'truck')),
  name TEXT NOT NULL,
  region TEXT NOT NULL REFERENCES regions(id)
);

CREATE TABLE people (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL CHECK (role IN ('technician', 'keeper', 'manager', 'operations', 'admin', 'integrator')),
  region TEXT REFERENCES regions(id),               -- NULL: every region
  location TEXT REFERENCES locations(id),           -- a keeper's own location
  approval_limit INTEGER NOT NULL DEFAULT 0 CHECK (approval_limit >= 0),
  self_approval_limit INTEGER NOT NULL DEFAULT 0 CHECK (self_approval_limit >= 0)
);

CREATE TABLE devices (
  id TEXT PRIMARY KEY,
  type TEXT NOT NULL CHECK (type IN ('truck', 'warehouse')),
  region TEXT NOT NULL REFERENCES regions(id),
  location TEXT NOT NULL REFERENCES locations(id),
  secret_hash TEXT NOT NULL,
  credential_version INTEGER NOT NULL DEFAULT 1,
  revoked_at TEXT
);

-- ── catalogue ──────────────────────────────────────────────────────────────────────────────────────────────────
CREATE TABLE parts (
  sku TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  category TEXT NOT NULL,
  unit TEXT NOT NULL,
  list_price INTEGER NOT NULL CHECK (list_price >= 0),
  currency TEXT NOT NULL DEFAULT 'USD',
  barcode TEXT UNIQUE,
  superseded_by TEXT REFERENCES parts(sku),
  discontinued INTEGER NOT NULL DEFAULT 0 CHECK (discontinued IN (0, 1)),
  version INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX parts_by_category ON parts(category, sku);

CREATE VIRTUAL TABLE parts_search USING fts5(sku, name, description, barcode, content='parts', tokenize='porter unicode61');
CREATE TRIGGER parts_search_insert AFTER INSERT ON parts BEGIN
  INSERT INTO parts_search(rowid, sku, name, description, barcode)
  VALUES (new.rowid, new.sku, new.name, new.description, new.barcode);
END;
CREATE TRIGGER parts_search_delete AFTER DELETE ON parts BEGIN
  INSERT INTO parts_search(parts_search, rowid, sku, name, description, barcode)
  VALUES ('delete', old.rowid, old.sku, old.name, old.description, old.barcode);
END;
CREATE TRIGGER parts_search_update AFTER UPDATE OF sku, name, description, barcode ON parts BEGIN
  INSERT INTO parts_search(parts_search, rowid, sku, name, description, barcode)
  VALUES ('delete', old.rowid, old.sku, old.name, old.description, old.barcode);
  INSERT INTO parts_search(rowid, sku, name, description, barcode)
  VALUES (new.rowid, new.sku, new.name, new.description, new.barcode);
END;

CREATE TABLE suppliers (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  url TEXT,                                          -- the supplier's API; NULL: cannot be ordered from by machine
  account_number TEXT,
  credit_rating INTEGER NOT NULL DEFAULT 1,          -- 1 best .. 5
  preferred INTEGER NOT NULL DEFAULT 0 CHECK (preferred IN (0, 1)),
  active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1))
);

CREATE TABLE supplier_parts (
  supplier TEXT NOT NULL REFERENCES suppliers(id),
  sku TEXT NOT NULL REFERENCES parts(sku),
  unit TEXT NOT NULL,
  pack INTEGER NOT NULL DEFAULT 1 CHECK (pack >= 1), -- stock units in one order unit
  moq INTEGER NOT NULL DEFAULT 1 CHECK (moq >= 1),   -- stock units
  max_order_quantity INTEGER,                        -- stock units; NULL: no upper bound
  lead_time_days INTEGER NOT NULL CHECK (lead_time_days >= 0),
  currency TEXT NOT NULL DEFAULT 'USD',
  PRIMARY KEY (sku, supplier)
) WITHOUT ROWID;
CREATE INDEX supplier_parts_by_supplier ON supplier_parts(supplier, sku);

CREATE TABLE price_breaks (
  supplier TEXT NOT NULL,
  sku TEXT NOT NULL,
  min_quantity INTEGER NOT NULL CHECK (min_quantity >= 1),
  unit_price INTEGER NOT NULL CHECK (unit_price >= 0), -- minor units per stock unit
  PRIMARY KEY (sku, supplier, min_quantity),
  FOREIGN KEY (sku, supplier) REFERENCES supplier_parts(sku, supplier)
) WITHOUT ROWID;

-- ── stock: the ledger (stock_movements) leads; levels and bins are its balances ────────────────────────────────
CREATE TABLE stock_levels (
  sku TEXT NOT NULL REFERENCES parts(sku),
  location TEXT NOT NULL REFERENCES locations(id),
  on_hand INTEGER NOT NULL DEFAULT 0,
  reserved INTEGER NOT NULL DEFAULT 0,
  incoming INTEGER NOT NULL DEFAULT 0 CHECK (incoming >= 0),
  in_transit INTEGER NOT NULL DEFAULT 0 CHECK (in_transit >= 0),
  minimum INTEGER NOT NULL DEFAULT 0,
  maximum INTEGER,
  version INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (sku, location),
  CHECK (0 <= reserved AND reserved <= on_hand)
) WITHOUT ROWID;

CREATE TABLE stock_bins (
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  bin TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (0 <= quantity),
  PRIMARY KEY (sku, location, bin),
  FOREIGN KEY (sku, location) REFERENCES stock_levels(sku, location)
) WITHOUT ROWID;

CREATE TABLE stock_movements (
  id TEXT PRIMARY KEY,
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  bin TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity <> 0),
  kind TEXT NOT NULL CHECK (kind IN ('opening', 'adjustment', 'ship', 'ship_reversal', 'receipt', 'import')),
  source TEXT NOT NULL,                              -- the command, order or import that caused it
  at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX stock_movements_by_place ON stock_movements(sku, location, id);

CREATE TABLE reservations (
  order_id TEXT NOT NULL,
  sku TEXT NOT NULL,
  location TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  state TEXT NOT NULL CHECK (state IN ('open', 'used', 'released', 'expired')),
  expires_at TEXT NOT NULL,
  PRIMARY KEY (order_id, sku, location)
) WITHOUT ROWID;
CREATE INDEX reservations_open ON reservations(sku, location) WHERE state = 'open';

-- ── the main job: upload → request → approval → order → response ───────────────────────────────────────────────
CREATE TABLE uploads (
  id TEXT PRIMARY KEY,
  object_key TEXT NOT NULL UNIQUE,
  request_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  content_type TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  created_at TEXT NOT NULL
);

CREATE TABLE requests (
  id TEXT PRIMARY KEY,
  request_number TEXT NOT NULL,                      -- made on the device; refuses a duplicate for ever
  device_id TEXT NOT NULL REFERENCES devices(id),
  requester TEXT NOT NULL,                           -- person or device that asked
  region TEXT NOT NULL,
  destination TEXT NOT NULL,
  status TEXT NOT NULL,
  needed_by TEXT,
  note TEXT,
  total INTEGER,                                     -- minor units, from the catalogue; NULL until priced
  currency TEXT NOT NULL DEFAULT 'USD',
  payload_hash TEXT,                                 -- what an approval is bound to; NULL until routed
  order_id TEXT,
  reason TEXT,
  problems TEXT,                                     -- JSON: what needs clarification, by line
  context TEXT NOT NULL DEFAULT '{}',                -- JSON: the agents' shared context (domain/request-context.ts)
  version INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (device_id, request_number)
);
CREATE INDEX requests_by_time ON requests(created_at, id);

CREATE TABLE request_lines (
  request_id TEXT NOT NULL REFERENCES requests(id),
  line INTEGER NOT NULL,
  sku TEXT,
  text TEXT,
  quantity INTEGER,
  unit TEXT,
  PRIMARY KEY (request_id, line)
) WITHOUT ROWID;

CREATE TABLE approval_steps (
  id TEXT PRIMARY KEY,
  request_id TEXT NOT NULL REFERENCES requests(id),
  position INTEGER NOT NULL,
  approver TEXT NOT NULL REFERENCES people(id),
  rule TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'pending', 'approved', 'rejected', 'escalated', 'void')),
  payload_hash TEXT NOT NULL,
  asked_at TEXT,
  due_at TEXT,
  decided_at TEXT,
  UNIQUE (request_id, position)
);
CREATE INDEX approval_steps_by_approver ON approval_steps(approver, state);

CREATE TABLE ballots (
  id TEXT PRIMARY KEY,
  step_id TEXT NOT NULL UNIQUE REFERENCES approval_steps(id),
  request_id TEXT NOT NULL,
  request_version INTEGER NOT NULL,
  payload_hash TEXT NOT NULL,
  approver TEXT NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject')),
  reason TEXT,
  at TEXT NOT NULL
);

CREATE TABLE orders (
  id TEXT PRIMARY KEY,
  request_id TEXT UNIQUE,                            -- one request, one order; NULL for a direct order
  requester TEXT NOT NULL,
  device_id TEXT NOT NULL,
  region TEXT NOT NULL,
  destination TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('Pending', 'Cancelling', 'Completed', 'Cancelled', 'NeedsAttention')),
  step TEXT NOT NULL,                                -- projection of the saga, for "where does it stand"
  fence INTEGER NOT NULL DEFAULT 0,
  total INTEGER NOT NULL,
  currency TEXT NOT NULL,
  error TEXT,                                        -- JSON {step, code, reason} of a compensated order
  next_wake_at TEXT,                                 -- when the saga means to act next; the cron revives what is overdue
  version INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX orders_unfinished ON orders(next_wake_at) WHERE status IN ('Pending', 'Cancelling');

CREATE TABLE order_lines (
  order_id TEXT NOT NULL REFERENCES orders(id),
  line INTEGER NOT NULL,                             -- the order's own numbering: a request line may be split
  request_line INTEGER,
  sku TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),    -- what is asked for
  source TEXT NOT NULL CHECK (source IN ('stock', 'transfer', 'purchase')),
  location TEXT,                                     -- stock and transfer: where it comes from
  supplier TEXT,                                     -- purchase: who supplies
  order_quantity INTEGER NOT NULL,                   -- purchase: rounded up to MOQ and pack
  unit_price INTEGER NOT NULL,
  available_on TEXT NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (order_id, line)
) WITHOUT ROWID;

CREATE TABLE purchase_orders (
  id TEXT PRIMARY KEY,
  order_id TEXT,                                     -- NULL: imported history
  supplier TEXT NOT NULL,
  idempotency_key TEXT NOT NULL UNIQUE,              -- {order}:{supplier}
  supplier_reference TEXT,
  status TEXT NOT NULL CHECK (status IN ('placed', 'cancelled', 'pending', 'approved', 'rejected', 'completed')),
  total INTEGER NOT NULL,
  currency TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX purchase_orders_by_order ON purchase_orders(order_id);

CREATE TABLE purchase_order_lines (
  purchase_order_id TEXT NOT NULL REFERENCES purchase_orders(id),
  line INTEGER NOT NULL,
  sku TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  unit_price INTEGER NOT NULL,
  due_at TEXT,
  received INTEGER NOT NULL DEFAULT 0,
  rejected INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (purchase_order_id, line)
) WITHOUT ROWID;

CREATE TABLE transfers (
  id TEXT PRIMARY KEY,
  order_id TEXT,
  from_location TEXT NOT NULL,
  to_location TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('in_transit', 'received', 'reversed')),
  created_at TEXT NOT NULL
);
CREATE INDEX transfers_by_order ON transfers(order_id);

CREATE TABLE transfer_lines (
  transfer_id TEXT NOT NULL REFERENCES transfers(id),
  sku TEXT NOT NULL,
  bin TEXT NOT NULL,                                 -- the bin it was picked from, so that a reversal puts it back there
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  PRIMARY KEY (transfer_id, sku, bin)
) WITHOUT ROWID;

CREATE TABLE responses (
  id TEXT PRIMARY KEY,
  request_id TEXT NOT NULL UNIQUE,
  outcome TEXT NOT NULL,
  body TEXT NOT NULL,                                -- response.json, as the device and the archive get it
  created_at TEXT NOT NULL
);

CREATE TABLE cloud_uploads (
  response_id TEXT PRIMARY KEY,
  path TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'done', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0,
  error TEXT,
  updated_at TEXT NOT NULL
);

CREATE TABLE notifications (
  id TEXT PRIMARY KEY,
  recipient TEXT NOT NULL,                           -- person or device
  event_id TEXT NOT NULL,
  title TEXT NOT NULL,
  link TEXT,
  created_at TEXT NOT NULL,
  UNIQUE (event_id, recipient)
);
CREATE INDEX notifications_by_recipient ON notifications(recipient, id);

-- ── agents' decision trace ─────────────────────────────────────────────────────────────────────────────────────
CREATE TABLE agent_runs (
  id TEXT PRIMARY KEY,
  request_id TEXT NOT NULL UNIQUE,
  started_at TEXT NOT NULL
);

CREATE TABLE agent_steps (
  run_id TEXT NOT NULL REFERENCES agent_runs(id),
  step INTEGER NOT NULL,
  agent TEXT NOT NULL,
  engine TEXT NOT NULL,
  input_hash TEXT NOT NULL,
  advice TEXT NOT NULL,                              -- JSON: what the agent gave
  rule_hits TEXT NOT NULL,                           -- JSON: the rules that fired, with their reasons
  final TEXT NOT NULL,                               -- JSON: what was decided after the floor
  override_reason TEXT,
  at TEXT NOT NULL,
  PRIMARY KEY (run_id, step)
) WITHOUT ROWID;

-- ── commands, inbox, outbox, audit ─────────────────────────────────────────────────────────────────────────────
CREATE TABLE commands (
  id TEXT PRIMARY KEY,
  bucket INTEGER NOT NULL,
  type TEXT NOT NULL,
  data TEXT NOT NULL,
  sender TEXT NOT NULL,
  region TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('accepted', 'applied', 'rejected', 'awaiting_approval', 'dead')),
  reason TEXT,
  result TEXT,
  traceparent TEXT NOT NULL,
  lease_until TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL,
  finished_at TEXT
) WITHOUT ROWID;
CREATE INDEX commands_open ON commands(bucket) WHERE state = 'accepted';

CREATE TABLE inbox (
  scope TEXT NOT NULL,
  id TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  result TEXT,
  at TEXT NOT NULL,
  PRIMARY KEY (scope, id)
) WITHOUT ROWID;

CREATE TABLE outbox (
  event_id TEXT NOT NULL UNIQUE,
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
CREATE INDEX outbox_open ON outbox(bucket, not_before) WHERE done <> want AND parked_at IS NULL;

CREATE TABLE audit (
  seq INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  actor_kind TEXT NOT NULL CHECK (actor_kind IN ('person', 'device', 'agent', 'rule', 'system')),
  action TEXT NOT NULL,
  subject TEXT NOT NULL,
  before TEXT,
  after TEXT,
  reason TEXT,
  trace TEXT NOT NULL
);
CREATE INDEX audit_by_subject ON audit(subject, seq);

-- ── assertions: an INSERT that raises our code when two values differ; it writes no row and rolls the batch back ─
CREATE VIEW assert_that AS SELECT 1 AS got, 1 AS want, '' AS code;
CREATE TRIGGER assert_that_raise INSTEAD OF INSERT ON assert_that WHEN NEW.got IS NOT NEW.want
BEGIN
  SELECT RAISE(ABORT, NEW.code);
END;
