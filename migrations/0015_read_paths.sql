-- Lists that are read a page at a time walk an index in the order of the list, not the whole table.

-- Whole: leaving a part of it would be free, but every change of an order's status within it would write the entry anew.
CREATE INDEX orders_by_time ON orders(created_at, id);

-- Those that a warehouse waits for; the many that came in long ago aren't walked to find them.
CREATE INDEX purchase_orders_placed ON purchase_orders(created_at, id) WHERE status = 'placed';
