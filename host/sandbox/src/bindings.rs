//! The contract in `wit/` as Rust types. This is the only place where code is generated from it, and the
//! only one that names generated paths: when a second version of the contract comes, it is bound here
//! beside the first.

mod generated {
    wasmtime::component::bindgen!({
        path: ["../../wit/host", "../../wit/provider"],
        world: "larder:provider/provider",
        imports: {
            "larder:host/state": async | trappable,
            default: trappable,
        },
        exports: { default: async },
        with: { "larder:host/addon.addon": super::TheAddon },
    });
}

/// x
pub struct TheAddon;
