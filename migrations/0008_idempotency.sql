-- Stored answers of REST writes: rows of inbox whose scope begins with `POST `. They are kept 14 days; the index finds the
-- oldest without a scan. It leaves the rows of sagas and imports out, so these cost nothing more.
CREATE INDEX inbox_answers ON inbox(at) WHERE scope >= 'POST ' AND scope < 'POST!';

-- Until now such a row held only the id of a request. It can't be replayed; its request number still refuses a duplicate.
DELETE FROM inbox WHERE scope >= 'POST ' AND scope < 'POST!';
