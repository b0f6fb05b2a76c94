//! What a provider hands back for an app. It is a guest's answer: nothing of it is believed before [`check`].

use std::collections::HashSet;

use crate::addon::{AddonSpec, DeclaredVariables};
use crate::limits::{CONFIG_ENTRIES_MAX, VALUE_BYTES_MAX};
use crate::secret::SecretString;
use crate::variables::{Prefix, VariableName};

/// The longest key of a credential, in bytes.
pub const CREDENTIAL_KEY_BYTES_MAX: usize = 128;

/// One named value as it came from a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEntry {
    /// A variable's name or a credential's key.
    pub name: String,
    /// Its value.
    pub value: SecretString,
    /// Whether people and logs see dots instead.
    pub secret: bool,
}

/// `get-config`'s answer as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawConfig {
    /// Variables without prefix.
    pub variables: Vec<RawEntry>,
    /// Credentials.
    pub credentials: Vec<RawEntry>,
}

/// A variable ready for the app: its name has the addon's prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name that the app sees.
    pub name: VariableName,
    /// Its value.
    pub value: SecretString,
    /// Whether people and logs see dots instead.
    pub secret: bool,
}

/// One part of an addon's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// `uri`, `hostname`, …
    pub key: String,
    /// Its value.
    pub value: SecretString,
    /// Whether people and logs see dots instead.
    pub secret: bool,
}

/// What an addon gives its app, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddonConfig {
    /// Each name once.
    pub variables: Vec<Variable>,
    /// Each key once.
    pub credentials: Vec<Credential>,
}

impl AddonConfig {
    /// The same for an addon that shares the resource: with its own prefix in the place of the owner's. The names that result are
    /// names, or the variable is left out.
    #[must_use]
    pub fn shared(self, owners: Option<&Prefix>, own: Option<&Prefix>) -> Self {
        let rename = |variable: Variable| {
            let plain = match owners {
                Some(owners) => variable.name.without(owners)?,
                None => variable.name,
            };
            Some(Variable { name: plain.prefixed(own).ok()?, ..variable })
        };
        Self { variables: self.variables.into_iter().filter_map(rename).collect(), ..self }
    }

    /// Every value that was marked as secret.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        let variables = self.variables.iter().filter(|v| v.secret).map(|v| &v.value);
        variables.chain(self.credentials.iter().filter(|c| c.secret).map(|c| &c.value))
    }
}

/// What is wrong with a provider's configuration. Names are quoted, values never.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// More than [`CONFIG_ENTRIES_MAX`].
    #[error("the provider returned {found} {what}; at most {CONFIG_ENTRIES_MAX} are allowed")]
    TooMany {
        /// Variables or credentials.
        what: &'static str,
        /// How many there were.
        found: usize,
    },
    /// A name that can't be set.
    #[error("the provider returned a variable that can't be set: {0}")]
    Name(#[from] crate::variables::VariableNameError),
    /// A key that can't be used.
    #[error(
        "the provider returned a credential with a key that is empty or longer than {CREDENTIAL_KEY_BYTES_MAX} bytes or has control characters"
    )]
    Key,
    /// A variable that the catalog doesn't name.
    #[error("the provider returned the variable {0}, which its catalog does not declare for this service")]
    Undeclared(VariableName),
    /// The same name twice.
    #[error("the provider returned {0:?} twice")]
    Duplicate(String),
    /// A NUL byte, which no environment can hold.
    #[error("the provider returned a value with a NUL character for {0:?}")]
    Nul(String),
    /// A value above [`VALUE_BYTES_MAX`].
    #[error("the provider returned {bytes} bytes for {name:?}; at most {VALUE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Whose value it is.
        name: String,
        /// How long it is.
        bytes: usize,
    },
}

/// Checks a guest's answer against what the addon's service declared, and puts the addon's prefix before each name.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(raw: RawConfig, spec: &AddonSpec) -> Result<AddonConfig, InvalidConfig> {
    for (what, found) in [("variables", raw.variables.len()), ("credentials", raw.credentials.len())] {
        if found > CONFIG_ENTRIES_MAX {
            return Err(InvalidConfig::TooMany { what, found });
        }
    }
    let mut seen = HashSet::new();
    let variables =
        raw.variables.into_iter().map(|entry| check_variable(entry, spec, &mut seen)).collect::<Result<_, _>>()?;
    seen.clear();
    let credentials =
        raw.credentials.into_iter().map(|entry| check_credential(entry, &mut seen)).collect::<Result<_, _>>()?;
    Ok(AddonConfig { variables, credentials })
}

fn check_variable(entry: RawEntry, spec: &AddonSpec, seen: &mut HashSet<String>) -> Result<Variable, InvalidConfig> {
    let declared: VariableName = entry.name.parse()?;
    if let DeclaredVariables::Names(names) = &spec.variables
        && !names.contains(&declared)
    {
        return Err(InvalidConfig::Undeclared(declared));
    }
    check_value(&entry, seen)?;
    Ok(Variable { name: declared.prefixed(spec.attach_as.as_ref())?, value: entry.value, secret: entry.secret })
}

fn check_credential(entry: RawEntry, seen: &mut HashSet<String>) -> Result<Credential, InvalidConfig> {
    let fits = (1..=CREDENTIAL_KEY_BYTES_MAX).contains(&entry.name.len());
    if !fits || entry.name.chars().any(char::is_control) {
        return Err(InvalidConfig::Key);
    }
    check_value(&entry, seen)?;
    Ok(Credential { key: entry.name, value: entry.value, secret: entry.secret })
}

fn check_value(entry: &RawEntry, seen: &mut HashSet<String>) -> Result<(), InvalidConfig> {
    let value = entry.value.reveal();
    if value.contains('\0') {
        return Err(InvalidConfig::Nul(entry.name.clone()));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(InvalidConfig::TooLarge { name: entry.name.clone(), bytes: value.len() });
    }
    if !seen.insert(entry.name.clone()) {
        return Err(InvalidConfig::Duplicate(entry.name.clone()));
    }
    Ok(())
}
