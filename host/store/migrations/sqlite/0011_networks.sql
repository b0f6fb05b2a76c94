-- The network that an app's own containers are in, on whichever engine its addons are.
ALTER TABLE app ADD COLUMN network TEXT;
