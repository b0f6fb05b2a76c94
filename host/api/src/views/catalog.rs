//! What can be provisioned now.

use larder_control::{Offer, Offers};
use larder_domain::addon::DeclaredVariables;
use larder_domain::manifest::{Plan, Service};
use serde::Serialize;
use serde_json::Value;

/// The catalog: one entry for each service of each provider.
#[derive(Serialize)]
pub(crate) struct CatalogView<'a> {
    services: Vec<ServiceView<'a>>,
}

#[derive(Serialize)]
struct ServiceView<'a> {
    name: &'a str,
    description: &'a str,
    tags: &'a [String],
    bindable: bool,
    provision_types: Vec<&'static str>,
    variables: VariablesView<'a>,
    provider: &'a str,
    provider_version: &'a str,
    digest: String,
    /// Which optional interfaces the provider has for it.
    exports: Vec<&'static str>,
    plans: Vec<PlanView<'a>>,
}

/// Names, or the word `any`.
#[derive(Serialize)]
#[serde(untagged)]
enum VariablesView<'a> {
    Any(&'static str),
    Names(Vec<&'a str>),
}

#[derive(Serialize)]
struct PlanView<'a> {
    name: &'a str,
    description: &'a str,
    free: bool,
    parameters: &'a Value,
    provision_deadline_s: u32,
}

impl<'a> From<&'a Offers> for CatalogView<'a> {
    fn from(offers: &'a Offers) -> Self {
        let of_provider = |offer: &'a Offer| offer.manifest.services.iter().map(|service| service_view(offer, service));
        Self { services: offers.0.values().flat_map(|offer| of_provider(offer)).collect() }
    }
}

fn service_view<'a>(offer: &'a Offer, service: &'a Service) -> ServiceView<'a> {
    ServiceView {
        name: service.name.as_str(),
        description: &service.description,
        tags: &service.tags,
        bindable: service.bindable,
        provision_types: service.provision_types.iter().map(|kind| kind.as_str()).collect(),
        variables: match &service.variables {
            DeclaredVariables::Any(_) => VariablesView::Any("any"),
            DeclaredVariables::Names(names) => VariablesView::Names(names.iter().map(|name| name.as_str()).collect()),
        },
        provider: offer.provider.as_str(),
        provider_version: &offer.manifest.version,
        digest: offer.digest.to_string(),
        exports: offer.exports.iter().map(|interface| interface.as_str()).collect(),
        plans: service.plans.iter().map(PlanView::from).collect(),
    }
}

impl<'a> From<&'a Plan> for PlanView<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            name: plan.name.as_str(),
            description: &plan.description,
            free: plan.free,
            parameters: &plan.parameters,
            provision_deadline_s: plan.provision_deadline_s,
        }
    }
}
