-- The rotation of the sealing key that is under way, or the last one. Each node has a copy of the key, and learns the new one from here.
CREATE TABLE key_rotation (
    one      BIGINT  PRIMARY KEY CHECK (one = 1),
    key      TEXT COLLATE "C" NOT NULL, -- the name of the new key
    sealed   BYTEA, -- the new key, sealed with the one of before; NULL once nothing needs that any more
    driver   BYTEA   NOT NULL, -- the node that does it
    resealed BIGINT  NOT NULL DEFAULT 0,
    total    BIGINT  NOT NULL DEFAULT 0,
    trouble  TEXT, -- why it does not go on, or what it waits for
    stopped  BOOLEAN NOT NULL DEFAULT FALSE, -- whether somebody has to ask again before it goes on
    remnants BOOLEAN NOT NULL DEFAULT FALSE -- whether what the key of before has sealed may stand in unused parts of the database
);

-- The name of the key that a node seals with; NULL if its version knows of no rotations here.
ALTER TABLE node ADD COLUMN key TEXT COLLATE "C";
