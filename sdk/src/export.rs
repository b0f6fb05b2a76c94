//! From a type that implements the traits to a component's exports.

/// Makes the crate's component out of a type: `export!(MyProvider);`.
///
/// Optional interfaces are named after a colon, since a macro can't see which traits a type implements.
#[macro_export]
macro_rules! export {
    ($provider:ty) => {
        const _: () = {
            struct Component;

            impl $crate::bindings::exports::larder::provider::lifecycle::Guest for Component {
                fn begin_provision(addon: &$crate::Addon) -> ::core::result::Result<::std::string::String, $crate::bindings::Failure> {
                    <$provider as $crate::Provider>::begin_provision(addon).map_err(::core::convert::Into::into)
                }

                fn provision_complete(addon: &$crate::Addon) -> ::core::result::Result<$crate::bindings::Progress, $crate::bindings::Failure> {
                    <$provider as $crate::Provider>::provision_complete(addon).map(Into::into).map_err(::core::convert::Into::into)
                }

                fn get_config(addon: &$crate::Addon) -> ::core::result::Result<$crate::bindings::Config, $crate::bindings::Failure> {
                    <$provider as $crate::Provider>::get_config(addon).map(Into::into).map_err(::core::convert::Into::into)
                }

                fn deprovision(addon: &$crate::Addon) -> ::core::result::Result<$crate::bindings::Progress, $crate::bindings::Failure> {
                    <$provider as $crate::Provider>::deprovision(addon).map(Into::into).map_err(::core::convert::Into::into)
                }
            }

            impl $crate::bindings::exports::larder::provider::catalog::Guest for Component {
                fn describe(options_json: ::std::string::String) -> ::core::result::Result<::std::string::String, ::std::string::String> {
                    $crate::Options::parse(&options_json)
                        .and_then(|options| <$provider as $crate::Provider>::manifest(&options))
                        .map(|manifest| manifest.to_json())
                }
            }

            $crate::bindings::__export_provider_world!(Component with_types_in $crate::bindings);
        };
    };
    ($provider:ty : $($interface:ident),+ $(,)?) => {
        ::core::compile_error!(::core::concat!(
            "this SDK has no optional interface",
            $(" `", ::core::stringify!($interface), "`",)+
            ": write `export!(MyProvider);`, or use a newer SDK"
        ));
    };
}
