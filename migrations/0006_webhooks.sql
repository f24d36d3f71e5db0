-- Webhooks: who hears of which events, and each delivery with the log of its tries.
CREATE TABLE webhooks (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL REFERENCES people(id),
  region TEXT REFERENCES regions(id),                -- NULL: every region
  url TEXT NOT NULL,
  types TEXT NOT NULL,                               -- JSON array of event types
  secret TEXT NOT NULL,                              -- whsec_…: signing needs it as it is
  previous_secret TEXT,                              -- signs too, until previous_until
  previous_until TEXT,
  state TEXT NOT NULL CHECK (state IN ('active', 'disabled', 'deleted')),
  reason TEXT,                                       -- why it isn't active
  version INTEGER NOT NULL DEFAULT 1,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX webhooks_active ON webhooks(state) WHERE state = 'active';
CREATE INDEX webhooks_by_owner ON webhooks(owner, id);

-- One per event and endpoint. `attempts` counts every try; `round_from` is the count at which the ladder last began.
CREATE TABLE webhook_deliveries (
  id TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhooks(id),
  event_id TEXT NOT NULL,                            -- the webhook-id of every try
  type TEXT NOT NULL,
  event TEXT NOT NULL,                               -- the body of every try
  state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0,
  round_from INTEGER NOT NULL DEFAULT 0,
  round_at TEXT NOT NULL,
  status INTEGER,                                    -- of the last answer; NULL: none came
  error TEXT,
  latency_ms INTEGER,
  next_at TEXT,                                      -- of a pending one: when it is tried next
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  UNIQUE (webhook_id, event_id)
) WITHOUT ROWID;
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries(created_at);

CREATE TABLE webhook_attempts (
  delivery_id TEXT NOT NULL REFERENCES webhook_deliveries(id) ON DELETE CASCADE,
  attempt INTEGER NOT NULL,
  at TEXT NOT NULL,
  status INTEGER,
  error TEXT,                                        -- NULL: delivered
  latency_ms INTEGER NOT NULL,
  PRIMARY KEY (delivery_id, attempt)
) WITHOUT ROWID;
