-- Response files may go to one of several stores: each row says which one it is for, where a person finds the document, when it is
-- tried next, and after which attempts its ladder begins anew. `done` is `stored` now. Without rowid the index costs no row more.
CREATE TABLE cloud_uploads_new (
  response_id TEXT PRIMARY KEY,
  store TEXT NOT NULL CHECK (store IN ('archive', 'sharepoint')),
  path TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('queued', 'stored', 'failed')),
  attempts INTEGER NOT NULL DEFAULT 0,               -- all of them
  ladder_from INTEGER NOT NULL DEFAULT 0,            -- attempts made before a person sent it again
  due_at TEXT NOT NULL,                              -- not tried earlier
  link TEXT,
  error TEXT,
  updated_at TEXT NOT NULL                           -- queued, or tried last
) WITHOUT ROWID;

INSERT INTO cloud_uploads_new(response_id, store, path, state, attempts, due_at, error, updated_at)
SELECT response_id, 'archive', path, CASE state WHEN 'done' THEN 'stored' ELSE state END, attempts, updated_at, error, updated_at
FROM cloud_uploads;

DROP TABLE cloud_uploads;
ALTER TABLE cloud_uploads_new RENAME TO cloud_uploads;

CREATE INDEX cloud_uploads_queued ON cloud_uploads(due_at) WHERE state = 'queued';
