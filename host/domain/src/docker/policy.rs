//! Whether an addon may have certain objects: the one place where that is decided.

use std::collections::BTreeMap;

use super::grant::{Grant, ImageGrant};
use super::spec::{ContainerSpec, LocalName, OBJECTS_MAX, ObjectSpec};

/// What one component may have: what it asked for and was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    asked: Vec<Grant>,
    granted: Vec<Grant>,
}

/// Something that an addon may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Neither list, or one of them, permits it.
    #[error("no grant permits {wanted}")]
    Denied {
        /// What it was: an image, a bound, a number of volumes.
        wanted: String,
        /// The grant that an operator would have to give. None if the component's manifest does not ask for it.
        missing: Option<String>,
    },
    /// More objects than any addon may have.
    #[error("an addon may have {OBJECTS_MAX} objects")]
    TooMany,
    /// A mount of a volume that is not among the addon's.
    #[error("the addon has no volume {0}: ensure it before the container that mounts it")]
    NoVolume(LocalName),
}

impl Policy {
    /// Permits what is in both lists.
    #[must_use]
    pub fn new(asked: Vec<Grant>, granted: Vec<Grant>) -> Self {
        Self { asked, granted }
    }

    /// Whether an addon may have these objects, all together.
    ///
    /// # Errors
    /// The first one that it may not have.
    pub fn permits(&self, objects: &BTreeMap<LocalName, ObjectSpec>) -> Result<(), Refused> {
        if objects.len() > OBJECTS_MAX {
            return Err(Refused::TooMany);
        }
        let volumes = objects.values().filter(|object| matches!(object, ObjectSpec::Volume(_))).count();
        self.permits_volumes(volumes)?;
        let containers = || objects.values().filter_map(container);
        for spec in containers() {
            if let Some(mount) = spec.mounts.iter().find(|mount| !is_volume(objects, &mount.volume)) {
                return Err(Refused::NoVolume(mount.volume.clone()));
            }
            let same = containers().filter(|other| other.image == spec.image).count();
            self.permits_container(spec, same)?;
        }
        Ok(())
    }

    /// Whether a command may be run in a container of the addon.
    ///
    /// # Errors
    /// It may not.
    pub fn permits_command(&self, spec: &ContainerSpec, program: &str) -> Result<(), Refused> {
        let permits = |grants: &[Grant]| images(grants, spec).any(|grant| grant.permits_command(program));
        let missing = || format!("{} commands={program}", spec.image);
        self.both(permits, || format!("{program} in {}", spec.image), missing)
    }

    fn permits_volumes(&self, count: usize) -> Result<(), Refused> {
        let permits = |grants: &[Grant]| {
            count == 0
                || grants.iter().any(|grant| matches!(grant, Grant::Volumes(most) if usize::from(*most) >= count))
        };
        self.both(permits, || format!("{count} volumes"), || format!("volumes={count}"))
    }

    fn permits_container(&self, spec: &ContainerSpec, same: usize) -> Result<(), Refused> {
        let permits = |grants: &[Grant]| {
            images(grants, spec)
                .any(|grant| grant.exceeded_by(spec).is_none() && usize::from(grant.containers()) >= same)
        };
        let exceeded = || {
            // What stands in the way is said of the list that is too narrow, the manifest's first.
            let narrow = if permits(&self.asked) { &self.granted } else { &self.asked };
            let bound = images(narrow, spec).find_map(|grant| grant.exceeded_by(spec));
            bound.or_else(|| images(narrow, spec).next().map(|_| format!("containers={same}")))
        };
        let missing = || exceeded().map_or_else(|| spec.image.to_string(), |bound| format!("{} {bound}", spec.image));
        self.both(permits, &missing, &missing)
    }

    fn both(
        &self,
        permits: impl Fn(&[Grant]) -> bool,
        wanted: impl Fn() -> String,
        missing: impl Fn() -> String,
    ) -> Result<(), Refused> {
        let asked = permits(&self.asked);
        if asked && permits(&self.granted) {
            return Ok(());
        }
        Err(Refused::Denied { wanted: wanted(), missing: asked.then(missing) })
    }
}

fn container(object: &ObjectSpec) -> Option<&ContainerSpec> {
    match object {
        ObjectSpec::Container(spec) => Some(spec),
        ObjectSpec::Volume(_) => None,
    }
}

fn is_volume(objects: &BTreeMap<LocalName, ObjectSpec>, name: &LocalName) -> bool {
    matches!(objects.get(name), Some(ObjectSpec::Volume(_)))
}

fn images<'a>(grants: &'a [Grant], spec: &ContainerSpec) -> impl Iterator<Item = &'a ImageGrant> {
    grants.iter().filter_map(|grant| match grant {
        Grant::Image(grant) if grant.is_about(&spec.image) => Some(grant),
        _ => None,
    })
}
