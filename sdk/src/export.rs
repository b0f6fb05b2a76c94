//! From a type that implements [`Provider`] to a component's exports.

use std::marker::PhantomData;

use crate::bindings::exports::larder::provider::{catalog, lifecycle};
use crate::{Addon, Options, Provider, bindings};

/// Makes the crate's component out of a type: `export!(MyProvider);`.
///
/// Optional interfaces are named after a colon, since a macro can't see which traits a type implements.
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
    ($provider:ident: $unknown:ident) => {
        ::core::compile_error!(::core::concat!(
            "this SDK has no optional interface `",
            ::core::stringify!($unknown),
            "` (it has none yet): write `export!(",
            ::core::stringify!($provider),
            ");`, or use a newer SDK"
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
