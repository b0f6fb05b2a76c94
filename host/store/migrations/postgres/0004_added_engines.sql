-- Engines that were added while servers ran. What nodes name in their files is not here.
CREATE TABLE added_engine (
    name       TEXT COLLATE "C" PRIMARY KEY,
    url        TEXT NOT NULL,
    node       TEXT COLLATE "C", -- which alone reaches it; NULL if every node does
    definition BYTEA NOT NULL -- sealed
);

-- Whether an engine that a node reaches is one of these.
ALTER TABLE node_engine ADD COLUMN added BOOLEAN NOT NULL DEFAULT FALSE;

-- Rises with whatever changes about them, so that every node knows whether what it remembers of them still holds.
ALTER TABLE installation ADD COLUMN engines_revision BIGINT NOT NULL DEFAULT 0;
