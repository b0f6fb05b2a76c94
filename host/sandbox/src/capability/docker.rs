//! `larder:host/docker`: what an addon is to have on an engine, as one call sees it.
//!
//! What is wanted is read when the guest first asks for any of it; from then on the call works on a copy, which is handed to
//! whoever made the call together with the answer. Each wish is asked about right here, so that a guest learns at once what it may
//! not have; nothing is done at an engine but looking and running commands.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use larder_domain::SecretString;
use larder_domain::docker::{Command, LocalName, ObjectSpec, Objects, Policy, Refused, Status, Wanted};
use larder_domain::grants::Denied;
use larder_domain::ports::CallContext;
use larder_domain::ports::engine::Exec;
use larder_domain::ports::runtime::ContextError;

use crate::bindings::DockerFailure;
use crate::bindings::docker::{Error, ExecOutput, Host, Place};

/// How long a command may take.
const EXEC_WALL: Duration = Duration::from_secs(20);
/// What is kept of each of its outputs, in bytes.
const EXEC_OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// How often one call may look at objects or run commands.
const LOOKS_MAX: u32 = 64;
/// The longest name of a host, in bytes (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;
/// Refusals of one call that are told.
const DENIED_MAX: usize = 8;
const NOT_STORED: &str = "it is stored with this call's answer, and made then";

/// A call's view of its addon's objects.
pub(crate) struct DockerOverlay {
    stored: Option<Arc<dyn CallContext>>,
    policy: Arc<Policy>,
    copy: Option<Result<Copy, ContextError>>,
    looks: u32,
    denied: Vec<Denied>,
}

struct Copy {
    objects: Objects,
    /// Names whose documents are not stored yet.
    changed: BTreeSet<LocalName>,
    written: bool,
}

impl DockerOverlay {
    /// Over what is stored, or over what an earlier call of the same step wanted.
    pub(crate) fn over(stored: Arc<dyn CallContext>, policy: Arc<Policy>, earlier: Option<Objects>) -> Self {
        // What the earlier call wanted is not stored yet, so it is this call's to hand on.
        let changed = |objects: &Objects| objects.keys().cloned().collect();
        let copy = earlier.map(|objects| Ok(Copy { changed: changed(&objects), objects, written: true }));
        Self { stored: Some(stored), policy, copy, looks: 0, denied: vec![] }
    }

    /// For a call about no addon.
    pub(crate) fn of_no_addon() -> Self {
        Self { stored: None, policy: Arc::default(), copy: None, looks: 0, denied: vec![] }
    }

    /// All objects, if the guest changed any; and what was refused to it.
    pub(crate) fn into_parts(self) -> (Option<Objects>, Vec<Denied>) {
        let copy = self.copy.and_then(Result::ok).filter(|copy| copy.written);
        (copy.map(|copy| copy.objects), self.denied)
    }

    fn stored(&self) -> Result<&Arc<dyn CallContext>, Error> {
        let about_none = || Error::Unfit("this call is about no addon, so it has no objects".to_owned());
        self.stored.as_ref().ok_or_else(about_none)
    }

    async fn copy(&mut self) -> Result<&mut Copy, DockerFailure> {
        if self.copy.is_none() {
            let of = |objects| Copy { objects, changed: BTreeSet::new(), written: false };
            self.copy = Some(self.stored()?.load_objects().await.map(of));
        }
        match &mut self.copy {
            Some(Ok(copy)) => Ok(copy),
            Some(Err(error)) => Err(refused(error).into()),
            None => Err(DockerFailure::trap(wasmtime::format_err!("the addon's objects were read and are not there"))),
        }
    }

    fn deny(&mut self, refused: Refused) -> Error {
        let said = refused.to_string();
        match refused {
            Refused::Denied(denied) => {
                if self.denied.len() < DENIED_MAX && !self.denied.contains(&denied) {
                    self.denied.push(denied);
                }
                Error::Denied(said)
            }
            Refused::TooMany | Refused::NoVolume(_) | Refused::NoContainer(_) => Error::Invalid(said),
        }
    }

    fn look(&mut self) -> Result<(), Error> {
        self.looks += 1;
        if self.looks > LOOKS_MAX {
            return Err(Error::Unfit(format!("one call may look at objects and run commands {LOOKS_MAX} times")));
        }
        Ok(())
    }
}

impl Host for DockerOverlay {
    async fn ensure(&mut self, document: String) -> Result<(), DockerFailure> {
        let wanted = Wanted::parse(SecretString::new(document)).map_err(|error| Error::Invalid(error.to_string()))?;
        let policy = Arc::clone(&self.policy);
        let copy = self.copy().await?;
        let name = wanted.spec.name().clone();
        let before = copy.objects.insert(name.clone(), wanted.clone());
        if before.as_ref() == Some(&wanted) {
            // Handed on all the same: what could not be made is tried again by whoever asks for it again.
            copy.written = true;
            return Ok(());
        }
        let is_other_kind = before.as_ref().is_some_and(|before| before.spec.kind() != wanted.spec.kind());
        let permitted = policy.permits(&copy.objects);
        if is_other_kind || permitted.is_err() {
            // As if it had not been asked for.
            match before {
                Some(before) => copy.objects.insert(name.clone(), before),
                None => copy.objects.remove(&name),
            };
            let other = || Error::Invalid(format!("{name} is an object of another kind: remove it first"));
            return Err(permitted.map_or_else(|refused| self.deny(refused), |()| other()).into());
        }
        copy.changed.insert(name);
        copy.written = true;
        Ok(())
    }

