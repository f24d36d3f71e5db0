-- What each circuit breaker's object last wrote of itself, for a list that needn't ask them all. The object decides.
CREATE TABLE breakers (
  dependency TEXT PRIMARY KEY,                       -- archive, supplier:{id}, webhook:{id}, …
  revision INTEGER NOT NULL,                         -- of the object's state that is shown here; an older one never replaces it
  circuit TEXT NOT NULL CHECK (json_valid(circuit)), -- the breaker's state as JSON
  since TEXT,                                        -- closed, open, held or half open since; NULL: from the beginning
  actor TEXT,                                        -- who brought it there
  actor_kind TEXT,
  reason TEXT,
  announced INTEGER NOT NULL DEFAULT 0,              -- revision of the last transition whose events and audit row are written
  updated_at TEXT NOT NULL
) WITHOUT ROWID;
