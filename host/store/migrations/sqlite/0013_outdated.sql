-- That an addon's app is to be told anew what it gives, and when: whatever else is under way, and however often that fails.
ALTER TABLE addon ADD COLUMN outdated TEXT; -- JSON

-- This was known only of those that share another's resource and were not ready yet.
UPDATE addon SET outdated = json_object('operation', lower(hex(id)), 'at', 0, 'failures', 0)
    WHERE live AND id IN (SELECT addon FROM addon_detail WHERE outdated);
ALTER TABLE addon_detail DROP COLUMN outdated;
