-- Whether somebody poked the work while a lease was held. Whoever holds it may have looked before that, so the work is due again
-- at once when the lease ends.

ALTER TABLE work ADD COLUMN poked INTEGER NOT NULL DEFAULT 0;
