-- The tables as they are in SQLite, in PostgreSQL's types; what they hold is said there. Migrations only go forward: a released
-- one is never edited, the next file amends it. Names are compared byte by byte, as everywhere else in Larder.

-- One row. Whoever writes locks it first, so that there is one writer at a time over all nodes.
CREATE TABLE installation (
    one           BIGINT PRIMARY KEY CHECK (one = 1),
    id            BYTEA  NOT NULL,
    key_check     BYTEA  NOT NULL,
    clock_ms      BIGINT NOT NULL, -- the store's time at the last commit: it never goes back, whatever happens to the server's clock
    clock_zero_ms BIGINT NOT NULL, -- the server's time, in milliseconds since 1970, when the store's time was 0
    last_token    BIGINT NOT NULL,
    last_entry    BIGINT NOT NULL,
    last_line     BIGINT NOT NULL,
    last_commit   BIGINT NOT NULL DEFAULT 0 -- rises with each, so that a node knows whether another one has written since
);

CREATE TABLE app (
    name        TEXT COLLATE "C" PRIMARY KEY,
    live_addons BIGINT NOT NULL DEFAULT 0,
    engine      TEXT,
    network     TEXT COLLATE "C"
);

CREATE TABLE app_variable (
    app   TEXT COLLATE "C" NOT NULL REFERENCES app (name) ON DELETE CASCADE,
    name  TEXT COLLATE "C" NOT NULL,
    addon BYTEA,
    value BYTEA, -- sealed
    PRIMARY KEY (app, name),
    CHECK ((addon IS NULL) = (value IS NOT NULL))
);

CREATE INDEX app_variable_by_addon ON app_variable (addon) WHERE addon IS NOT NULL;

CREATE TABLE provider (
    name           TEXT COLLATE "C" PRIMARY KEY,
    component_kind TEXT   NOT NULL,
    options        BYTEA, -- sealed
    revision       BIGINT NOT NULL DEFAULT 0,
    limits         TEXT   NOT NULL DEFAULT '{}'
);

CREATE TABLE component (
    digest BYTEA PRIMARY KEY,
    wasm   BYTEA NOT NULL
);

CREATE TABLE version (
    id              BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider        TEXT COLLATE "C" NOT NULL REFERENCES provider (name) ON DELETE CASCADE,
    digest          BYTEA  NOT NULL REFERENCES component (digest),
    state           TEXT   NOT NULL,
    size_bytes      BIGINT NOT NULL,
    uploaded_at     BIGINT NOT NULL,
    manifest        TEXT,
    refusal_code    TEXT,
    refusal_message TEXT,
    exports         TEXT   NOT NULL DEFAULT '[]',
    UNIQUE (provider, digest)
);

CREATE UNIQUE INDEX version_active ON version (provider) WHERE state = 'active';
CREATE INDEX version_by_digest ON version (digest);

CREATE TABLE provider_grant (
    provider   TEXT COLLATE "C" NOT NULL REFERENCES provider (name) ON DELETE CASCADE,
    capability TEXT COLLATE "C" NOT NULL,
    value      TEXT COLLATE "C" NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (provider, capability, value)
);

CREATE TABLE provider_tally (
    provider   TEXT COLLATE "C" PRIMARY KEY,
    live       BIGINT NOT NULL,
    unfinished BIGINT NOT NULL
);

CREATE TABLE audit (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       BIGINT NOT NULL,
    actor    TEXT   NOT NULL,
    action   TEXT   NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    data     TEXT   NOT NULL
);

