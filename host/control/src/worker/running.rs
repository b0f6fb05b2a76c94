//! What this node is doing now: the leases it must renew, and the calls it may have to drop.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use larder_domain::AddonId;
use larder_domain::work::{LEASE_MS, Lease, Subject, Token};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::Stop;

/// The node's leases, each with the means to stop its work. In order, so that a simulation goes the same way each time.
#[derive(Debug, Default)]
pub(crate) struct Running(Mutex<BTreeMap<Subject, Work>>);

#[derive(Debug)]
struct Work {
    lease: Lease,
    stop: Stop,
    /// Dropped when the work has ended.
    ends: watch::Sender<()>,
    held: Arc<Held>,
}

/// Since when a lease has run without being renewed.
#[derive(Debug)]
pub(crate) struct Held(Mutex<Instant>);

impl Held {
    /// Whether nobody else can have the lease yet. A process that was stopped for long finds that out here, before anybody tells it.
    pub(crate) fn is_valid(&self) -> bool {
        self.since().elapsed() < Duration::from_millis(LEASE_MS)
    }

    fn since(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renewed(&self, when: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = when;
    }
}

impl Running {
    /// Work begins under this lease, once earlier work of this node's about the same subject has ended: that has lost its
    /// lease, is told to stop, and calls of one addon never overlap. None if it has not ended within `at_most`.
    pub(crate) async fn begin(&self, lease: &Lease, leased_at: Instant, at_most: Duration) -> Option<Stop> {
        timeout(at_most, async {
            loop {
                match self.try_begin(lease, leased_at) {
                    Ok(stop) => return stop,
                    // An error is what is waited for: the sender is gone with the earlier work.
                    Err(mut earlier) => drop(earlier.changed().await),
                }
            }
        })
        .await
        .ok()
    }

    fn try_begin(&self, lease: &Lease, leased_at: Instant) -> Result<Stop, watch::Receiver<()>> {
        let mut running = self.lock();
        if let Some(earlier) = running.get(&lease.subject) {
            earlier.stop.notify_one();
            return Err(earlier.ends.subscribe());
        }
        let (stop, ends) = (Stop::default(), watch::Sender::new(()));
        let held = Arc::new(Held(Mutex::new(leased_at)));
        let work = Work { lease: lease.clone(), stop: Arc::clone(&stop), ends, held };
        running.insert(lease.subject.clone(), work);
        Ok(stop)
    }

    /// Work has ended.
    pub(crate) fn end(&self, lease: &Lease) {
        let mut running = self.lock();
        if running.get(&lease.subject).is_some_and(|held| held.lease.token == lease.token) {
            running.remove(&lease.subject);
        }
    }

    /// The token under which something is done about an addon here.
    pub(crate) fn token(&self, addon: AddonId) -> Option<Token> {
        self.lock().get(&Subject::Addon(addon)).map(|work| work.lease.token)
    }

    /// Drops the addon's call, if one is under way here under this token.
    pub(crate) fn cancel(&self, addon: AddonId, token: Token) {
        if let Some(work) = self.lock().get(&Subject::Addon(addon)).filter(|work| work.lease.token == token) {
            // One permit is kept, so that it is not lost on work that has not begun to listen.
            work.stop.notify_one();
        }
    }

    /// These leases were renewed at `when`, except for the lost ones, whose work is to stop.
    pub(crate) fn renewed(&self, leases: &[Lease], lost: &[Lease], when: Instant) {
        let running = self.lock();
        for lease in leases {
            match running.get(&lease.subject).filter(|work| work.lease.token == lease.token) {
                Some(work) if lost.contains(lease) => work.stop.notify_one(),
                Some(work) => work.held.renewed(when),
                None => {}
            }
        }
    }

    /// Drops all work whose lease was not renewed for so long: somebody else may do it soon.
    pub(crate) fn stop_unrenewed(&self, longer_than: Duration) {
        let running = self.lock();
        let overdue = running.values().filter(|work| work.held.since().elapsed() >= longer_than);
        overdue.for_each(|work| work.stop.notify_one());
    }

    /// How long a lease is good for; none if nothing is done under it here.
    pub(crate) fn held(&self, lease: &Lease) -> Option<Arc<Held>> {
        let running = self.lock();
        running.get(&lease.subject).filter(|work| work.lease.token == lease.token).map(|work| Arc::clone(&work.held))
    }

    /// Every lease that is held.
    pub(crate) fn all(&self) -> Vec<Lease> {
        self.lock().values().map(|work| work.lease.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Subject, Work>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use larder_domain::StoreTime;
    use larder_domain::ids::NodeId;
    use larder_domain::work::{Token, WorkKind};

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn lease(addon: AddonId, token: u64) -> Lease {
        Lease {
            kind: WorkKind::Addon,
            subject: Subject::Addon(addon),
            provider: "pg".parse().unwrap(),
            owner: NodeId::generate(),
            token: Token(token),
            until: StoreTime(0),
        }
    }

    #[tokio::test]
    async fn whoever_lost_a_lease_is_stopped_and_nobody_else() {
        let running = Running::default();
        let (lost, kept) = (lease(AddonId::generate(), 1), lease(AddonId::generate(), 1));
        let stop_lost = running.begin(&lost, Instant::now(), SOON).await.unwrap();
        let stop_kept = running.begin(&kept, Instant::now(), SOON).await.unwrap();
        running.renewed(&[lost.clone(), kept], std::slice::from_ref(&lost), Instant::now());
        assert!(stop_lost.notified().now_or_never().is_some());
        assert!(stop_kept.notified().now_or_never().is_none());
        // The next call of the same addon has another token: what was said of the old lease is not about it.
        running.end(&lost);
        let next = running.begin(&Lease { token: Token(2), ..lost.clone() }, Instant::now(), SOON).await.unwrap();
        running.renewed(std::slice::from_ref(&lost), std::slice::from_ref(&lost), Instant::now());
        assert!(next.notified().now_or_never().is_none());
    }

    #[tokio::test]
    async fn work_stops_when_its_lease_could_not_be_renewed_for_too_long() {
        let running = Running::default();
        let stop = running.begin(&lease(AddonId::generate(), 1), Instant::now(), SOON).await.unwrap();
        running.stop_unrenewed(Duration::from_secs(60));
        assert!(stop.notified().now_or_never().is_none());
        running.stop_unrenewed(Duration::ZERO);
        assert!(stop.notified().now_or_never().is_some());
    }

    #[tokio::test]
    async fn work_begins_when_earlier_work_about_the_same_has_ended() {
        let running = Running::default();
        let id = AddonId::generate();
        let stop = running.begin(&lease(id, 1), Instant::now(), SOON).await.unwrap();
        assert!(running.begin(&lease(id, 2), Instant::now(), SOON).await.is_none(), "the earlier work goes on");
        assert!(stop.notified().now_or_never().is_some(), "but it was told to stop");
        running.end(&lease(id, 1));
        assert!(running.begin(&lease(id, 2), Instant::now(), SOON).await.is_some());
    }
}
