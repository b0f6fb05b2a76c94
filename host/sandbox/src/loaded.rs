//! A version that is ready to be called: compiled, its imports joined, its exports found and checked against the
//! contract. What is left for a call is to make an instance.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower, Resource,
};

use larder_domain::ports::runtime::Interface;
use larder_domain::provider::Refusal;
use larder_inspect::{CATALOG, HEALTH, LIFECYCLE, ROTATION, TRANSFER, UPDATE};

use crate::bindings::provider::{Config, Failure, Progress};
use crate::bindings::{HealthStatus, TheAddon};
use crate::data::CallData;
use crate::fault::short;

/// What the functions of `lifecycle` take.
pub(crate) type AddonParam = (Resource<TheAddon>,);
/// What `describe` takes.
pub(crate) type DescribeParam = (String,);
/// What `begin-provision`, `begin-update`, `begin-rotation`, `begin-export` and `begin-import` answer.
pub(crate) type Begun = (Result<String, Failure>,);
/// What `provision-complete`, `deprovision` and `end-rotation` answer.
pub(crate) type Progressed = (Result<Progress, Failure>,);
/// What `get-config` answers.
pub(crate) type Configured = (Result<Config, Failure>,);
/// What `check` of `health` answers.
pub(crate) type Checked = (Result<HealthStatus, Failure>,);
/// What `describe` answers.
pub(crate) type Described = (Result<String, String>,);

/// A version, ready.
pub(crate) struct Loaded {
    pub(crate) pre: InstancePre<CallData>,
    pub(crate) begin_provision: ComponentExportIndex,
    pub(crate) provision_complete: ComponentExportIndex,
    pub(crate) get_config: ComponentExportIndex,
    pub(crate) deprovision: ComponentExportIndex,
    pub(crate) describe: ComponentExportIndex,
    pub(crate) optional: Optional,
}

/// The functions of the optional interfaces that the version exports.
pub(crate) struct Optional {
    pub(crate) begin_update: Option<ComponentExportIndex>,
    pub(crate) begin_rotation: Option<ComponentExportIndex>,
    pub(crate) end_rotation: Option<ComponentExportIndex>,
    pub(crate) begin_export: Option<ComponentExportIndex>,
    pub(crate) begin_import: Option<ComponentExportIndex>,
    pub(crate) check_health: Option<ComponentExportIndex>,
}

impl Optional {
    fn find(pre: &InstancePre<CallData>) -> Result<Self, Refusal> {
        Ok(Self {
            begin_update: find_in::<AddonParam, Begun>(pre, UPDATE, "begin-update")?,
            begin_rotation: find_in::<AddonParam, Begun>(pre, ROTATION, "begin-rotation")?,
            end_rotation: find_in::<AddonParam, Progressed>(pre, ROTATION, "end-rotation")?,
            begin_export: find_in::<AddonParam, Begun>(pre, TRANSFER, "begin-export")?,
            begin_import: find_in::<AddonParam, Begun>(pre, TRANSFER, "begin-import")?,
            check_health: find_in::<AddonParam, Checked>(pre, HEALTH, "check")?,
        })
    }

    /// The interfaces that are there. One that is there is there as a whole.
    pub(crate) fn interfaces(&self) -> Vec<Interface> {
        let found = [
            (Interface::Update, self.begin_update.is_some()),
            (Interface::Rotation, self.begin_rotation.is_some()),
            (Interface::Transfer, self.begin_export.is_some()),
            (Interface::Health, self.check_health.is_some()),
        ];
        found.into_iter().filter_map(|(interface, is_there)| is_there.then_some(interface)).collect()
    }
}

impl Loaded {
    /// Joins the component to the host.
    pub(crate) fn link(component: &Component, linker: &Linker<CallData>) -> Result<Self, Refusal> {
        let pre = linker.instantiate_pre(component).map_err(|error| wrong_import(&error))?;
        Ok(Self {
            begin_provision: find::<AddonParam, Begun>(&pre, LIFECYCLE, "begin-provision")?,
            provision_complete: find::<AddonParam, Progressed>(&pre, LIFECYCLE, "provision-complete")?,
            get_config: find::<AddonParam, Configured>(&pre, LIFECYCLE, "get-config")?,
            deprovision: find::<AddonParam, Progressed>(&pre, LIFECYCLE, "deprovision")?,
            describe: find::<DescribeParam, Described>(&pre, CATALOG, "describe")?,
            optional: Optional::find(&pre)?,
            pre,
        })
    }
}

/// A function of an optional interface; none if the component does not export the interface at all.
fn find_in<Params, Answer>(
    pre: &InstancePre<CallData>,
    interface: &str,
    function: &str,
) -> Result<Option<ComponentExportIndex>, Refusal>
where
    Params: ComponentNamedList + Lower,
    Answer: ComponentNamedList + Lift,
{
    match pre.component().get_export_index(None, interface) {
        Some(_) => find::<Params, Answer>(pre, interface, function).map(Some),
        None => Ok(None),
    }
}

fn find<Params, Answer>(
    pre: &InstancePre<CallData>,
    interface: &str,
    function: &str,
) -> Result<ComponentExportIndex, Refusal>
where
    Params: ComponentNamedList + Lower,
    Answer: ComponentNamedList + Lift,
{
    let component = pre.component();
    let found = component
        .get_export_index(None, interface)
        .and_then(|instance| component.get_export(Some(&instance), function));
    let Some((item, index)) = found else {
        return Err(wrong_export(interface, function, "is missing"));
    };
    match item {
        ComponentItem::ComponentFunc(found) => match found.typecheck::<Params, Answer>(&pre.instance_type()) {
            Ok(()) => Ok(index),
            Err(error) => Err(wrong_export(interface, function, &format!("has another type: {}", short(&error)))),
        },
        _ => Err(wrong_export(interface, function, "is not a function")),
    }
}

fn wrong_export(interface: &str, function: &str, found: &str) -> Refusal {
    Refusal::new(
        "wrong_world",
        format!(
            "the export {function} of {interface} {found}; build the component against the WIT package \
             larder:provider of this host, without changes"
        ),
    )
}

fn wrong_import(error: &wasmtime::Error) -> Refusal {
    Refusal::new(
        "wrong_import_type",
        format!(
            "an import has a name that the host knows and a type that it doesn't: {}; build the component against the \
             WIT packages of this host, without changes",
            short(error)
        ),
    )
}