-- Rows of this table are written often: room is left in its pages, so that a row's next version finds place beside it.
CREATE TABLE addon (
    id               BYTEA   PRIMARY KEY,
    app              TEXT COLLATE "C",
    name             TEXT COLLATE "C" NOT NULL,
    provider         TEXT COLLATE "C" NOT NULL,
    phase            BIGINT  NOT NULL,
    live             BOOLEAN NOT NULL,
    attached         BOOLEAN NOT NULL DEFAULT FALSE,
    kept_since       BIGINT,
    entries          BIGINT  NOT NULL,
    log_lines        BIGINT  NOT NULL,
    log_bytes        BIGINT  NOT NULL,
    updated_at       BIGINT  NOT NULL,

    state            TEXT    NOT NULL,
    begin_intended   BOOLEAN NOT NULL,
    begun            BOOLEAN NOT NULL,
    message          TEXT    NOT NULL,
    percent          BIGINT,
    attempts         BIGINT  NOT NULL,
    attempts_max     BIGINT  NOT NULL,
    host_faults      BIGINT  NOT NULL,
    waited_ms        BIGINT  NOT NULL,
    limit_ms         BIGINT  NOT NULL,
    since            BIGINT  NOT NULL,
    expected_ms      BIGINT  NOT NULL,
    cleanup          TEXT    NOT NULL,
    cleanup_attempts BIGINT  NOT NULL,
    cleanup_error    TEXT,
    error_code       TEXT,
    error_reason     TEXT,
    delete_wanted    BOOLEAN NOT NULL,
    generation       BIGINT  NOT NULL DEFAULT 0,
    operation        TEXT, -- JSON
    outdated         TEXT, -- JSON
    health           TEXT, -- JSON
    health_every_ms  BIGINT,
    grace_until      BIGINT,
    grace_until_at   BIGINT
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX addon_live_name ON addon (app, name) WHERE live;
CREATE INDEX addon_by_app ON addon (app, id);
CREATE INDEX addon_by_provider ON addon (provider, phase, id);
CREATE INDEX addon_by_phase ON addon (phase, id);
CREATE INDEX addon_kept ON addon (kept_since) WHERE kept_since IS NOT NULL;
CREATE INDEX addon_in_grace ON addon (id) WHERE grace_until IS NOT NULL;

CREATE TABLE addon_detail (
    addon          BYTEA   PRIMARY KEY REFERENCES addon (id) ON DELETE CASCADE,
    component_kind TEXT    NOT NULL,
    service        TEXT    NOT NULL,
    plan           TEXT    NOT NULL,
    provision_type TEXT    NOT NULL,
    role           TEXT    NOT NULL,
    attach_as      TEXT,
    protected      BOOLEAN NOT NULL,
    external_id    TEXT,
    created_at     BIGINT  NOT NULL,
    declared       TEXT    NOT NULL, -- JSON
    parameters     BYTEA   NOT NULL, -- sealed
    seed           BYTEA   NOT NULL, -- sealed
    config         BYTEA,            -- sealed
    issued         BYTEA,            -- sealed
    parent         BYTEA,
    engine         TEXT COLLATE "C"
);

CREATE INDEX addon_by_parent ON addon_detail (parent) WHERE parent IS NOT NULL;
CREATE INDEX addon_by_engine ON addon_detail (engine) WHERE engine IS NOT NULL;

CREATE TABLE guest_state (
    addon BYTEA PRIMARY KEY REFERENCES addon (id) ON DELETE CASCADE,
    value BYTEA NOT NULL -- sealed
);

CREATE TABLE communal_server (
    provider TEXT COLLATE "C" NOT NULL,
    service  TEXT COLLATE "C" NOT NULL,
    plan     TEXT COLLATE "C" NOT NULL,
    addon    BYTEA NOT NULL,
    PRIMARY KEY (provider, service, plan)
);

CREATE TABLE operation_detail (
    addon          BYTEA PRIMARY KEY REFERENCES addon (id) ON DELETE CASCADE,
    new_plan       TEXT,
    new_parameters BYTEA, -- sealed
    old_state      BYTEA, -- sealed
    transfer       BYTEA  -- sealed
);

CREATE TABLE operation_object (
    addon    BYTEA NOT NULL REFERENCES operation_detail (addon) ON DELETE CASCADE,
    name     TEXT COLLATE "C" NOT NULL,
    document BYTEA NOT NULL, -- sealed
    digest   BYTEA,
    PRIMARY KEY (addon, name)
);

CREATE TABLE docker_object (
    addon    BYTEA   NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    wanted   BOOLEAN NOT NULL,
    revision BIGINT  NOT NULL,
    document BYTEA   NOT NULL, -- sealed
    phase    TEXT    NOT NULL,
    message  TEXT    NOT NULL,
    digest   BYTEA,
    PRIMARY KEY (addon, name)
);

CREATE TABLE docker_port (
    engine         TEXT COLLATE "C" NOT NULL,
    port           BIGINT NOT NULL,
    addon          BYTEA  NOT NULL,
    object         TEXT COLLATE "C" NOT NULL,
    container_port BIGINT NOT NULL,
    PRIMARY KEY (engine, port),
    UNIQUE (addon, object, container_port)
);

CREATE TABLE docker_engine (
    name      TEXT COLLATE "C" PRIMARY KEY,
    last_port BIGINT NOT NULL
);

CREATE TABLE engine_tally (
    engine TEXT COLLATE "C" PRIMARY KEY,
    live   BIGINT NOT NULL
);

CREATE TABLE history (
    id      BIGINT PRIMARY KEY, -- in order of commits: there is one writer at a time
    addon   BYTEA  NOT NULL,
    seq     BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    kind    TEXT   NOT NULL,
    message TEXT   NOT NULL,
    data    TEXT   NOT NULL
);

CREATE INDEX history_by_addon ON history (addon, id);

CREATE TABLE log (
    addon  BYTEA  NOT NULL,
    id     BIGINT NOT NULL,
    at     BIGINT NOT NULL,
    stream TEXT   NOT NULL,
    text   TEXT   NOT NULL,
    PRIMARY KEY (addon, id)
);

CREATE TABLE idempotency (
    id    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key   TEXT   NOT NULL UNIQUE,
    body  BYTEA  NOT NULL,
    addon BYTEA  NOT NULL,
    since BIGINT NOT NULL
);

CREATE TABLE work (
    subject     TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    provider    TEXT COLLATE "C" NOT NULL,
    due         BIGINT  NOT NULL,
    lease_owner BYTEA,
    lease_until BIGINT,
    lease_token BIGINT,
    token       BIGINT  NOT NULL,
    poked       BOOLEAN NOT NULL DEFAULT FALSE,
    open_at     BIGINT  NOT NULL GENERATED ALWAYS AS (greatest(due, coalesce(lease_until, 0))) STORED,
    PRIMARY KEY (subject, kind)
) WITH (fillfactor = 70);

CREATE INDEX work_open ON work (provider, open_at, subject, kind);
