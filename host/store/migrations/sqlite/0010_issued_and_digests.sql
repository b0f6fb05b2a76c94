-- The passwords that a provider was given for the addon, in all calls so far: what is said of the addon may hold one of them, as
-- long as there is something of it that has them.
ALTER TABLE addon_detail ADD COLUMN issued BLOB; -- sealed

-- The version of the provider that wrote the document. Objects that were wanted before this column came have none.
ALTER TABLE docker_object ADD COLUMN digest BLOB;
ALTER TABLE operation_object ADD COLUMN digest BLOB;
