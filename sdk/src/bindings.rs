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

pub use larder::provider::types::{Config, Credential, Failure, Pending, Progress, RetryLater, Variable};
