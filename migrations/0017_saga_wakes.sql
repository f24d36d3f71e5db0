-- Orders that have ended and whose saga still means to act: a person's act that isn't carried out yet, a completed order that is looked after.
CREATE INDEX orders_awake ON orders(next_wake_at)
  WHERE next_wake_at IS NOT NULL AND status IN ('Completed', 'Cancelled', 'NeedsAttention');
