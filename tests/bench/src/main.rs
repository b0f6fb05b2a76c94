//! `cargo xtask bench [ROW] [--json]`: what Larder's speed is worth, as ratios taken in one run on one machine.
//!
//! Absolute figures differ from machine to machine; a ratio to the bare engine or the bare database says how much Larder itself costs.

mod bare;
mod call;
mod client;
mod docker;
mod fixture;
mod lifecycle;
mod neighbours;
mod nodes;
mod overload;
mod parked;
mod policy;
mod postgres;
mod report;
mod restart_due;
mod scale;
mod server;

use anyhow::{Result, bail};

use report::Row;

/// A measurement that gives one or more rows.
type Measurement = fn() -> Result<Vec<Row>>;

/// By name, in the order of the table.
const MEASUREMENTS: &[(&str, Measurement)] = &[
    ("call", call::measure),
    ("lifecycle", lifecycle::measure),
    ("neighbours", neighbours::measure),
    ("overload", overload::measure),
    ("parked", parked::measure),
    ("policy", policy::measure),
    ("scale", scale::measure),
    ("scale_postgres", scale::measure_postgres),
    ("nodes", nodes::measure),
    ("idle", server::idle),
    ("restart", server::restart),
    ("restart_100", server::restart_100),
    ("restart_due", restart_due::measure),
    ("docker", docker::measure),
];

fn main() -> Result<()> {
    // Another provider would have been installed by us alone.
    let _first = rustls::crypto::ring::default_provider().install_default();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let json = args.iter().any(|arg| arg == "--json");
    let wanted = args.iter().find(|arg| !arg.starts_with("--"));
    let known = |name: &str| MEASUREMENTS.iter().any(|(known, _)| *known == name);
    if let Some(name) = wanted.filter(|name| !known(name)) {
        let names: Vec<&str> = MEASUREMENTS.iter().map(|(name, _)| *name).collect();
        bail!("there is no row {name:?}; choose one of {}", names.join(", "));
    }
    let mut rows = vec![];
    for (name, measure) in MEASUREMENTS.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name)) {
        report::progress(name);
        rows.extend(measure()?);
    }
    report::print(&rows, json);
    Ok(())
}