    async fn remove(&mut self, name: String) -> Result<(), DockerFailure> {
        let name = local(&name)?;
        let copy = self.copy().await?;
        let mounts = |object: &Wanted| match &object.spec {
            ObjectSpec::Container(spec) => spec.mounts.iter().any(|mount| mount.volume == name),
            ObjectSpec::Volume(_) => false,
        };
        if let Some(user) = copy.objects.values().find(|object| mounts(object)) {
            let why = format!("the container {} mounts {name}: remove that first", user.spec.name());
            return Err(Error::Invalid(why).into());
        }
        if copy.objects.remove(&name).is_some() {
            copy.changed.remove(&name);
            copy.written = true;
        }
        Ok(())
    }

    async fn inspect(&mut self, name: String) -> Result<String, DockerFailure> {
        self.look()?;
        let name = local(&name)?;
        let copy = self.copy().await?;
        if !copy.objects.contains_key(&name) {
            return Err(Error::Unfit(format!("the addon is to have no object {name}")).into());
        }
        let status = match copy.changed.contains(&name) {
            true => Status::Waiting { message: NOT_STORED.to_owned() },
            false => self.stored()?.inspect(&name).await.map_err(|error| refused(&error))?,
        };
        Ok(status.to_document())
    }

    async fn for_app(&mut self, at: Place) -> Result<Place, DockerFailure> {
        self.look()?;
        let Place { host, port } = at;
        if host.len() > HOST_BYTES_MAX {
            return Err(Error::Invalid(format!("a host has at most {HOST_BYTES_MAX} bytes")).into());
        }
        let (host, port) = self.stored()?.for_app(&host, port).await.map_err(|error| refused(&error))?;
        Ok(Place { host, port })
    }

    async fn exec(&mut self, name: String, command: String, stdin: Vec<u8>) -> Result<ExecOutput, DockerFailure> {
        self.look()?;
        let name = local(&name)?;
        let command = Command::parse(&command).map_err(|error| Error::Invalid(error.to_string()))?;
        let policy = Arc::clone(&self.policy);
        let copy = self.copy().await?;
        let Some(ObjectSpec::Container(spec)) = copy.objects.get(&name).map(|wanted| &wanted.spec) else {
            return Err(Error::Unfit(format!("the addon is to have no container {name}")).into());
        };
        if copy.changed.contains(&name) {
            return Err(Error::Unfit(format!("{name}: {NOT_STORED}")).into());
        }
        let permitted = policy.permits_command(spec, command.program());
        permitted.map_err(|refused| self.deny(refused))?;
        let Command { command, env, user } = command;
        let exec =
            Exec { command, env, user, stdin: stdin.into(), output_bytes_max: EXEC_OUTPUT_BYTES_MAX, wall: EXEC_WALL };
        let output = self.stored()?.exec(&name, exec).await.map_err(|error| refused(&error))?;
        let code = i32::try_from(output.code).unwrap_or(i32::MAX);
        let (stdout, stderr) = (output.stdout.into_vec(), output.stderr.into_vec());
        Ok(ExecOutput { code, stdout, stderr, truncated: output.truncated })
    }

    fn convert_error(&mut self, failure: DockerFailure) -> wasmtime::Result<Error> {
        failure.downcast()
    }
}

fn local(name: &str) -> Result<LocalName, Error> {
    name.parse().map_err(|error: larder_domain::NameError| Error::Invalid(error.to_string()))
}

fn refused(error: &ContextError) -> Error {
    match error {
        ContextError::Superseded => Error::Superseded,
        ContextError::Unavailable(why) => Error::Unavailable(why.clone()),
        ContextError::Unfit(why) => Error::Unfit(why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use larder_domain::ports::runtime::GuestState;

    use super::*;

    const DATA: &str = r#"{"kind":"volume","name":"data"}"#;

    /// An addon that has a volume.
    struct Stored;

    fn objects() -> Objects {
        let wanted = Wanted::parse(SecretString::new(DATA)).unwrap();
        [(wanted.spec.name().clone(), wanted)].into()
    }

    #[async_trait]
    impl CallContext for Stored {
        async fn load_state(&self) -> Result<GuestState, ContextError> {
            Ok(GuestState::new())
        }

        async fn checkpoint(&self, _: &GuestState) -> Result<(), ContextError> {
            Ok(())
        }

        async fn load_objects(&self) -> Result<Objects, ContextError> {
            Ok(objects())
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_again_is_handed_on_and_what_is_looked_at_is_not() {
        let grants = vec!["volumes=1".parse().unwrap()];
        let policy = Arc::new(Policy::new(grants.clone(), grants));
        let mut overlay = DockerOverlay::over(Arc::new(Stored), Arc::clone(&policy), None);
        assert!(overlay.ensure(DATA.to_owned()).await.is_ok());
        assert_eq!(overlay.into_parts().0, Some(objects()));
        let mut overlay = DockerOverlay::over(Arc::new(Stored), policy, None);
        assert!(overlay.copy().await.is_ok());
        assert_eq!(overlay.into_parts().0, None);
    }
}
