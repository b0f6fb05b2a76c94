-- Engines that were added while servers ran. What nodes name in their files is not here.
CREATE TABLE added_engine (
    name       TEXT PRIMARY KEY,
    url        TEXT NOT NULL,
    node       TEXT, -- which alone reaches it; NULL if every node does
    definition BLOB NOT NULL -- sealed
) STRICT, WITHOUT ROWID;

-- Whether an engine that a node reaches is one of these.
ALTER TABLE node_engine ADD COLUMN added INTEGER NOT NULL DEFAULT 0;

-- Rises with whatever changes about them, so that every node knows whether what it remembers of them still holds.
ALTER TABLE installation ADD COLUMN engines_revision INTEGER NOT NULL DEFAULT 0;
