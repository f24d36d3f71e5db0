-- Which orders are stuck, how long, in which step, for which truck: kept by the saga, read by GET /api/orders/stuck.
ALTER TABLE orders ADD COLUMN stuck_since TEXT;                     -- since when nothing has got any further; NULL: it moves
ALTER TABLE orders ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;  -- of the step that it waits in
ALTER TABLE orders ADD COLUMN last_error TEXT;                      -- what made it wait
ALTER TABLE orders ADD COLUMN alarmed_wake_at TEXT;                 -- the next_wake_at whose passing was told: once each
UPDATE orders SET stuck_since = updated_at WHERE status = 'NeedsAttention';
CREATE INDEX orders_attention ON orders(stuck_since) WHERE status = 'NeedsAttention';
