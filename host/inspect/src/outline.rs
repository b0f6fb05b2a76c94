//! Reads a component as far as its outline: what it imports and exports.
//!
//! The bytes go through the engine's own validator, but for the bodies of functions, so that types are resolved by the
//! rules that will hold later. The ceilings are ours: those of the parser allow a million functions of seven megabytes,
//! and it is a compiler's nature to take a hundred times the memory of what it reads.

use std::collections::HashSet;

use larder_domain::provider::Refusal;
use wasmparser::component_types::{ComponentAnyTypeId, ComponentEntityType, ComponentItem, ResourceId};
use wasmparser::types::TypesRef;
use wasmparser::{Parser, Payload, ValidPayload, Validator, WasmFeatures};

use super::quoted;

/// Functions in all modules together. (Python's interpreter with its library has 30,000.)
const FUNCTIONS_MAX: usize = 100_000;
/// The longest function, in bytes.
const FUNCTION_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Modules and components within the component.
const NESTED_MAX: usize = 250;
/// How deeply they are nested.
const DEPTH_MAX: usize = 10;
/// Sections in all of them together.
const SECTIONS_MAX: usize = 20_000;
/// Types, globals, segments and the like in all of them together.
const ITEMS_MAX: usize = 250_000;
/// Imports, and exports, of the component.
const NAMES_MAX: usize = 1000;

/// What a component imports and exports.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) imports: Vec<Import>,
    pub(super) exports: Vec<Export>,
}

/// One import.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) name: String,
    /// It is an interface of types alone, which everybody has.
    pub(super) needs_nothing: bool,
}

/// One export.
#[derive(Debug)]
pub(super) struct Export {
    pub(super) name: String,
    /// The functions in it, if it is an interface.
    pub(super) functions: Vec<String>,
}

/// Reads the outline.
pub(super) fn outline(wasm: &[u8], features: WasmFeatures) -> Result<Outline, Refusal> {
    let mut validator = Validator::new_with_features(features);
    let mut walk = Walk::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| invalid(&error))?;
        walk.enter(&payload)?;
        // Function bodies come back unread, and stay so.
        if let ValidPayload::End(types) = validator.payload(&payload).map_err(|error| invalid(&error))? {
            walk.depth -= 1;
            if walk.depth == 0 {
                return Ok(walk.outline(types.as_ref()));
            }
        }
    }
    Err(Refusal::new("invalid_component", "the component is cut off; upload it as a whole"))
}

/// How far the reading has come, and what was seen on the way.
#[derive(Default)]
struct Walk {
    depth: usize,
    nested: usize,
    sections: usize,
    items: usize,
    functions: usize,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Walk {
    fn enter(&mut self, payload: &Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::Version { .. } => {
                self.depth += 1;
                self.nested += 1;
                within("nested modules and components", self.nested, NESTED_MAX)?;
                within("levels of nesting", self.depth, DEPTH_MAX)
            }
            Payload::CodeSectionEntry(body) => {
                self.functions += 1;
                within("functions", self.functions, FUNCTIONS_MAX)?;
                within("bytes in one function", body.range().len(), FUNCTION_BYTES_MAX)
            }
            Payload::ComponentImportSection(section) if self.depth == 1 => {
                within("imports", self.imports.len() + section.count() as usize, NAMES_MAX)?;
                let names = section.clone().into_iter().map(|import| Ok(import?.name.name.to_owned()));
                self.imports.extend(names.collect::<Result<Vec<_>, _>>().map_err(|error| invalid(&error))?);
                Ok(())
            }
            Payload::ComponentExportSection(section) if self.depth == 1 => {
                within("exports", self.exports.len() + section.count() as usize, NAMES_MAX)?;
                let names = section.clone().into_iter().map(|export| Ok(export?.name.name.to_owned()));
                self.exports.extend(names.collect::<Result<Vec<_>, _>>().map_err(|error| invalid(&error))?);
                Ok(())
            }
            _ => {
                self.sections += 1;
                self.items += items(payload) as usize;
                within("sections", self.sections, SECTIONS_MAX)?;
                within("types, globals, segments and other items", self.items, ITEMS_MAX)
            }
        }
    }

    fn outline(self, types: TypesRef<'_>) -> Outline {
        let mut resources = HashSet::new();
        let import = |name: String| {
            let item = types.component_item_for_import(&name);
            Import { needs_nothing: item.is_some_and(|item| needs_nothing(types, &item.ty, &mut resources)), name }
        };
        let export = |name: String| {
            let item = types.component_item_for_export(&name);
            Export { functions: item.map_or_else(Vec::new, |item| functions(types, &item.ty)), name }
        };
        Outline {
            imports: self.imports.into_iter().map(import).collect(),
            exports: self.exports.into_iter().map(export).collect(),
        }
    }
}

/// How many items a section says that it has. Functions are counted by their bodies.
fn items(payload: &Payload<'_>) -> u32 {
    match payload {
        Payload::TypeSection(section) => section.count(),
        Payload::ImportSection(section) => section.count(),
        Payload::TableSection(section) => section.count(),
        Payload::GlobalSection(section) => section.count(),
        Payload::ExportSection(section) => section.count(),
        Payload::ElementSection(section) => section.count(),
        Payload::DataSection(section) => section.count(),
        Payload::InstanceSection(section) => section.count(),
        Payload::CoreTypeSection(section) => section.count(),
        Payload::ComponentInstanceSection(section) => section.count(),
        Payload::ComponentAliasSection(section) => section.count(),
        Payload::ComponentTypeSection(section) => section.count(),
        Payload::ComponentCanonicalSection(section) => section.count(),
        _ => 0,
    }
}

/// Whether an import asks for nothing that would have to be provided. Resources that an earlier import brought may be
/// named again.
fn needs_nothing(types: TypesRef<'_>, import: &ComponentEntityType, known: &mut HashSet<ResourceId>) -> bool {
    let ComponentEntityType::Instance(id) = import else { return false };
    let brings = |item: &ComponentItem, known: &mut HashSet<ResourceId>| match item.ty {
        ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(resource), .. } => {
            known.insert(resource.resource())
        }
        ComponentEntityType::Type { .. } => false,
        _ => true,
    };
    types[*id].exports.values().filter(|item| brings(item, known)).count() == 0
}

fn functions(types: TypesRef<'_>, export: &ComponentEntityType) -> Vec<String> {
    let ComponentEntityType::Instance(id) = export else { return Vec::new() };
    let is_function = |item: &ComponentItem| matches!(item.ty, ComponentEntityType::Func(_));
    types[*id].exports.iter().filter(|(_, item)| is_function(item)).map(|(name, _)| name.clone()).collect()
}

fn within(what: &str, found: usize, max: usize) -> Result<(), Refusal> {
    if found <= max {
        return Ok(());
    }
    Err(Refusal::new(
        "too_complex",
        format!("the component has {found} {what} or more; at most {max} are allowed. Leave out what it does not use"),
    ))
}

fn invalid(error: &wasmparser::Error) -> Refusal {
    Refusal::new(
        "invalid_component",
        format!(
            "the component is damaged, or uses a feature of WebAssembly that the host does not run: {} (at byte {}); \
             upload it as a whole, and build it for wasm32-wasip2 without further target features",
            quoted(error.message()),
            error.offset()
        ),
    )
}
