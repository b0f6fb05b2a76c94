//! What a torture consists of, and how long each part of it goes on.

/// Which build a part is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// That of `cargo xtask test`: the binary with all its assertions.
    Tests,
    /// Optimised: for what only computes.
    Fast,
}

/// What a part needs beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Nothing,
    /// It installs packages.
    World,
    /// It has containers made.
    Engine,
}

/// A long test.
#[derive(Debug)]
pub(crate) struct Part {
    /// What it calls its line, `NAME: {…}`.
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) build: Build,
    /// The test binary, and which of its tests.
    pub(crate) binary: &'static str,
    pub(crate) filter: &'static str,
    pub(crate) needs: Needs,
    /// The variable `NAME_MINUTES` that says how long; none for what ends by itself.
    pub(crate) variable: Option<&'static str>,
    /// How much of the time it gets, beside the others.
    pub(crate) share: f64,
}

impl Part {
    /// All of them, in order. A new one needs a test that prints the line, and a row here.
    pub(crate) const ALL: &[Self] = &[
        Self {
            name: "protocol",
            about: "the state machine and the leases, every order of events",
            build: Build::Fast,
            binary: "protocol",
            filter: "",
            needs: Needs::Nothing,
            variable: None,
            share: 0.0,
        },
        Self {
            name: "simulation",
            about: "the control loop under faults, in a time of its own",
            build: Build::Fast,
            binary: "simulation",
            filter: "addons_come_through",
            needs: Needs::Nothing,
            variable: Some("LARDER_SIMULATION_MINUTES"),
            share: 6.0,
        },
        Self {
            name: "campaign_sqlite",
            about: "kill -9 of the server, on SQLite",
            build: Build::Tests,
            binary: "e2e",
            filter: "crashes::whatever_was_acknowledged",
            needs: Needs::Nothing,
            variable: Some("LARDER_CAMPAIGN_MINUTES"),
            share: 8.0,
        },
        Self {
            name: "campaign_postgres",
            about: "kill -9 of the server, on PostgreSQL that ends or halts its sessions",
            build: Build::Tests,
            binary: "e2e",
            filter: "crashes::world_whatever_was_acknowledged",
            needs: Needs::World,
            variable: Some("LARDER_CAMPAIGN_MINUTES"),
            share: 6.0,
        },
        Self {
            name: "nodes",
            about: "three servers on one database that are killed, stopped or cut off",
            build: Build::Tests,
            binary: "e2e",
            filter: "nodes::chaos",
            needs: Needs::World,
            variable: Some("LARDER_NODES_MINUTES"),
            share: 5.0,
        },
        Self {
            name: "campaign_docker",
            about: "kill -9 of the server at moments of its work with containers",
            build: Build::Tests,
            binary: "e2e",
            filter: "a_hundred_crashes",
            needs: Needs::Engine,
            variable: Some("LARDER_CAMPAIGN_MINUTES"),
            share: 4.0,
        },
        Self {
            name: "soak",
            about: "the server under a steady load: what it takes of the machine",
            build: Build::Tests,
            binary: "e2e",
            filter: "a_host_takes_no_more",
            needs: Needs::Nothing,
            variable: Some("LARDER_SOAK_MINUTES"),
            share: 6.0,
        },
    ];

    /// How somebody has a failure happen again.
    pub(crate) fn replay(&self, seed: Option<u64>) -> String {
        let seed = seed.map(|seed| format!("LARDER_SEED={seed} ")).unwrap_or_default();
        let world = if self.needs == Needs::Nothing { "" } else { "LARDER_WORLD=1 " };
        let filter = if self.filter.is_empty() { self.binary } else { self.filter };
        format!("{world}{seed}cargo xtask test {filter}")
    }
}

/// How much of what is left the next part gets: in proportion to the shares of those that are still to come.
pub(crate) fn allotted(left_seconds: f64, share: f64, shares_left: f64) -> f64 {
    if shares_left <= 0.0 { 0.0 } else { left_seconds.max(0.0) * share / shares_left }
}
