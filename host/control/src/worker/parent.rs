//! What an addon needs to know of the one that it is a part of: a communal server, or the owner of the resource that it shares.

use larder_domain::config::AddonConfig;
use larder_domain::ports::StoreError;
use larder_domain::{AddonRecord, AddonState, Event};

use crate::Control;

/// How the other addon is doing.
pub(super) enum Parent {
    /// It can be used, and gives this.
    Ready(Box<AddonRecord>, AddonConfig),
    /// Not yet; how far it is.
    NotYet(String),
    /// It is over; why.
    Over(String),
}

impl Parent {
    /// Of an addon that is a part of another one.
    pub(super) async fn of(control: &Control, record: &AddonRecord) -> Result<Option<Self>, StoreError> {
        let Some(id) = record.spec.parent else { return Ok(None) };
        let Some(parent) = control.store.addon(id).await? else {
            return Ok(Some(Self::Over("it was deleted".to_owned())));
        };
        Ok(Some(match parent.addon.state {
            AddonState::Ready => match control.store.addon_config(id).await? {
                Some(config) => Self::Ready(Box::new(parent), config),
                None => Self::Over("it gives nothing".to_owned()),
            },
            AddonState::WaitingForProvision | AddonState::Provisioned => {
                let server = &parent.spec.name;
                Self::NotYet(format!("waiting for {server}: {}", parent.addon.message))
            }
            AddonState::Deprovisioned => Self::Over("it was deleted".to_owned()),
            AddonState::Error => Self::Over(parent.addon.message),
        }))
    }

    /// The event that keeps its parts waiting, or ends them.
    pub(super) fn in_the_way(&self) -> Option<Event> {
        match self {
            Self::Ready(..) => None,
            Self::NotYet(message) => Some(Event::AwaitingParent { message: message.clone() }),
            Self::Over(why) => {
                Some(Event::ParentLost { reason: format!("the addon that this one is a part of is over: {why}") })
            }
        }
    }
}
