//! Whether a call may go on: a process that was stopped for longer than a lease lasts must not act for an addon that another one drives by
//! now. What the guest gets to do after that is refused before anybody tells this process that it lost the lease.

use std::sync::Arc;

use larder_domain::ports::runtime::CallContext;

/// A call's right to act; one about no addon always has it.
#[derive(Clone, Default)]
pub(crate) struct Lease(Option<Arc<dyn CallContext>>);

impl Lease {
    pub(crate) fn of(context: &Arc<dyn CallContext>) -> Self {
        Self(Some(Arc::clone(context)))
    }

    pub(crate) fn is_held(&self) -> bool {
        self.0.as_ref().is_none_or(|context| context.is_held())
    }
}
