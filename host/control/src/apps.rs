//! Apps and their variables.

use larder_domain::engines::EngineWish;
use larder_domain::limits::VALUE_BYTES_MAX;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::{
    APP_VARIABLES_MAX, AppRefusal, AppVariable, CASCADE_ADDONS_MAX, Cascade, ConfigPatch, PatchRefusal,
};
use larder_domain::quota::AppUse;
use larder_domain::{AppName, VariableName};

use crate::addons::{in_use, protected};
use crate::{Code, Control, ControlError};

impl Control {
    /// Creates an app. False if it was there.
    ///
    /// # Errors
    /// The store failed.
    pub async fn create_app(&self, app: &AppName) -> Result<bool, ControlError> {
        Ok(self.store.create_app(app).await?)
    }

    /// Apps by name after `after`, each with how many addons it has and may have.
    ///
    /// # Errors
    /// The store failed.
    pub async fn apps(&self, after: Option<AppName>, count_max: usize) -> Result<Vec<(AppName, AppUse)>, ControlError> {
        Ok(self.store.apps(after, count_max).await?)
    }

    /// That there is such an app.
    ///
    /// # Errors
    /// `unknown_app`.
    pub async fn app(&self, app: &AppName) -> Result<(), ControlError> {
        if self.store.has_app(app).await? { Ok(()) } else { Err(unknown(app)) }
    }

    /// How many live addons an app has, and may have if something else was said of it than of all.
    ///
    /// # Errors
    /// `unknown_app`.
    pub async fn app_use(&self, app: &AppName) -> Result<AppUse, ControlError> {
        self.store.app_use(app).await?.ok_or_else(|| unknown(app))
    }

    /// Deletes an app and its own variables; with `cascade` its addons too: all of it or nothing.
    ///
    /// # Errors
    /// `unknown_app`; `app_in_use` without `cascade`, or with more than [`CASCADE_ADDONS_MAX`] addons; `protected` if one of
    /// its addons is; `addon_in_use` if an addon of others is a part of one.
    pub async fn delete_app(&self, app: &AppName, cascade: bool) -> Result<(), ControlError> {
        self.app(app).await?;
        let cascade = cascade.then(|| Cascade { grace: self.new_grace() });
        let (control, doomed) = (self.clone(), app.clone());
        let deleted = Self::whole(async move {
            let deleted = control.store.delete_app(&doomed, cascade).await?;
            for id in deleted.iter().flatten() {
                control.stored_as_gone(*id).await;
            }
            Ok::<_, StoreError>(deleted)
        });
        deleted.await?.map(drop).map_err(|refusal| kept(app, refusal))
    }

    /// Where the app's future addons are to be; none for anywhere.
    ///
    /// # Errors
    /// `unknown_app`.
    pub async fn app_engine(&self, app: &AppName) -> Result<Option<EngineWish>, ControlError> {
        self.app(app).await?;
        Ok(self.store.app_engine(app).await?)
    }

    /// Says where the app's future addons are to be; those that it has stay where they are.
    ///
    /// # Errors
    /// `unknown_app`; `engine_unfit` if no engine fits it.
    pub async fn set_app_engine(&self, app: &AppName, wish: Option<EngineWish>) -> Result<(), ControlError> {
        self.app(app).await?;
        if let Some(wish) = &wish {
            self.check_wish(wish).await?;
        }
        Ok(self.store.set_app_engine(app, wish).await?)
    }

    /// What the app sees now.
    ///
    /// # Errors
    /// `unknown_app`.
    pub async fn app_config(&self, app: &AppName) -> Result<Vec<AppVariable>, ControlError> {
        self.store.app_config(app).await?.ok_or_else(|| unknown(app))
    }

    /// Sets and unsets the app's own variables: all or nothing.
    ///
    /// # Errors
    /// `unknown_app`, `variable_owned_by_addon`, `too_many_variables`.
    pub async fn patch_app_config(&self, app: &AppName, patch: ConfigPatch) -> Result<(), ControlError> {
        match self.store.patch_app_config(app, patch).await? {
            Ok(()) => Ok(()),
            Err(PatchRefusal::NoApp) => Err(unknown(app)),
            Err(PatchRefusal::OwnedByAddon { variable, owner }) => Err(ControlError::refused(
                Code::VariableOwnedByAddon,
                format!("{variable} is set by the addon {owner}"),
            )),
            Err(PatchRefusal::TooMany) => Err(ControlError::refused(
                Code::TooManyVariables,
                format!("an app has at most {APP_VARIABLES_MAX} variables of its own"),
            )),
        }
    }
}

pub(crate) fn unknown(app: &AppName) -> ControlError {
    ControlError::refused(Code::UnknownApp, format!("there is no app {app}"))
}

fn kept(app: &AppName, refusal: AppRefusal) -> ControlError {
    match refusal {
        AppRefusal::InUse(count) => ControlError::refused(Code::AppInUse, format!("the app {app} has {count} addons")),
        AppRefusal::TooMany(count) => {
            let message = format!("the app {app} has {count} addons; at most {CASCADE_ADDONS_MAX} can go with it");
            ControlError::refused(Code::AppInUse, message)
        }
        AppRefusal::Protected(id) => protected(id),
        AppRefusal::AddonInUse(id, users) => in_use(id, &users),
    }
}

/// That an app may have this value for a variable of its own.
///
/// # Errors
/// `invalid_variable`: it has a NUL character, or is too long.
pub fn check_own_value(name: &VariableName, value: Option<&str>) -> Result<(), ControlError> {
    let value = value.unwrap_or_default();
    if value.contains('\0') {
        return Err(ControlError::refused(Code::InvalidVariable, format!("the value of {name} has a NUL character")));
    }
    if value.len() > VALUE_BYTES_MAX {
        let message = format!("the value of {name} has {} bytes; at most {VALUE_BYTES_MAX} are allowed", value.len());
        return Err(ControlError::refused(Code::InvalidVariable, message));
    }
    Ok(())
}
