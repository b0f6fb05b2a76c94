-- What was done to providers. No reference to them: what is gone was done all the same.

CREATE TABLE audit (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    provider TEXT    NOT NULL,
    data     TEXT    NOT NULL
) STRICT;

-- What a provider's calls may use, where it differs from the defaults: a JSON object of numbers by name.
ALTER TABLE provider ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
