-- What addons are to have on Docker engines. No reference to the addons: an object may outlive its addon's row, and must
-- not be forgotten before it is gone.

CREATE TABLE docker_object (
    addon    BLOB    NOT NULL,
    name     TEXT    NOT NULL,
    provider TEXT    NOT NULL,
    wanted   INTEGER NOT NULL, -- 0: to be removed; the row goes when the object is gone
    revision INTEGER NOT NULL, -- rises with each change of the document
    document BLOB    NOT NULL, -- sealed
    phase    TEXT    NOT NULL,
    message  TEXT    NOT NULL,
    PRIMARY KEY (addon, name)
) STRICT, WITHOUT ROWID;

-- Where containers' ports are published. A port stays a container's until the container is gone, over restarts and new revisions.
CREATE TABLE docker_port (
    engine         TEXT    NOT NULL,
    port           INTEGER NOT NULL,
    addon          BLOB    NOT NULL,
    object         TEXT    NOT NULL,
    container_port INTEGER NOT NULL,
    PRIMARY KEY (engine, port),
    UNIQUE (addon, object, container_port)
) STRICT, WITHOUT ROWID;

-- The port that was given last on each engine.
CREATE TABLE docker_engine (
    name      TEXT    NOT NULL PRIMARY KEY,
    last_port INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
