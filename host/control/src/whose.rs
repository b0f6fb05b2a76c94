//! Whose an object is that an engine has, beyond what its labels say: the store decides, and what it can't tell is left alone.

use larder_domain::docker::ObjectKind;
use larder_domain::ports::StoreError;
use larder_domain::ports::engine::Found;
use larder_domain::{AddonId, EngineName};

use crate::Control;
use crate::containers::{NamedEngine, has_given_name};

/// What is to become of the objects of one addon that an engine has and nobody there looks after.
#[derive(Debug, Default)]
pub(crate) struct Strays {
    /// Its addon is over, and can't be had back: they go.
    pub(crate) left: Vec<Found>,
    /// The store has never wanted them, or they have other names than it gave. They may be all that is left of somebody's data: they are told, and go on demand.
    pub(crate) nobodys: Vec<Found>,
    /// The addon is on an engine of this name, which may be this very one under the name that it had.
    pub(crate) elsewhere: Option<EngineName>,
}

impl Control {
    /// Sorts what an engine has of an addon. What the addon's own work looks after is left out, and so is all of an addon that can't be
    /// read: nobody can say then whose it is.
    pub(crate) async fn strays(
        &self,
        engine: &NamedEngine,
        addon: AddonId,
        found: Vec<Found>,
    ) -> Result<Strays, StoreError> {
        match self.sorted(engine, addon, found).await {
            Err(error) if error.is_of_a_row() => {
                tracing::warn!(%error, %addon, "objects are left alone, since their addon can't be read");
                Ok(Strays::default())
            }
            sorted => sorted,
        }
    }

    async fn sorted(&self, engine: &NamedEngine, addon: AddonId, found: Vec<Found>) -> Result<Strays, StoreError> {
        let Some(record) = self.store.addon(addon).await? else {
            return Ok(Strays { nobodys: found, ..Strays::default() });
        };
        let objects = self.store.objects(addon).await?;
        let elsewhere = record.engine.filter(|name| *name != engine.settings.name);
        let is_over = record.addon.state.is_terminal() && record.addon.kept().is_none();
        let is_rowless = |found: &Found| !objects.iter().any(|object| object.name == found.owner.name);
        let (found, foreign): (Vec<_>, Vec<_>) = found.into_iter().partition(has_given_name);
        // Transfers look after what data flow through.
        let found: Vec<_> = found.into_iter().filter(|found| found.operation.is_none()).collect();
        let mut strays = match elsewhere.filter(|_| !found.is_empty()) {
            // Whatever it had where it was is gone, as far as the store knows.
            Some(_) if is_over && objects.is_empty() => Strays { nobodys: found, ..Strays::default() },
            elsewhere @ Some(_) => Strays { elsewhere, ..Strays::default() },
            None if is_over && objects.is_empty() => Strays { left: found, ..Strays::default() },
            // What it has goes with it.
            None if is_over => Strays::default(),
            None => Strays { nobodys: found.into_iter().filter(is_rowless).collect(), ..Strays::default() },
        };
        strays.nobodys.extend(foreign);
        Ok(strays)
    }
}

impl Strays {
    /// Containers first, since they use volumes.
    pub(crate) fn in_order(mut found: Vec<Found>) -> Vec<Found> {
        found.sort_by_key(|found| found.kind == ObjectKind::Volume);
        found
    }
}

/// Their names, for people.
pub(crate) fn names(found: &[Found]) -> Vec<&str> {
    found.iter().map(|found| found.full_name.as_str()).collect()
}
