-- Offline devices, discrepancies, and approval of commands.

-- ── commands of a device that was offline, in the device's own order ───────────────────────────────────────────
ALTER TABLE commands ADD COLUMN device_sequence INTEGER CHECK (device_sequence > 0); -- the device's own number; NULL: sent online
ALTER TABLE commands ADD COLUMN device_time TEXT;                                    -- when the device says that it happened
ALTER TABLE commands ADD COLUMN seen_version INTEGER;                                -- the stock level's version that the device saw
ALTER TABLE commands ADD COLUMN approval TEXT;                                       -- what has to be approved, JSON: the payload that ballots are bound to
CREATE UNIQUE INDEX commands_numbered ON commands(sender, device_sequence) WHERE device_sequence IS NOT NULL;
CREATE INDEX commands_in_line ON commands(sender, device_sequence) WHERE state = 'accepted' AND device_sequence IS NOT NULL;

CREATE TABLE discrepancies (
  id TEXT PRIMARY KEY,
  command_id TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('shortage', 'count', 'stale', 'not_approved')),
  device_id TEXT NOT NULL,
  region TEXT NOT NULL,
  location TEXT NOT NULL,
  sku TEXT NOT NULL,
  bin TEXT NOT NULL,
  says TEXT NOT NULL CHECK (says IN ('taken', 'counted')),
  expected INTEGER NOT NULL,                         -- taken: free in the bin by the books; counted: in the bin by the books
  found INTEGER NOT NULL CHECK (found >= 0),         -- what the scan says
  seen_version INTEGER,                              -- of the stock level, when the device acted
  version INTEGER NOT NULL,                          -- of the stock level, when the scan was refused
  scan TEXT NOT NULL,                                -- JSON: the whole command as it came
  reason TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
  resolution TEXT CHECK (resolution IN ('accept_scan', 'keep_books', 'recount')),
  counted INTEGER,                                   -- recount: what lies there
  note TEXT,
  resolved_by TEXT,
  created_at TEXT NOT NULL,
  resolved_at TEXT,
  CHECK ((state = 'resolved') = (resolution IS NOT NULL AND resolved_by IS NOT NULL AND resolved_at IS NOT NULL))
) WITHOUT ROWID;
CREATE INDEX discrepancies_open ON discrepancies(location, sku) WHERE state = 'open';

-- ── an approval step and its ballot concern a request or a command, exactly one ────────────────────────────────
CREATE TABLE approval_steps_new (
  id TEXT PRIMARY KEY,
  request_id TEXT REFERENCES requests(id),
  command_id TEXT REFERENCES commands(id),
  position INTEGER NOT NULL,
  approver TEXT NOT NULL REFERENCES people(id),
  rule TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'pending', 'approved', 'rejected', 'escalated', 'void')),
  payload_hash TEXT NOT NULL,
  asked_at TEXT,
  due_at TEXT,
  decided_at TEXT,
  UNIQUE (request_id, position),
  UNIQUE (command_id, position),
  CHECK ((request_id IS NULL) <> (command_id IS NULL))
);
CREATE TABLE ballots_new (
  id TEXT PRIMARY KEY,
  step_id TEXT NOT NULL UNIQUE REFERENCES approval_steps_new(id),
  request_id TEXT,
  command_id TEXT,
  request_version INTEGER,                           -- of the request; NULL: a command doesn't change
  payload_hash TEXT NOT NULL,
  approver TEXT NOT NULL,
  decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject')),
  reason TEXT,
  at TEXT NOT NULL,
  CHECK ((request_id IS NULL) <> (command_id IS NULL))
);
INSERT INTO approval_steps_new(id, request_id, position, approver, rule, state, payload_hash, asked_at, due_at, decided_at)
  SELECT id, request_id, position, approver, rule, state, payload_hash, asked_at, due_at, decided_at FROM approval_steps;
INSERT INTO ballots_new(id, step_id, request_id, request_version, payload_hash, approver, decision, reason, at)
  SELECT id, step_id, request_id, request_version, payload_hash, approver, decision, reason, at FROM ballots;
DROP TABLE ballots;
DROP TABLE approval_steps;
ALTER TABLE approval_steps_new RENAME TO approval_steps;
ALTER TABLE ballots_new RENAME TO ballots;
CREATE INDEX approval_steps_by_approver ON approval_steps(approver, state);
