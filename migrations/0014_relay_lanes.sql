-- The relay's two lanes find their own in the index of what is open: the queue lane without what only a hub still wants, the
-- hub lane region by region. So a hub that can't be reached for hours costs the others nothing. Bit 1 is the hub's.
ALTER TABLE outbox ADD COLUMN hub_region TEXT
  GENERATED ALWAYS AS (CASE WHEN want & ~done & 1 <> 0 THEN COALESCE(region, '*') END) VIRTUAL;
ALTER TABLE outbox ADD COLUMN queued INTEGER GENERATED ALWAYS AS (want & ~(done | dead) & ~1 <> 0) VIRTUAL;
DROP INDEX outbox_open;
CREATE INDEX outbox_open ON outbox(queued, not_before, hub_region) WHERE (done | dead) <> want AND parked_at IS NULL;
