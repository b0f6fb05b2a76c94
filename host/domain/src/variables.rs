//! Names of environment variables, and the ones that no provider may set.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest variable name, in bytes.
pub const VARIABLE_NAME_BYTES_MAX: usize = 128;

/// Names that the dynamic loader, a shell or a language's runtime obeys: whoever sets one of these in an app can
/// make it run other code. A trailing `*` covers every name with that prefix. Compared without regard to case,
/// since some readers of these variables do so too.
const OBEYED: &[&str] = &[
    "LARDER_*",
    "PATH",
    "HOME",
    "SHELL",
    "USER",
    "IFS",
    "ENV",
    "CDPATH",
    "TMPDIR",
    "LD_*",
    "DYLD_*",
    "BASH_*",
    "PROMPT_COMMAND",
    "PS4",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "LOCPATH",
    "NLSPATH",
    "HOSTALIASES",
    "RESOLV_HOST_CONF",
    "MALLOC_*",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_EXTRA_CA_CERTS",
    "PYTHON*",
    "PERL5*",
    "PERLLIB",
    "PERL_*",
    "RUBYOPT",
    "RUBYLIB",
    "GEM_*",
    "BUNDLE_*",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "CLASSPATH",
    "JAVA_TOOL_OPTIONS",
    "JDK_*",
    "_JAVA_OPTIONS",
    "JAVA_OPTS",
    "DOTNET_*",
    "CORECLR_*",
    "COMPLUS_*",
    "GODEBUG",
    "GOTRACEBACK",
    "RUST_*",
    "RUSTC_*",
    "CARGO_*",
    "LUA_*",
    "ERL_*",
    "GIT_*",
    "SSH_*",
    "SSL_CERT_*",
    "OPENSSL_*",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "BROWSER",
    "DOCKER_*",
    "KUBECONFIG",
];

/// Why a text can't name a variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableNameError {
    /// It breaks the grammar.
    #[error("{0:?} is not a variable's name: use [A-Za-z_][A-Za-z0-9_]*, at most 128 bytes")]
    Malformed(String),
    /// Loaders or interpreters obey it, or it is Larder's own.
    #[error("{0:?} is obeyed by loaders or interpreters, or is Larder's own, so it can't be set: choose another name")]
    Obeyed(String),
}

/// The name of an environment variable that may be given to an app.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VariableName(String);

impl VariableName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as an app sees it that attached the addon under `prefix`.
    ///
    /// # Errors
    /// The prefixed name may be too long, or one of those that are refused.
    pub fn prefixed(&self, prefix: Option<&Prefix>) -> Result<Self, VariableNameError> {
        prefix.map_or_else(|| Ok(self.clone()), |prefix| format!("{}_{}", prefix.0, self.0).parse())
    }

    /// The name before it was prefixed so; none if it was not.
    #[must_use]
    pub fn without(&self, prefix: &Prefix) -> Option<Self> {
        self.0.strip_prefix(&prefix.0)?.strip_prefix('_')?.parse().ok()
    }
}

impl FromStr for VariableName {
    type Err = VariableNameError;

    fn from_str(text: &str) -> Result<Self, VariableNameError> {
        if text.len() > VARIABLE_NAME_BYTES_MAX || !is_identifier(text, true) {
            return Err(VariableNameError::Malformed(text.chars().take(80).collect()));
        }
        if is_obeyed(text) {
            return Err(VariableNameError::Obeyed(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for VariableName {
    type Error = VariableNameError;

    fn try_from(text: String) -> Result<Self, VariableNameError> {
        text.parse()
    }
}

impl From<VariableName> for String {
    fn from(name: VariableName) -> Self {
        name.0
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_identifier(text: &str, underscore_first: bool) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || (underscore_first && b == b'_'))
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_obeyed(name: &str) -> bool {
    OBEYED.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
        None => name.eq_ignore_ascii_case(pattern),
    })
}

/// What `attach_as` puts before an addon's variables: `blue` makes `DATABASE_URL` into `BLUE_DATABASE_URL`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Prefix(String);

/// A text that can't be a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("attach_as {0:?} can't begin a variable's name: use [A-Za-z][A-Za-z0-9_]*, at most 63 bytes")]
pub struct BadPrefix(String);

impl FromStr for Prefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        if text.len() > 63 || !is_identifier(text, false) {
            return Err(BadPrefix(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_ascii_uppercase()))
    }
}

impl TryFrom<String> for Prefix {
    type Error = BadPrefix;

    fn try_from(text: String) -> Result<Self, BadPrefix> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}
