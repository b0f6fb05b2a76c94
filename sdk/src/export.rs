//! From a type that implements [`Provider`] to a component's exports.

use std::marker::PhantomData;

use crate::bindings::exports::larder::provider::{catalog, lifecycle};
use crate::bindings::health_reporting::exports::larder::provider::health;
use crate::bindings::rotating::exports::larder::provider::rotation;
use crate::bindings::transferring::exports::larder::provider::transfer;
use crate::bindings::updating::exports::larder::provider::update;
use crate::{Addon, Health, HealthStatus, Options, Provider, Rotation, Transfer, Update, bindings};

/// Makes the crate's component out of a type: `export!(MyProvider);`.
///
/// Optional interfaces are named after a colon, since a macro can't see which traits a type implements:
/// `export!(MyProvider: update, rotation, transfer, health);` needs [`crate::Update`], [`crate::Rotation`], [`crate::Transfer`]
/// and [`crate::Health`].
#[macro_export]
macro_rules! export {
    ($provider:ident $(: $($interface:ident),+ $(,)?)?) => {
        const _: () = {
            type Component = $crate::Component<$provider>;
            $crate::bindings::__export_provider_world!(Component with_types_in $crate::bindings);
        };
        $($($crate::__export_optional!($provider: $interface);)+)?
    };
}

/// One arm for each optional interface. The last one is for those that this SDK doesn't know.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_optional {
    ($provider:ident: update) => {
        const _: () = {
            type Component = $crate::Component<$provider>;
    $crate::bindings::updating::__export_updating_world!(Component with_types_in $crate::bindings::updating);
        };
    };
    ($provider:ident: rotation) => {
        const _: () = {
            type Component = $crate::Component<$provider>;
    $crate::bindings::rotating::__export_rotating_world!(Component with_types_in $crate::bindings::rotating);
        };
    };
    ($provider:ident: transfer) => {
        const _: () = {
            type Component = $crate::Component<$provider>;
            $crate::bindings::transferring::__export_transferring_world!(
                Component with_types_in $crate::bindings::transferring
            );
        };
    };
    ($provider:ident: health) => {
        const _: () = {
            type Component = $crate::Component<$provider>;
            $crate::bindings::health_reporting::__export_health_reporting_world!(
                Component with_types_in $crate::bindings::health_reporting
            );
        };
    };
    ($provider:ident: $unknown:ident) => {
        ::core::compile_error!(::core::concat!(
            "this SDK has no optional interface `",
            ::core::stringify!($unknown),
            "`: it has `update`, `rotation`, `transfer` and `health`; leave it out of `export!(",
            ::core::stringify!($provider),
            ": …);`, or use a newer SDK"
        ));
    };
}

/// The exports of a provider's component.
#[derive(Debug)]
pub struct Component<P>(PhantomData<P>);

impl<P: Provider> catalog::Guest for Component<P> {
    fn describe(options_json: String) -> Result<String, String> {
        let options = Options::parse(&options_json)?;
        P::manifest(&options).map(|manifest| manifest.to_json())
    }
}

impl<P: Provider> lifecycle::Guest for Component<P> {
    fn begin_provision(addon: &Addon) -> Result<String, bindings::Failure> {
        Ok(P::begin_provision(addon)?)
    }

    fn provision_complete(addon: &Addon) -> Result<bindings::Progress, bindings::Failure> {
        Ok(P::provision_complete(addon)?.into())
    }

    fn get_config(addon: &Addon) -> Result<bindings::Config, bindings::Failure> {
        Ok(P::get_config(addon)?.into())
    }

    fn deprovision(addon: &Addon) -> Result<bindings::Progress, bindings::Failure> {
        Ok(P::deprovision(addon)?.into())
    }
}

impl<P: Update> update::Guest for Component<P> {
    fn begin_update(addon: &Addon) -> Result<String, bindings::Failure> {
        Ok(P::begin_update(addon)?)
    }
}

impl<P: Rotation> rotation::Guest for Component<P> {
    fn begin_rotation(addon: &Addon) -> Result<String, bindings::Failure> {
        Ok(P::begin_rotation(addon)?)
    }

    fn end_rotation(addon: &Addon) -> Result<bindings::Progress, bindings::Failure> {
        Ok(P::end_rotation(addon)?.into())
    }
}

impl<P: Transfer> transfer::Guest for Component<P> {
    fn begin_export(addon: &Addon) -> Result<String, bindings::Failure> {
        Ok(P::begin_export(addon)?.into_json())
    }

    fn begin_import(addon: &Addon) -> Result<String, bindings::Failure> {
        Ok(P::begin_import(addon)?.into_json())
    }
}

impl<P: Health> health::Guest for Component<P> {
    fn check(addon: &Addon) -> Result<health::Status, bindings::Failure> {
        Ok(match P::check_health(addon)? {
            HealthStatus::Healthy => health::Status::Healthy,
            HealthStatus::Unhealthy(reason) => health::Status::Unhealthy(reason),
        })
    }
}
