-- The servers that share the database. In SQLite there is one.
CREATE TABLE node (
    name       TEXT    PRIMARY KEY,
    id         BLOB    NOT NULL, -- of the process
    home       BLOB    NOT NULL, -- of its data directory
    url        TEXT    NOT NULL DEFAULT '',
    version    TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    seen       INTEGER NOT NULL DEFAULT 0, -- the store's time when it was last heard of
    draining   INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE node_engine (
    node      TEXT NOT NULL REFERENCES node (name) ON DELETE CASCADE,
    engine    TEXT NOT NULL,
    url       TEXT NOT NULL,
    advertise TEXT NOT NULL,
    labels    TEXT NOT NULL, -- JSON
    weight    INTEGER NOT NULL,
    PRIMARY KEY (node, engine)
) STRICT, WITHOUT ROWID;

-- Which node's process looks after an export or an import that is under way.
CREATE TABLE transfer (
    operation BLOB PRIMARY KEY,
    node      BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Engines to which no new addons come.
CREATE TABLE drained_engine (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Work about an addon on an engine is for the nodes that reach that engine; empty for all others.
ALTER TABLE work ADD COLUMN engine TEXT NOT NULL DEFAULT '';
UPDATE work SET engine = placed.engine FROM (
    SELECT engine, lower(substr(hex(addon), 1, 8) || '-' || substr(hex(addon), 9, 4) || '-' || substr(hex(addon), 13, 4) || '-'
        || substr(hex(addon), 17, 4) || '-' || substr(hex(addon), 21)) AS id
    FROM addon_detail WHERE engine IS NOT NULL
) AS placed WHERE work.subject IN ('addon/' || placed.id, 'objects/' || placed.id);
DROP INDEX work_open;
CREATE INDEX work_open ON work (provider, engine, open_at);
