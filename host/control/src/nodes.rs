//! Nodes: who is there, who takes work, and what other nodes have done that somebody here waits for.

use std::time::Duration;

use larder_domain::NodeName;
use larder_domain::node::Node;
use larder_domain::ports::store::Standing;
use larder_domain::work::LEASE_RENEWAL_MS;
use tokio::time::{Instant, sleep, timeout};

use crate::worker::renew_leases;
use crate::{Code, Control, ControlError};

/// The least time between two looks at what other nodes have done.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

impl Control {
    /// All nodes, and those that went without a word lately.
    ///
    /// # Errors
    /// The store failed.
    pub async fn nodes(&self) -> Result<Vec<Node>, ControlError> {
        Ok(self.store.nodes().await?)
    }

    /// Says whether a node is to take work. One that is not ends what it has.
    ///
    /// # Errors
    /// `unknown_node`.
    pub async fn drain_node(&self, name: &NodeName, drained: bool) -> Result<Node, ControlError> {
        let unknown = || ControlError::refused(Code::UnknownNode, format!("there is no node `{name}`"));
        if !self.store.set_draining(name, drained).await? {
            return Err(unknown());
        }
        self.nodes().await?.into_iter().find(|node| node.name == *name).ok_or_else(unknown)
    }

    /// Says that this node ends.
    pub(crate) async fn leave(&self) {
        if let Err(error) = self.store.leave().await {
            tracing::warn!(%error, "the other nodes are not told that this one ends; they see it");
        }
    }
}

/// Keeps what this node has: says that it lives, and renews its leases, now and then and whenever another node may have taken one.
pub(crate) async fn keep(control: Control) {
    let period = Duration::from_millis(LEASE_RENEWAL_MS);
    let (mut others, mut wishes) = (control.store.watch_others(), control.store.watch_wishes());
    let (mut next, mut last) = (Instant::now() + period, Standing::Working);
    loop {
        tokio::select! {
            biased;
            () = sleep(next.saturating_duration_since(Instant::now())) => {
                next = Instant::now() + period;
                // Beside each other: a lease must not be lost to a word about something else.
                let (said, ()) = tokio::join!(timeout(period, control.store.beat()), renew_leases(&control, period));
                match said {
                    Ok(Ok(standing)) if standing == last => {}
                    Ok(Ok(standing)) => last = told(standing),
                    Ok(Err(error)) => tracing::debug!(%error, "the other nodes are not told that this one lives"),
                    Err(_) => tracing::debug!("the other nodes are not told in time that this one lives"),
                }
            }
            goes_on = wishes.changed() => {
                if !goes_on {
                    return;
                }
                renew_leases(&control, period).await;
                sleep(LOOK_PAUSE).await;
            }
            goes_on = others.changed() => {
                if !goes_on {
                    return;
                }
                control.waiters.wake_all();
                sleep(LOOK_PAUSE).await;
            }
        }
    }
}

fn told(standing: Standing) -> Standing {
    match standing {
        Standing::Working => tracing::info!("this node takes work"),
        Standing::Draining => tracing::info!("this node is drained: it takes no more work, and ends what it has"),
        Standing::Replaced => {
            tracing::error!(
                "another server runs under this node's name, and this one writes no more: stop one of them"
            );
        }
        Standing::OtherKey => {
            tracing::error!(
                "the installation's key was rotated while this node was away, and it takes no more work: stop it, copy `sealing.key` from the data directory of \
                 a node that works, and start it again"
            );
        }
    }
    standing
}
