//! The contract in Rust, generated from `wit/`. Nothing else in this crate names generated paths but what is
//! re-exported.

wit_bindgen::generate!({
    path: ["../wit/host", "../wit/provider"],
    world: "larder:provider/provider",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "__export_provider_world",
    default_bindings_module: "larder_sdk::bindings",
});

/// The optional interface `update`, in a world of its own: a component exports what it has.
pub mod updating {
    wit_bindgen::generate!({
        path: ["../wit/host", "../wit/provider"],
        world: "larder:provider/updating",
        with: {
            "larder:host/addon@0.1.0": crate::bindings::larder::host::addon,
            "larder:provider/types@0.1.0": crate::bindings::larder::provider::types,
        },
        pub_export_macro: true,
        export_macro_name: "__export_updating_world",
        default_bindings_module: "larder_sdk::bindings::updating",
    });
}

/// The optional interface `rotation`, in a world of its own: a component exports what it has.
pub mod rotating {
    wit_bindgen::generate!({
        path: ["../wit/host", "../wit/provider"],
        world: "larder:provider/rotating",
        with: {
            "larder:host/addon@0.1.0": crate::bindings::larder::host::addon,
            "larder:provider/types@0.1.0": crate::bindings::larder::provider::types,
        },
        pub_export_macro: true,
        export_macro_name: "__export_rotating_world",
        default_bindings_module: "larder_sdk::bindings::rotating",
    });
}

/// The optional interface `transfer`, in a world of its own: a component exports what it has.
pub mod transferring {
    wit_bindgen::generate!({
        path: ["../wit/host", "../wit/provider"],
        world: "larder:provider/transferring",
        with: {
            "larder:host/addon@0.1.0": crate::bindings::larder::host::addon,
            "larder:provider/types@0.1.0": crate::bindings::larder::provider::types,
        },
        pub_export_macro: true,
        export_macro_name: "__export_transferring_world",
        default_bindings_module: "larder_sdk::bindings::transferring",
    });
}

/// The optional interface `health`, in a world of its own: a component exports what it has.
pub mod health_reporting {
    wit_bindgen::generate!({
        path: ["../wit/host", "../wit/provider"],
        world: "larder:provider/health-reporting",
        with: {
            "larder:host/addon@0.1.0": crate::bindings::larder::host::addon,
            "larder:provider/types@0.1.0": crate::bindings::larder::provider::types,
        },
        pub_export_macro: true,
        export_macro_name: "__export_health_reporting_world",
        default_bindings_module: "larder_sdk::bindings::health_reporting",
    });
}

pub use larder::provider::types::{Config, Credential, Failure, Pending, Progress, RetryLater, Variable};
