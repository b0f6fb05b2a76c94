-- The servers that share the database.
CREATE TABLE node (
    name       TEXT COLLATE "C" PRIMARY KEY,
    id         BYTEA   NOT NULL, -- of the process
    home       BYTEA   NOT NULL, -- of its data directory
    url        TEXT    NOT NULL DEFAULT '',
    version    TEXT    NOT NULL,
    started_at BIGINT  NOT NULL,
    seen       BIGINT  NOT NULL DEFAULT 0, -- the store's time when it was last heard of
    draining   BOOLEAN NOT NULL DEFAULT FALSE
);

CREATE TABLE node_engine (
    node      TEXT COLLATE "C" NOT NULL REFERENCES node (name) ON DELETE CASCADE,
    engine    TEXT COLLATE "C" NOT NULL,
    url       TEXT NOT NULL,
    advertise TEXT NOT NULL,
    labels    TEXT NOT NULL, -- JSON
    weight    BIGINT NOT NULL,
    PRIMARY KEY (node, engine)
);

-- Which node's process looks after an export or an import that is under way.
CREATE TABLE transfer (
    operation BYTEA PRIMARY KEY,
    node      BYTEA NOT NULL
);

-- Engines to which no new addons come.
CREATE TABLE drained_engine (
    name TEXT COLLATE "C" PRIMARY KEY
);

-- Work about an addon on an engine is for the nodes that reach that engine; empty for all others.
ALTER TABLE work ADD COLUMN engine TEXT COLLATE "C" NOT NULL DEFAULT '';
UPDATE work SET engine = addon_detail.engine FROM addon_detail
    WHERE addon_detail.engine IS NOT NULL AND work.subject = 'addon/' || encode(addon_detail.addon, 'hex')::uuid;
UPDATE work SET engine = addon_detail.engine FROM addon_detail
    WHERE addon_detail.engine IS NOT NULL AND work.subject = 'objects/' || encode(addon_detail.addon, 'hex')::uuid;
DROP INDEX work_open;
CREATE INDEX work_open ON work (provider, engine, open_at, subject, kind);

-- Rises with whatever changes about a provider, so that every node knows whether what it remembers of them still holds. A trigger, since a
-- node of another version must not forget it either.
ALTER TABLE installation ADD COLUMN providers_revision BIGINT NOT NULL DEFAULT 0;

CREATE FUNCTION provider_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE installation SET providers_revision = providers_revision + 1;
    RETURN NULL;
END $$;

CREATE TRIGGER provider_changed AFTER INSERT OR UPDATE OR DELETE ON provider
    FOR EACH STATEMENT EXECUTE FUNCTION provider_changed();
CREATE TRIGGER version_changed AFTER INSERT OR UPDATE OR DELETE ON version
    FOR EACH STATEMENT EXECUTE FUNCTION provider_changed();
CREATE TRIGGER provider_grant_changed AFTER INSERT OR UPDATE OR DELETE ON provider_grant
    FOR EACH STATEMENT EXECUTE FUNCTION provider_changed();

-- The oldest version of the schema whose servers can go on with this one: what is added does not disturb them, what is taken away does.
ALTER TABLE schema_version ADD COLUMN oldest BIGINT NOT NULL DEFAULT 1;
