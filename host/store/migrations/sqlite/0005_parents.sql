-- Addons that are a part of another one: of a communal server, or of the resource that they share.

ALTER TABLE addon_detail ADD COLUMN parent BLOB;
CREATE INDEX addon_by_parent ON addon_detail (parent) WHERE parent IS NOT NULL;

-- The server that communal addons of a plan share. Its row stays when the server is over; the next one takes its place.
CREATE TABLE communal_server (
    provider TEXT NOT NULL,
    service  TEXT NOT NULL,
    plan     TEXT NOT NULL,
    addon    BLOB NOT NULL,
    PRIMARY KEY (provider, service, plan)
) STRICT, WITHOUT ROWID;
