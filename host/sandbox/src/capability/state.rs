//! `larder:host/state`: the addon's small store, as one call sees it.
//!
//! The stored state is read when the guest first asks for any of it; from then on the call works on a copy. What it
//! writes is handed to whoever made the call together with the answer, to be stored in one transaction with it; only
//! `checkpoint` stores at once. So a call that breaks down leaves nothing behind but its checkpoints.

use std::sync::Arc;

use larder_domain::limits::{STATE_BYTES_MAX, STATE_KEY_BYTES_MAX};
use larder_domain::ports::CallContext;
use larder_domain::ports::runtime::{ContextError, GuestState};

use crate::bindings::StateFailure;
use crate::bindings::state::{Error, Host};

/// A call's view of its addon's state.
pub(crate) struct StateOverlay {
    stored: Option<Arc<dyn CallContext>>,
    copy: Option<Result<Copy, ContextError>>,
}

struct Copy {
    entries: GuestState,
    bytes: usize,
    written: bool,
}

impl StateOverlay {
    /// Over what is stored, or over what an earlier call of the same step has written.
    pub(crate) fn over(stored: Arc<dyn CallContext>, earlier: Option<GuestState>) -> Self {
        // What the earlier call wrote is not stored yet, so it is this call's to hand on.
        let copy = earlier.map(|entries| Ok(Copy { written: true, ..Copy::of(entries) }));
        Self { stored: Some(stored), copy }
    }

    /// For a call about no addon.
    pub(crate) fn of_no_addon() -> Self {
        Self { stored: None, copy: None }
    }

    /// The whole state, if it was written to. A checkpoint does not change that: storing the same state once more with
    /// the answer harms nobody, whereas forgetting it might bring back an older one.
    pub(crate) fn into_written(self) -> Option<GuestState> {
        self.copy?.ok().filter(|copy| copy.written).map(|copy| copy.entries)
    }

    async fn copy(&mut self) -> Result<&mut Copy, StateFailure> {
        let Some(stored) = &self.stored else {
            return Err(Error::Unavailable("this call is about no addon, so it has no state".to_owned()).into());
        };
        if self.copy.is_none() {
            self.copy = Some(stored.load_state().await.map(Copy::of));
        }
        match &mut self.copy {
            Some(Ok(copy)) => Ok(copy),
            Some(Err(error)) => Err(refused(error).into()),
            None => Err(StateFailure::trap(wasmtime::format_err!("the addon's state was read and is not there"))),
        }
    }
}

impl Copy {
    fn of(entries: GuestState) -> Self {
        let bytes = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
        Self { entries, bytes, written: false }
    }

    fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), Error> {
        let replaced = self.entries.get(&key).map_or(0, |old| key.len() + old.len());
        let bytes = self.bytes - replaced + key.len() + value.len();
        if bytes > STATE_BYTES_MAX {
            return Err(Error::Full(STATE_BYTES_MAX as u32));
        }
        self.entries.insert(key, value);
        self.bytes = bytes;
        self.written = true;
        Ok(())
    }

    fn delete(&mut self, key: &str) {
        if let Some(old) = self.entries.remove(key) {
            self.bytes -= key.len() + old;
            self.written = true;
        }
    }
}

impl Host for StateOverlay {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, StateFailure> {
        check(&key)?;
        Ok(self.copy().await?.entries.get(&key).map(<[u8]>::to_vec))
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), StateFailure> {
        check(&key)?;
        Ok(self.copy().await?.set(key, value)?)
    }

    async fn delete(&mut self, key: String) -> Result<(), StateFailure> {
        check(&key)?;
        self.copy().await?.delete(&key);
        Ok(())
    }

    async fn keys(&mut self) -> Result<Vec<String>, StateFailure> {
        Ok(self.copy().await?.entries.keys().cloned().collect())
    }

    async fn checkpoint(&mut self) -> Result<(), StateFailure> {
        let stored = self.stored.clone();
        let copy = self.copy().await?;
        match stored {
            Some(stored) => Ok(stored.checkpoint(&copy.entries).await.map_err(|error| refused(&error))?),
            None => Ok(()),
        }
    }

    fn convert_error(&mut self, failure: StateFailure) -> wasmtime::Result<Error> {
        failure.downcast()
    }
}

fn check(key: &str) -> Result<(), Error> {
    let fits = (1..=STATE_KEY_BYTES_MAX).contains(&key.len());
    if fits { Ok(()) } else { Err(Error::BadKey(STATE_KEY_BYTES_MAX as u32)) }
}

fn refused(error: &ContextError) -> Error {
    match error {
        ContextError::Superseded => Error::Superseded,
        ContextError::Unavailable(why) | ContextError::Unfit(why) => Error::Unavailable(why.clone()),
    }
}

#[cfg(test)]
mod tests;
