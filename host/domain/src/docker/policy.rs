//! Whether an addon may have certain objects: the one place where that is decided.

use super::grant::{Grant, ImageGrant};
use super::spec::{ContainerSpec, LocalName, OBJECTS_BYTES_MAX, OBJECTS_MAX, ObjectSpec, Objects};
use crate::grants::{Capability, Denied};

/// What one component may have: what it asked for and was granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    asked: Vec<Grant>,
    granted: Vec<Grant>,
}

/// Something that an addon may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not both lists permit it.
    #[error("no grant permits {}", .0.wanted)]
    Denied(Denied),
    /// More objects than any addon may have.
    #[error("an addon may have {OBJECTS_MAX} objects, and their documents {OBJECTS_BYTES_MAX} bytes together")]
    TooMany,
    /// A mount of a volume that is not among the addon's.
    #[error("the addon has no volume {0}: ensure it before the container that mounts it")]
    NoVolume(LocalName),
    /// The network of a container that is not among the addon's.
    #[error("the addon has no container {0} whose network could be shared")]
    NoContainer(LocalName),
}

impl Policy {
    /// Permits what is in both lists.
    #[must_use]
    pub fn new(asked: Vec<Grant>, granted: Vec<Grant>) -> Self {
        Self { asked, granted }
    }

    /// Whether nothing at all is permitted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asked.is_empty() || self.granted.is_empty()
    }

    /// Whether an addon may have these objects, all together.
    ///
    /// # Errors
    /// The first one that it may not have.
    pub fn permits(&self, objects: &Objects) -> Result<(), Refused> {
        let bytes: usize = objects.values().map(|object| object.document.reveal().len()).sum();
        if objects.len() > OBJECTS_MAX || bytes > OBJECTS_BYTES_MAX {
            return Err(Refused::TooMany);
        }
        let volumes = objects.values().filter(|object| matches!(object.spec, ObjectSpec::Volume(_))).count();
        self.permits_volumes(volumes)?;
        for spec in objects.values().filter_map(|object| container(&object.spec)) {
            check_mounts(spec, objects)?;
            // All that a grant is about count together, whatever their tags.
            self.permits_container(spec, |grant| {
                let all = objects.values().filter_map(|object| container(&object.spec));
                all.filter(|spec| grant.is_about(&spec.image)).count()
            })?;
        }
        Ok(())
    }

    /// Whether a container may run beside an addon's objects for as long as data flow through it. It is none of them: an addon has one at
    /// a time, so the numbers of what it may have are not meant for it.
    ///
    /// # Errors
    /// Why not.
    pub fn permits_transfer(&self, spec: &ContainerSpec, objects: &Objects) -> Result<(), Refused> {
        check_mounts(spec, objects)?;
        self.permits_container(spec, |_| 0)
    }

    /// Whether a command may be run in a container of the addon.
    ///
    /// # Errors
    /// It may not.
    pub fn permits_command(&self, spec: &ContainerSpec, program: &str) -> Result<(), Refused> {
        let permits = |grant: &Grant| about(grant, spec).is_some_and(|grant| grant.permits_command(program));
        // A hostile name may be long; the message need not be.
        self.both(permits, || format!("{} in {}", program.chars().take(80).collect::<String>(), spec.image))
    }

    fn permits_volumes(&self, count: usize) -> Result<(), Refused> {
        let permits = |grant: &Grant| matches!(grant, Grant::Volumes(most) if usize::from(*most) >= count);
        if count == 0 { Ok(()) } else { self.both(permits, || format!("volumes={count}")) }
    }

    fn permits_container(&self, spec: &ContainerSpec, count: impl Fn(&ImageGrant) -> usize) -> Result<(), Refused> {
        let permits = |grant: &Grant| {
            about(grant, spec).is_some_and(|grant| {
                grant.exceeded_by(spec).is_none() && usize::from(grant.containers()) >= count(grant)
            })
        };
        let wanted = || {
            // What stands in the way is said of the list that is too narrow, the manifest's first.
            let narrow = if self.asked.iter().any(permits) { &self.granted } else { &self.asked };
            let found = || narrow.iter().filter_map(|grant| about(grant, spec));
            match found().find_map(|grant| grant.exceeded_by(spec)) {
                Some(bound) => format!("{} {bound}", spec.image),
                None => match found().next() {
                    Some(grant) => format!("{} containers={}", spec.image, count(grant)),
                    None => spec.image.to_string(),
                },
            }
        };
        self.both(permits, wanted)
    }

    /// Both lists must permit it. What the manifest asks for is what an operator would have to grant.
    fn both(&self, permits: impl Fn(&Grant) -> bool, wanted: impl Fn() -> String) -> Result<(), Refused> {
        let asked = self.asked.iter().find(|grant| permits(grant));
        if asked.is_some() && self.granted.iter().any(permits) {
            return Ok(());
        }
        let (capability, missing) = (Capability::Docker, asked.map(Grant::to_string));
        Err(Refused::Denied(Denied { capability, wanted: wanted(), missing }))
    }
}

fn about<'a>(grant: &'a Grant, spec: &ContainerSpec) -> Option<&'a ImageGrant> {
    match grant {
        Grant::Image(grant) if grant.is_about(&spec.image) => Some(grant),
        _ => None,
    }
}

fn container(object: &ObjectSpec) -> Option<&ContainerSpec> {
    match object {
        ObjectSpec::Container(spec) => Some(spec),
        ObjectSpec::Volume(_) => None,
    }
}

fn check_mounts(spec: &ContainerSpec, objects: &Objects) -> Result<(), Refused> {
    let missing = spec.mounts.iter().find(|mount| !is_volume(objects, &mount.volume));
    missing.map_or(Ok(()), |mount| Err(Refused::NoVolume(mount.volume.clone())))
}

fn is_volume(objects: &Objects, name: &LocalName) -> bool {
    objects.get(name).is_some_and(|object| matches!(object.spec, ObjectSpec::Volume(_)))
}
