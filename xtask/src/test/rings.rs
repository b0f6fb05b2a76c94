//! The rings of tests and what each may take, so that a slow test is noticed where it is written.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;
use crate::test::output::Binary;
use crate::workspace::Workspace;

/// A ring: tests that need the same and may take the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ring {
    /// Values in, values out.
    Pure,
    /// Fakes, a temporary folder, SQLite.
    Fakes,
    /// Real guests in the real sandbox.
    Wasm,
    /// Services, or changes to the machine.
    World,
}

impl Ring {
    /// From the inside out.
    pub(crate) const ALL: [Self; 4] = [Self::Pure, Self::Fakes, Self::Wasm, Self::World];

    /// Seconds that all its tests together may take.
    pub(crate) fn budget_seconds(self) -> f64 {
        match self {
            Self::Pure => 1.0,
            Self::Fakes => 20.0,
            Self::Wasm => 90.0,
            Self::World => 600.0,
        }
    }

    /// As shown in tables.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Pure => "1 pure",
            Self::Fakes => "2 fakes",
            Self::Wasm => "3 wasm",
            Self::World => "4 world",
        }
    }

    fn of_package(package: &str) -> Self {
        match package {
            "larder-domain" => Self::Pure,
            "larder-sandbox" => Self::Wasm,
            _ => Self::Fakes,
        }
    }
}

/// Whether a ring took longer than it may. That is told and fails nobody: a machine may be left to others for minutes, and how fast the
/// product is stands in its bench, as ratios.
pub(crate) fn is_over(ring: Ring, seconds: f64) -> bool {
    seconds > ring.budget_seconds()
}

/// Which package each test binary comes from; cargo's output alone does not tell.
pub(crate) struct Rings {
    packages: BTreeMap<String, String>,
}

impl Rings {
    /// Asks cargo about the workspace.
    pub(crate) fn read(workspace: &Workspace) -> Result<Self> {
        let mut cargo = shell::cargo(workspace);
        cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
        let text = shell::read(&mut cargo, "mend the Cargo.toml that is complained about")?;
        Self::parse(&text)
    }

    /// Reads the output of `cargo metadata`.
    pub(crate) fn parse(metadata: &str) -> Result<Self> {
        let metadata: Value = serde_json::from_str(metadata).context("`cargo metadata` printed no JSON")?;
        let mut packages = BTreeMap::new();
        for package in items(&metadata, "packages") {
            let name = text(package, "name");
            for target in items(package, "targets") {
                packages.insert(text(target, "name").replace('-', "_"), name.to_owned());
            }
        }
        Ok(Self { packages })
    }

    /// The ring that a binary's time counts in; `None` for documentation, whose time is compiling.
    pub(crate) fn of(&self, binary: &Binary) -> Option<Ring> {
        if binary.is_doc {
            return None;
        }
        let name = binary.name.replace('-', "_");
        if name == "e2e" {
            return Some(Ring::Wasm);
        }
        if name.starts_with("world") {
            return Some(Ring::World);
        }
        Some(Ring::of_package(self.packages.get(&name).map_or("", String::as_str)))
    }
}

fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
