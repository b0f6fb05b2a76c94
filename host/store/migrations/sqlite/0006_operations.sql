-- Operations on ready addons: one at a time, the last one kept; and how addons do.

ALTER TABLE addon ADD COLUMN generation INTEGER NOT NULL DEFAULT 0; -- how often the credentials were rotated
ALTER TABLE addon ADD COLUMN operation TEXT;          -- as JSON, without anything secret
ALTER TABLE addon ADD COLUMN health TEXT;             -- as JSON; none: nobody has looked
ALTER TABLE addon ADD COLUMN health_every_ms INTEGER; -- none: its provider can't say

-- Which optional interfaces a version exports, as JSON.
ALTER TABLE version ADD COLUMN exports TEXT NOT NULL DEFAULT '[]';

-- What an operation under way needs: what it is to make of the addon, where a transfer's data come from or go, and what
-- was there before, to be brought back if it fails.
CREATE TABLE operation_detail (
    addon          BLOB NOT NULL PRIMARY KEY REFERENCES addon (id) ON DELETE CASCADE,
    new_plan       TEXT,
    new_parameters BLOB, -- sealed, in the place of the addon's own
    old_state      BLOB, -- sealed, in the place of the addon's own
    transfer       BLOB  -- sealed
) STRICT, WITHOUT ROWID;

-- The documents of objects that were wanted when the operation began.
CREATE TABLE operation_object (
    addon    BLOB NOT NULL REFERENCES operation_detail (addon) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    document BLOB NOT NULL, -- sealed, in the place of the object's own
    PRIMARY KEY (addon, name)
) STRICT, WITHOUT ROWID;
