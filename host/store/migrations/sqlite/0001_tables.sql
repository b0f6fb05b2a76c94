-- The first tables. Migrations only go forward: a released one is never edited, the next file amends it.
--
-- Two kinds of time: columns named `*_at` hold wall time in milliseconds since 1970 and are only ever shown;
-- `due`, `since`, `*_until`, `*_ms` and `kept_since` are the store's own clock, on which alone anything is decided.
-- "Sealed" columns hold ciphertext that opens only in its own row.

-- One row: who this store is, and how far its clock and its counters have come.
CREATE TABLE installation (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    id          BLOB    NOT NULL,
    key_check   BLOB    NOT NULL, -- sealed: opens only with the key that belongs to this data
    clock_ms    INTEGER NOT NULL,
    last_token  INTEGER NOT NULL, -- fencing tokens rise over the whole store, so work rows may come and go
    last_entry  INTEGER NOT NULL, -- counted here and not by the tables, so that no id returns after a purge
    last_line   INTEGER NOT NULL
) STRICT;

CREATE TABLE app (
    name        TEXT    PRIMARY KEY,
    live_addons INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Every name that is taken in an app: by the app itself, with its value, or by an addon, whose value stands in its configuration.
CREATE TABLE app_variable (
    app         TEXT    NOT NULL REFERENCES app (name) ON DELETE CASCADE,
    name        TEXT    NOT NULL,
    addon       BLOB,             -- none: the app's own
    value       BLOB,             -- sealed
    PRIMARY KEY (app, name),
    CHECK ((addon IS NULL) = (value IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX app_variable_by_addon ON app_variable (addon) WHERE addon IS NOT NULL;

CREATE TABLE provider (
    name           TEXT NOT NULL PRIMARY KEY,
    component_kind TEXT NOT NULL,
    options        BLOB           -- sealed
) STRICT, WITHOUT ROWID;

CREATE TABLE component (
    digest      BLOB    NOT NULL PRIMARY KEY,
    wasm        BLOB    NOT NULL
) STRICT;

CREATE TABLE version (
    id              INTEGER PRIMARY KEY,
    provider        TEXT    NOT NULL REFERENCES provider (name) ON DELETE CASCADE,
    digest          BLOB    NOT NULL REFERENCES component (digest),
    state           TEXT    NOT NULL,
    size_bytes      INTEGER NOT NULL,
    uploaded_at     INTEGER NOT NULL,
    manifest        TEXT,
    refusal_code    TEXT,
    refusal_message TEXT,
    UNIQUE (provider, digest)
) STRICT;

CREATE UNIQUE INDEX version_active ON version (provider) WHERE state = 'active';
CREATE INDEX version_by_digest ON version (digest);

-- How many addons a provider's name has; there without the provider too, whose removal its addons may outlive.
CREATE TABLE provider_tally (
    provider    TEXT    NOT NULL PRIMARY KEY,
    live        INTEGER NOT NULL,
    unfinished  INTEGER NOT NULL  -- live, or still to be cleaned up
) STRICT, WITHOUT ROWID;

-- What a transition reads and writes, and what lists are filtered by. Kept narrow, since each write moves the row.
-- Indexes stand on `phase` and `live` and not on `state`, since a column that has an index is dear to write: on its way to
-- `ready` an addon changes its phase once.
CREATE TABLE addon (
    id               BLOB    NOT NULL PRIMARY KEY,
    app              TEXT,
    name             TEXT    NOT NULL,
    provider         TEXT    NOT NULL,
    phase            INTEGER NOT NULL,           -- 0 being made, 1 ready, 2 deprovisioned, 3 error
    live             INTEGER NOT NULL,           -- phases 0 and 1
    attached         INTEGER NOT NULL DEFAULT 0, -- whether the app sees its variables
    kept_since       INTEGER,                    -- since when nothing is left to do for it
    entries          INTEGER NOT NULL,           -- lines of history so far: the last one's `seq`
    log_lines        INTEGER NOT NULL,           -- now in its log
    log_bytes        INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,

    state            TEXT    NOT NULL,
    begin_intended   INTEGER NOT NULL,
    begun            INTEGER NOT NULL,
    message          TEXT    NOT NULL,
    percent          INTEGER,
    attempts         INTEGER NOT NULL,
    attempts_max     INTEGER NOT NULL,
    host_faults      INTEGER NOT NULL,
    waited_ms        INTEGER NOT NULL,
    limit_ms         INTEGER NOT NULL,
    since            INTEGER NOT NULL,
    expected_ms      INTEGER NOT NULL,
    cleanup          TEXT    NOT NULL,
    cleanup_attempts INTEGER NOT NULL,
    cleanup_error    TEXT,
    error_code       TEXT,
    error_reason     TEXT,
    delete_wanted    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX addon_live_name ON addon (app, name) WHERE live;
CREATE INDEX addon_by_app ON addon (app, id);
CREATE INDEX addon_by_provider ON addon (provider, phase, id);
CREATE INDEX addon_by_phase ON addon (phase, id);
CREATE INDEX addon_kept ON addon (kept_since) WHERE kept_since IS NOT NULL;

-- What a transition does not need, so that it need not move it.
CREATE TABLE addon_detail (
    addon            BLOB    NOT NULL PRIMARY KEY REFERENCES addon (id) ON DELETE CASCADE,
    component_kind   TEXT    NOT NULL,
    service          TEXT    NOT NULL,
    plan             TEXT    NOT NULL,
    provision_type   TEXT    NOT NULL,
    role             TEXT    NOT NULL,
    attach_as        TEXT,
    protected        INTEGER NOT NULL,
    external_id      TEXT,
    created_at       INTEGER NOT NULL,
    declared         TEXT    NOT NULL, -- the variables that may arrive, as JSON
    parameters       BLOB    NOT NULL, -- sealed
    seed             BLOB    NOT NULL, -- sealed
    config           BLOB              -- sealed; there from `provisioned` until the cleanup
) STRICT, WITHOUT ROWID;

CREATE TABLE guest_state (
    addon       BLOB    NOT NULL PRIMARY KEY REFERENCES addon (id) ON DELETE CASCADE,
    value       BLOB    NOT NULL  -- sealed, all of an addon's state as one
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
    id          INTEGER PRIMARY KEY, -- in order of commits: there is one writer
    addon       BLOB    NOT NULL,
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    message     TEXT    NOT NULL,
    data        TEXT    NOT NULL
) STRICT;

CREATE INDEX history_by_addon ON history (addon);

CREATE TABLE log (
    addon       BLOB    NOT NULL,
    id          INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    stream      TEXT    NOT NULL,
    text        TEXT    NOT NULL,
    PRIMARY KEY (addon, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    id          INTEGER PRIMARY KEY, -- in order of time: the oldest have the lowest
    key         TEXT    NOT NULL UNIQUE,
    body        BLOB    NOT NULL,
    addon       BLOB    NOT NULL,
    since       INTEGER NOT NULL
) STRICT;

-- Work that is due now or later. What rests has no row, so this stays small however many addons there are.
-- A lease is void from `lease_until` on. `token` fences: it is `lease_token` while the holder may write, and has
-- moved on once a user's wish has superseded the lease. `open_at` is when the work can be leased.
CREATE TABLE work (
    subject     TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    provider    TEXT    NOT NULL,
    due         INTEGER NOT NULL,
    lease_owner BLOB,
    lease_until INTEGER,
    lease_token INTEGER,
    token       INTEGER NOT NULL,
    open_at     INTEGER NOT NULL GENERATED ALWAYS AS (max(due, coalesce(lease_until, 0))) STORED,
    PRIMARY KEY (subject, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX work_open ON work (provider, open_at);
