//! Whether a call may go on: a process that was stopped for longer than a lease lasts must not act for an addon that another one drives by
//! now. What the guest gets to do after that is refused before anybody tells this process that it lost the lease: its next turn, and
//! within a turn whatever it asks of the host.

use std::sync::Arc;

use larder_domain::ports::runtime::CallContext;

/// A call's right to act; one about no addon always has it.
#[derive(Clone, Default)]
pub(crate) struct Lease(Option<Arc<dyn CallContext>>);

impl Lease {
    pub(crate) fn of(context: &Arc<dyn CallContext>) -> Self {
        Self(Some(Arc::clone(context)))
    }

    pub(crate) const fn can_be_lost(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn is_held(&self) -> bool {
        self.0.as_ref().is_none_or(|context| context.is_held())
    }
}

/// What a guest's next step into the host ends with.
#[derive(Debug, thiserror::Error)]
#[error("the call has lost its lease, and somebody else may drive the addon by now")]
pub(crate) struct LeaseLost;

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use larder_domain::ports::runtime::{ContextError, GuestState};

    use super::*;

    /// A lease that can be lost.
    #[derive(Default)]
    pub(crate) struct Losable(AtomicBool);

    impl Losable {
        pub(crate) fn lose(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[async_trait]
    impl CallContext for Losable {
        fn is_held(&self) -> bool {
            !self.0.load(Ordering::Relaxed)
        }

        async fn load_state(&self) -> Result<GuestState, ContextError> {
            Ok(GuestState::new())
        }

        async fn checkpoint(&self, _: &GuestState) -> Result<(), ContextError> {
            Ok(())
        }
    }

    pub(crate) fn losable() -> (Arc<Losable>, Lease) {
        let losable = Arc::new(Losable::default());
        let context: Arc<dyn CallContext> = losable.clone();
        (losable, Lease::of(&context))
    }
}
