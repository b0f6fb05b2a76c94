//! Counts that would take a scan: how many addons an app, a provider and an engine have. Every change of an addon passes by here.

use larder_domain::Addon;

use super::addons::Progress;
use super::engines;
use super::error::Result;
use super::tx::Tx;

/// What an addon counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    live: i64,
    /// Live, or still to be cleaned up: its provider is needed.
    unfinished: i64,
}

impl Counts {
    /// Nothing: what an addon counts as before it is there.
    pub(super) const NONE: Self = Self { live: 0, unfinished: 0 };

    pub(super) fn of(addon: &Addon) -> Self {
        let live = !addon.state.is_terminal();
        Self { live: live.into(), unfinished: (live || addon.cleanup.is_due()).into() }
    }
}

/// Books an addon's change from what it counted as before. False if its app is not there.
pub(super) fn change(tx: &Tx<'_>, now: &Progress, before: Counts) -> Result<bool> {
    let after = Counts::of(&now.addon);
    let (live, unfinished) = (after.live - before.live, after.unfinished - before.unfinished);
    if (live, unfinished) != (0, 0) {
        tx.write(
            "INSERT INTO provider_tally (provider, live, unfinished) VALUES (?, ?, ?) ON CONFLICT (provider)
             DO UPDATE SET live = provider_tally.live + excluded.live, unfinished = provider_tally.unfinished + excluded.unfinished",
            (now.provider.as_str(), live, unfinished),
        )?;
    }
    if live != 0 {
        engines::count(tx, now.addon.id, live)?;
    }
    match &now.app {
        Some(app) if live != 0 => {
            let booked =
                tx.execute("UPDATE app SET live_addons = live_addons + ? WHERE name = ?", (live, app.as_str()))?;
            Ok(booked == 1)
        }
        _ => Ok(true),
    }
}
