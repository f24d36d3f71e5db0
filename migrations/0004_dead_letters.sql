-- What its consumer gave up: one row for one subscriber of an event, one command, or one message of another queue.
CREATE TABLE dead_letters (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('event', 'command', 'message')),
  queue TEXT NOT NULL,                               -- where it died
  key TEXT NOT NULL,                                 -- what it is about: while a letter is open there is no second one
  event_seq INTEGER,
  event_id TEXT,
  subscriber TEXT,
  bit INTEGER,                                       -- of the subscriber (events/subscriptions.ts)
  command_id TEXT,
  type TEXT,                                         -- of the event or command
  subject TEXT,                                      -- what it is about: part/PUMP-001, command/cmd_…
  region TEXT,
  body TEXT NOT NULL,                                -- as it died, JSON: never changed
  edited TEXT,                                       -- what the subscriber gets in its place
  error TEXT NOT NULL,
  fingerprint TEXT NOT NULL,                         -- the same for the same cause (domain/dead-letter.ts)
  attempts INTEGER NOT NULL,                         -- failed ones that were noted
  deaths INTEGER NOT NULL DEFAULT 1,                 -- messages of it that the queue gave up
  message_id TEXT NOT NULL,                          -- of the last of them
  state TEXT NOT NULL CHECK (state IN ('open', 'redriven', 'discarded')),
  first_at TEXT NOT NULL,
  last_at TEXT NOT NULL,
  closed_at TEXT,
  closed_by TEXT,
  reason TEXT,
  CHECK ((state = 'open') = (closed_at IS NULL)),
  CHECK (state <> 'discarded' OR reason IS NOT NULL)
) WITHOUT ROWID;
CREATE UNIQUE INDEX dead_letters_open ON dead_letters(key) WHERE state = 'open';
CREATE INDEX dead_letters_by_state ON dead_letters(state, id);
CREATE INDEX dead_letters_by_cause ON dead_letters(fingerprint, state, id);
CREATE INDEX dead_letters_edited ON dead_letters(event_seq) WHERE edited IS NOT NULL;

-- A subscriber's bit: its message died, the relay sends it no more. Cleared by a redrive or a discard.
ALTER TABLE outbox ADD COLUMN dead INTEGER NOT NULL DEFAULT 0;
DROP INDEX outbox_open;
CREATE INDEX outbox_open ON outbox(not_before) WHERE (done | dead) <> want AND parked_at IS NULL;

-- The failed attempts, for the dead letter: the platform's message carries none. JSON: {error, attempts}; of an event by subscriber.
ALTER TABLE outbox ADD COLUMN failures TEXT;
ALTER TABLE commands ADD COLUMN failure TEXT;
