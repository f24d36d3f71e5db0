-- Lists and checks read a bounded part of what only grows.

-- By state, each in the order of the list: those on their way are found without the many that came in long ago. In place of
-- the index by time, so that shipping costs what it did.
DROP INDEX transfers_by_time;
CREATE INDEX transfers_by_state ON transfers(state, created_at, id);

-- When an endpoint last took something.
CREATE INDEX webhook_deliveries_taken ON webhook_deliveries(webhook_id, updated_at) WHERE state = 'delivered';

-- The nightly check goes on from where it stands, minute by minute, until it is complete.
ALTER TABLE invariant_reports ADD COLUMN place TEXT; -- where it goes on, JSON {step, after}; NULL: complete
CREATE INDEX invariant_reports_running ON invariant_reports(started_at) WHERE place IS NOT NULL;
