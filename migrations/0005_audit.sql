-- The trail is append-only for everyone, the product's own mistakes included; seals chain it, and reports of the nightly
-- check are kept.
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'AUDIT_APPEND_ONLY'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'AUDIT_APPEND_ONLY'); END;

CREATE TABLE audit_seals (
  to_seq INTEGER PRIMARY KEY,
  from_seq INTEGER NOT NULL CHECK (from_seq <= to_seq),
  row_count INTEGER NOT NULL CHECK (row_count >= 1), -- below the range's length: rows were gone when it was sealed
  prev TEXT NOT NULL,                                -- hash of the seal before; 64 zeros for the first
  hash TEXT NOT NULL,
  sealed_at TEXT NOT NULL,
  key_id TEXT NOT NULL,                              -- RFC 7638 thumbprint of the signing key
  signature TEXT NOT NULL                            -- ES256 over all of the above, base64url
);
CREATE TRIGGER audit_seals_no_update BEFORE UPDATE ON audit_seals BEGIN SELECT RAISE(ABORT, 'AUDIT_APPEND_ONLY'); END;
CREATE TRIGGER audit_seals_no_delete BEFORE DELETE ON audit_seals BEGIN SELECT RAISE(ABORT, 'AUDIT_APPEND_ONLY'); END;

CREATE TABLE invariant_reports (
  id TEXT PRIMARY KEY,
  started_at TEXT NOT NULL,
  duration_ms INTEGER NOT NULL,
  broken INTEGER NOT NULL,
  findings TEXT NOT NULL                             -- JSON: the first thousand broken rows
);
CREATE INDEX invariant_reports_by_time ON invariant_reports(started_at, id);
