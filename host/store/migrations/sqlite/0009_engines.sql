-- Several engines by name. An addon's objects are on one of them for good: the one that there was until now is called `default`.

ALTER TABLE addon_detail ADD COLUMN engine TEXT; -- none for an addon that never had to have objects
CREATE INDEX addon_by_engine ON addon_detail (engine) WHERE engine IS NOT NULL;

UPDATE addon_detail SET engine = 'default' WHERE addon IN (
    SELECT addon FROM docker_object
    UNION
    SELECT id FROM addon WHERE provider IN (SELECT provider FROM provider_grant WHERE capability = 'docker')
);
UPDATE addon_detail SET engine = 'default'
    WHERE parent IN (SELECT addon FROM addon_detail WHERE engine IS NOT NULL);

-- How many live addons there are on each engine that have objects of their own, so that room costs no scan.
CREATE TABLE engine_tally (
    engine TEXT    NOT NULL PRIMARY KEY,
    live   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO engine_tally (engine, live)
    SELECT engine, count(*) FROM addon_detail JOIN addon ON id = addon
    WHERE engine IS NOT NULL AND parent IS NULL AND live GROUP BY engine;

-- Where an app's future addons are to be.
ALTER TABLE app ADD COLUMN engine TEXT;
