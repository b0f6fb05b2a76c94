-- Addons that were had back were not counted again as being on their engines, and counts fell below zero. And addons that share another's
-- resource were not told what had changed while they were made.

DELETE FROM engine_tally;
INSERT INTO engine_tally (engine, live)
    SELECT engine, count(*) FROM addon_detail JOIN addon ON id = addon
    WHERE engine IS NOT NULL AND parent IS NULL AND live GROUP BY engine;

-- Of one that shares another's resource and is not ready: whether that one has changed what it gives since.
ALTER TABLE addon_detail ADD COLUMN outdated INTEGER NOT NULL DEFAULT 0;
