//! The owner of a resource that another addon shares: the addon of the same name in an experiment.

use larder_domain::manifest::Service;
use larder_domain::ports::store::AddonFilter;
use larder_domain::{AddonId, AddonName, AppName, ProvisionType};

use super::CreateAddon;
use crate::{Code, Control, ControlError};

/// Addons of one app that are looked through.
const ADDONS_MAX: usize = 10_000;

impl Control {
    /// The addon whose resource a request wants to share; none if it wants one of its own.
    pub(super) async fn owner(
        &self,
        request: &CreateAddon,
        service: &Service,
        provision_type: ProvisionType,
    ) -> Result<Option<AddonId>, ControlError> {
        let invalid = |message: String| ControlError::refused(Code::InvalidShare, message);
        if provision_type != ProvisionType::Shared {
            let names =
                [("shared_experiment_name", &request.shared_experiment), ("shared_app_name", &request.shared_app)];
            return match names.iter().find(|(_, given)| given.is_some()) {
                Some((name, _)) => {
                    Err(invalid(format!("{name} goes with the provision type shared, not {provision_type}")))
                }
                None => Ok(None),
            };
        }
        let Some(experiment) = &request.shared_experiment else {
            return Err(invalid("a shared addon needs shared_experiment_name: whose resource it shares".to_owned()));
        };
        let own = request.app.as_str().split('.').next().unwrap_or_default();
        let app: AppName = format!("{}.{experiment}", request.shared_app.as_deref().unwrap_or(own)).parse()?;
        let name = request.name.clone().unwrap_or_else(|| AddonName::from(&service.name));
        let filter = AddonFilter { app: Some(app.clone()), count_max: ADDONS_MAX, ..AddonFilter::default() };
        let found = self.store.addons(filter).await?.into_iter().find(|record| record.spec.name == name);
        let Some(owner) = found.filter(|_| app != request.app) else {
            let message = format!("there is no addon {name} in {app} that could be shared");
            return Err(ControlError::refused(Code::UnknownOwner, message));
        };
        if owner.spec.service != service.name {
            let message =
                format!("the addon {name} in {app} is of the service {}, not {}", owner.spec.service, service.name);
            return Err(invalid(message));
        }
        // Whoever shares what is shared itself shares it with the same owner: so there are no chains, and no circles.
        let root = if owner.spec.provision_type == ProvisionType::Shared { owner.spec.parent } else { None };
        Ok(Some(root.unwrap_or(owner.spec.id)))
    }
}
