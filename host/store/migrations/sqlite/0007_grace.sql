-- Until when a deleted addon can be had back: by the store's own clock, which decides, and as wall time, which is shown.

ALTER TABLE addon ADD COLUMN grace_until INTEGER;
ALTER TABLE addon ADD COLUMN grace_until_at INTEGER;
CREATE INDEX addon_in_grace ON addon (id) WHERE grace_until IS NOT NULL;
