-- The trace holds all that each decision rests on, so that it can be decided again: by the same rules the same, bit for bit.
-- Steps of before have no input; they stay readable and can't be replayed.
ALTER TABLE agent_steps ADD COLUMN decision TEXT;                -- which decision it is (agents/decisions.ts)
ALTER TABLE agent_steps ADD COLUMN input BLOB;                   -- canonical JSON, gzip; what doesn't fit goes on in agent_inputs
ALTER TABLE agent_steps ADD COLUMN decision_hash TEXT;           -- SHA-256 of all that was decided, canonical JSON
ALTER TABLE agent_steps ADD COLUMN model TEXT;                   -- of the calls; NULL: none was made
ALTER TABLE agent_steps ADD COLUMN prompt_version TEXT;
ALTER TABLE agent_steps ADD COLUMN floor TEXT;                   -- the rules' level, what the engine advised, what holds
ALTER TABLE agent_steps ADD COLUMN advised TEXT;
ALTER TABLE agent_steps ADD COLUMN level TEXT;
ALTER TABLE agent_steps ADD COLUMN calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent_steps ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent_steps ADD COLUMN cost INTEGER NOT NULL DEFAULT 0; -- millionths of a dollar
ALTER TABLE agent_steps ADD COLUMN ms INTEGER NOT NULL DEFAULT 0;   -- that the calls took

-- The rest of an input that is larger than one value of the database may be.
CREATE TABLE agent_inputs (
  run_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  part INTEGER NOT NULL,                             -- from 1; part 0 is the step's own
  piece BLOB NOT NULL,
  PRIMARY KEY (run_id, step, part)
) WITHOUT ROWID;
