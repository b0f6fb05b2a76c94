-- What providers may do.

CREATE TABLE provider_grant (
    provider   TEXT    NOT NULL REFERENCES provider (name) ON DELETE CASCADE,
    capability TEXT    NOT NULL,
    value      TEXT    NOT NULL,
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (provider, capability, value)
) STRICT, WITHOUT ROWID;

-- Rises with each change of a provider's grants, so that nobody overwrites a change that they have not seen.
ALTER TABLE provider ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
