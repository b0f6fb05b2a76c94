-- How many live addons there may be: of an app, where that differs from what is said of all, and of a plan.

ALTER TABLE app ADD COLUMN addons_max BIGINT;

CREATE TABLE plan_quota (
    provider   TEXT COLLATE "C" NOT NULL REFERENCES provider (name) ON DELETE CASCADE,
    plan       TEXT COLLATE "C" NOT NULL,
    addons_max BIGINT NOT NULL,
    PRIMARY KEY (provider, plan)
);

-- How many live addons each plan has, so that its quota costs no scan: without communal servers, without those that share what another
-- one has, and with those that an update under way is to take to it.
CREATE TABLE plan_tally (
    provider TEXT COLLATE "C" NOT NULL,
    plan     TEXT COLLATE "C" NOT NULL,
    live     BIGINT NOT NULL,
    PRIMARY KEY (provider, plan)
);

INSERT INTO plan_tally (provider, plan, live)
    SELECT provider, plan, count(*) FROM (
        SELECT provider, plan, id FROM addon JOIN addon_detail ON addon_detail.addon = id
        WHERE live AND role = 'user' AND provision_type <> 'shared'
        UNION
        SELECT provider, new_plan, id FROM addon JOIN addon_detail ON addon_detail.addon = id
        JOIN operation_detail ON operation_detail.addon = id
        WHERE live AND role = 'user' AND provision_type <> 'shared' AND new_plan IS NOT NULL
    ) AS place GROUP BY provider, plan;
