//! Deleting addons, and having them back.
//!
//! An addon is gone at once for its user, and what it holds is cleaned up afterwards: at once too, or when the grace is over that
//! the operator gives. A communal server has none: it goes only when nobody uses it, and then holds nothing of anybody's.

use larder_domain::ports::StoreError;
use larder_domain::ports::store::{Child, InUse, UndeleteRefusal, Unless};
use larder_domain::{AddonId, AddonRecord, Grace, Role};

use crate::apps::unknown as unknown_app;
use crate::{Code, Control, ControlError};

/// How many addons are named that are in the way of a deletion.
const NAMED_MAX: usize = 20;

impl Control {
    /// Wants an addon gone. Returns at once: it is terminal then, and what its provider made is cleaned up afterwards, when
    /// the operator's grace is over.
    ///
    /// # Errors
    /// `unknown_addon`, `protected`, `addon_in_use`.
    pub async fn delete_addon(&self, id: AddonId, force: bool) -> Result<AddonRecord, ControlError> {
        let record = self.addon(id).await?;
        // What one was given once it keeps, whatever the operator gives by now.
        let grace = match (record.addon.kept(), record.spec.role) {
            (Some(grace), _) => Some(grace),
            (None, Role::Server) => None,
            (None, Role::User) => self.new_grace(),
        };
        self.delete(record, grace, force).await
    }

    /// The same without any grace, also for an addon that is deleted already.
    ///
    /// # Errors
    /// As for [`Control::delete_addon`].
    pub async fn delete_addon_now(&self, id: AddonId, force: bool) -> Result<AddonRecord, ControlError> {
        let record = self.addon(id).await?;
        self.delete(record, None, force).await
    }

    /// Has a deleted addon back within its grace. Returns at once: its variables are set afterwards.
    ///
    /// # Errors
    /// `unknown_addon`, `not_in_grace`, `quota_exceeded`, `unknown_app`, `parent_gone`, `name_taken`, `variable_taken`.
    pub async fn undelete_addon(&self, id: AddonId) -> Result<AddonRecord, ControlError> {
        let control = self.clone();
        let undeleted = Self::whole(async move {
            let undeleted = control.store.undelete(id, control.app_addons_max).await?;
            if undeleted.is_ok() {
                // Its variables may just be being taken away.
                control.drop_superseded(id).await;
            }
            Ok::<_, StoreError>(undeleted)
        });
        undeleted.await?.map_err(|refusal| self.count_full(refused(id, refusal)))
    }

    async fn delete(
        &self,
        record: AddonRecord,
        grace: Option<Grace>,
        force: bool,
    ) -> Result<AddonRecord, ControlError> {
        if !force {
            refuse_protected(&record)?;
        }
        // What others are a part of stays: a communal server as long as one of them lives, whatever else unless it is forced.
        let unless = match (force, record.spec.role) {
            (false, _) => Unless::Used,
            (true, Role::Server) => Unless::Lived,
            (true, Role::User) => Unless::Never,
        };
        let (id, control) = (record.spec.id, self.clone());
        let deleted = Self::whole(async move {
            let deleted = control.store.delete_addon(id, grace, unless).await?;
            if deleted.is_ok() {
                control.stored_as_gone(id).await;
            }
            Ok::<_, StoreError>(deleted)
        });
        match deleted.await? {
            Ok(applied) => Ok(AddonRecord { addon: applied.addon, ..record }),
            Err(InUse(users)) => Err(in_use(id, &users)),
        }
    }

    /// How long from now what a user deletes is kept, if the operator gives any time.
    pub(crate) fn new_grace(&self) -> Option<Grace> {
        Grace::of(self.delete_grace_ms, self.store.now(), self.store.wall())
    }

    /// A wish about an addon is stored: the call under way is dropped, unless it is what the wish has led to.
    pub(crate) async fn drop_superseded(&self, id: AddonId) {
        let Some(token) = self.running.token(id) else { return };
        // If that can't be asked, it is dropped: the step is done again.
        if !self.store.holds(id, token).await.unwrap_or(false) {
            self.running.cancel(id, token);
        }
    }

    /// The wish is stored; only now may the call under way be dropped, or a crash in between would lose both.
    pub(crate) async fn stored_as_gone(&self, id: AddonId) {
        self.drop_superseded(id).await;
        self.transfers.cancel(id);
        self.waiters.settled(id, || None);
    }
}

/// Others are a part of it.
pub(crate) fn in_use(id: AddonId, users: &[Child]) -> ControlError {
    let named = |user: &Child| {
        let remark = if user.live { "" } else { " (deleted, and can be had back)" };
        format!("{}{remark}", user.id)
    };
    let named: Vec<String> = users.iter().take(NAMED_MAX).map(named).collect();
    let more = if users.len() > NAMED_MAX { " and others" } else { "" };
    let message = format!("{} addons use {id}: {}{more}", users.len(), named.join(", "));
    ControlError::refused(Code::AddonInUse, message)
}

/// A protected addon goes only by force, unless it is gone already.
fn refuse_protected(record: &AddonRecord) -> Result<(), ControlError> {
    if record.spec.protected && !record.addon.state.is_terminal() {
        return Err(protected(record.spec.id));
    }
    Ok(())
}

/// It is protected.
pub(crate) fn protected(id: AddonId) -> ControlError {
    ControlError::refused(Code::Protected, format!("the addon {id} is protected against deletion"))
}

fn refused(id: AddonId, refusal: UndeleteRefusal) -> ControlError {
    match refusal {
        UndeleteRefusal::NotInGrace => {
            ControlError::refused(Code::NotInGrace, format!("nothing of the addon {id} is kept that could be had back"))
        }
        UndeleteRefusal::Quota(full) => full.into(),
        UndeleteRefusal::NoApp(app) => unknown_app(&app),
        UndeleteRefusal::ParentGone(parent) => {
            ControlError::refused(Code::ParentGone, format!("the addon {id} was a part of {parent}, which is gone"))
        }
        UndeleteRefusal::NameTaken(other) => {
            ControlError::refused(Code::NameTaken, format!("the addon {other} has the name of {id} by now"))
        }
        UndeleteRefusal::VariableTaken { variable, owner } => {
            let owner = owner.map_or_else(|| "is the app's own".to_owned(), |id| format!("belongs to the addon {id}"));
            ControlError::refused(Code::VariableTaken, format!("the app has {variable} again: it {owner}"))
        }
    }
}
