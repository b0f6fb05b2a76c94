//! The objects that a provider may want for an addon: JSON documents, since a record of the contract could never grow.
//!
//! A document says what the object is for the guest. What it is for the engine (full names, labels, limits that are never
//! left out, published addresses) is the host's to add, and nothing here can take that away: there is no field for it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use super::image::Image;
use crate::addon::named;
use crate::names::AddonName;
use crate::secret::SecretString;

/// How many objects an addon may have.
pub const OBJECTS_MAX: usize = 32;
/// All documents of an addon together, in bytes.
pub const OBJECTS_BYTES_MAX: usize = 256 * 1024;
/// The longest document of one object, in bytes.
pub const SPEC_BYTES_MAX: usize = 64 * 1024;
/// How many environment variables, words of a command, mounts or ports a container may have.
const PARTS_MAX: usize = 64;
/// The least memory of a container, in bytes: engines refuse less.
pub const MEMORY_BYTES_MIN: u64 = 6 * 1024 * 1024;
/// The longest time that a container has to stop by itself, in seconds.
const STOP_S_MAX: u32 = 120;

/// From how many bytes on a value in a container's environment is treated as a secret.
const SECRET_ENV_BYTES_MIN: usize = 12;

/// The name of an object among those of its addon. One grammar with all names.
pub type LocalName = AddonName;

/// An object that is to be there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectSpec {
    /// A running process.
    Container(Box<ContainerSpec>),
    /// A directory that outlives containers.
    Volume(VolumeSpec),
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeSpec {
    /// Its name among the addon's objects.
    pub name: LocalName,
}

/// A container.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerSpec {
    /// Its name among the addon's objects.
    pub name: LocalName,
    /// What runs in it.
    pub image: Image,
    /// The image's own program is run with these words; its own words if there are none.
    #[serde(default)]
    pub command: Vec<SecretString>,
    /// The program to run instead of the image's own.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// Its environment beside the image's own.
    #[serde(default)]
    pub env: BTreeMap<String, SecretString>,
    /// Who runs in it, as `uid`, `uid:gid` or a name that the image knows; the image's own user if none.
    #[serde(default)]
    pub user: Option<String>,
    /// The most memory, swap included, in bytes.
    pub memory_bytes: u64,
    /// The most CPU, in thousandths of one.
    #[serde(default = "one_cpu")]
    pub cpu_millis: u32,
    /// The most processes and threads.
    #[serde(default = "some_pids")]
    pub pids: u32,
    /// Volumes of the same addon.
    #[serde(default)]
    pub mounts: Vec<Mount>,
    /// Directories in memory.
    #[serde(default)]
    pub tmpfs: Vec<Tmpfs>,
    /// Ports that can be reached from outside, at addresses that the host chooses.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// What the process keeps of the powers of root.
    #[serde(default)]
    pub capabilities: Vec<LinuxCapability>,
    /// Whether nothing but volumes and tmpfs can be written.
    #[serde(default)]
    pub read_only: bool,
    /// How long it has to stop by itself, in seconds.
    #[serde(default = "ten_seconds")]
    pub stop_s: u32,
}

/// A volume's place in a container.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// A volume of the same addon.
    pub volume: LocalName,
    /// An absolute path.
    pub path: String,
    /// Whether it can't be written.
    #[serde(default)]
    pub read_only: bool,
}

/// A directory in memory. What it holds counts as the container's memory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tmpfs {
    /// An absolute path.
    pub path: String,
    /// How much it may hold, in bytes.
    pub bytes: u64,
}

named! {
    /// Powers of root that a grant may leave to a container.
    LinuxCapability {
        /// To give files away.
        Chown = "CHOWN",
        /// To change the modes of others' files.
        Fowner = "FOWNER",
        /// To become another user.
        Setuid = "SETUID",
        /// To become another group.
        Setgid = "SETGID",
        /// To pass by the modes of files.
        DacOverride = "DAC_OVERRIDE",
    }
}

const fn one_cpu() -> u32 {
    1000
}

const fn some_pids() -> u32 {
    128
}

const fn ten_seconds() -> u32 {
    10
}

/// An object that an addon is to have, with the document that asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// As the guest wrote it. It may hold passwords.
    pub document: SecretString,
    /// As the host reads it.
    pub spec: ObjectSpec,
}

impl Wanted {
    /// What may be a secret in it.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        let container = match &self.spec {
            ObjectSpec::Container(container) => Some(container),
            ObjectSpec::Volume(_) => None,
        };
        container.into_iter().flat_map(|container| container.secrets())
    }

    /// Reads and checks a guest's document.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(document: SecretString) -> Result<Self, InvalidSpec> {
        ObjectSpec::parse(document.reveal()).map(|spec| Self { document, spec })
    }

    /// Reads a document that was checked when it came in: what is there already is not asked to keep rules that are younger than it.
    ///
    /// # Errors
    /// It is no document of this kind.
    pub fn stored(document: SecretString) -> Result<Self, InvalidSpec> {
        ObjectSpec::read(document.reveal()).map(|spec| Self { document, spec })
    }
}

/// All objects that an addon is to have.
pub type Objects = BTreeMap<LocalName, Wanted>;

/// A document that describes no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidSpec(pub(super) String);

impl ObjectSpec {
    /// Reads and checks a guest's document.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidSpec> {
        if text.len() > SPEC_BYTES_MAX {
            return Err(InvalidSpec(format!("it has {} bytes; at most {SPEC_BYTES_MAX} are allowed", text.len())));
        }
        let spec = Self::read(text)?;
        if let Self::Container(container) = &spec {
            container.check().map_err(InvalidSpec)?;
        }
        Ok(spec)
    }

    fn read(text: &str) -> Result<Self, InvalidSpec> {
        serde_json::from_str(text).map_err(|error| InvalidSpec(error.to_string()))
    }

    /// Its name among the addon's objects.
    #[must_use]
    pub const fn name(&self) -> &LocalName {
        match self {
            Self::Container(container) => &container.name,
            Self::Volume(volume) => &volume.name,
        }
    }

    /// Which kind of object, as in the document.
    #[must_use]
    pub const fn kind(&self) -> ObjectKind {
        match self {
            Self::Container(_) => ObjectKind::Container,
            Self::Volume(_) => ObjectKind::Volume,
        }
    }
}

named! {
    /// Kinds of objects.
    ObjectKind {
        /// A running process.
        Container = "container",
        /// A directory that outlives containers.
        Volume = "volume",
    }
}

impl ContainerSpec {
    /// What may be a secret in its environment, also if the host does not know it otherwise: long words, and no paths. Short ones
    /// stand in every other line of a log.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        let is_long = |value: &&SecretString| value.reveal().len() >= SECRET_ENV_BYTES_MIN;
        self.env.values().filter(is_long).filter(|value| !value.reveal().starts_with('/'))
    }

    fn check(&self) -> Result<(), String> {
        check_count("command", self.command.len() + self.entrypoint.len())?;
        check_count("env", self.env.len())?;
        check_count("mounts", self.mounts.len() + self.tmpfs.len())?;
        check_count("ports", self.ports.len())?;
        let paths = || self.mounts.iter().map(|m| &m.path).chain(self.tmpfs.iter().map(|t| &t.path));
        paths().try_for_each(|path| check_path(path))?;
        if let Some(twice) = paths().enumerate().find_map(|(at, path)| paths().take(at).find(|it| *it == path)) {
            return Err(format!("{twice:?} is the place of two mounts; each has one of its own"));
        }
        let texts = self.command.iter().chain(self.env.values()).map(SecretString::reveal);
        if texts.chain(self.entrypoint.iter().map(String::as_str)).any(|text| text.contains('\0')) {
            return Err("command, entrypoint and env can't hold NUL".into());
        }
        if let Some(name) = self.env.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(format!("{name:?} is no name of an environment variable"));
        }
        if self.user.as_ref().is_some_and(|user| !is_user(user)) {
            return Err("user is a number or a name, and after ':' a group".into());
        }
        if self.ports.contains(&0) || has_twice(&self.ports) {
            return Err("ports are numbers from 1 to 65535, each once".into());
        }
        if self.memory_bytes < MEMORY_BYTES_MIN || i64::try_from(self.memory_bytes).is_err() {
            return Err(format!("memory_bytes is {}; use {MEMORY_BYTES_MIN} or more", self.memory_bytes));
        }
        if self.tmpfs.iter().any(|tmpfs| tmpfs.bytes == 0 || tmpfs.bytes > self.memory_bytes) {
            return Err("a tmpfs has 1 byte to as many as the container's memory".into());
        }
        if self.cpu_millis < 10 || self.pids < 1 || self.stop_s > STOP_S_MAX {
            return Err(format!("cpu_millis is at least 10, pids at least 1, stop_s at most {STOP_S_MAX}"));
        }
        Ok(())
    }
}

fn check_count(what: &str, count: usize) -> Result<(), String> {
    if count <= PARTS_MAX { Ok(()) } else { Err(format!("{what}: {count} of them; at most {PARTS_MAX} are allowed")) }
}

/// An absolute path that says where it leads, and not to the root or to what the kernel shows.
fn check_path(path: &str) -> Result<(), String> {
    let is_plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    let parts_are_plain = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain));
    let is_clean = !path.contains([':', ',', '\\']) && !path.chars().any(char::is_control);
    let kernels = ["/proc", "/sys", "/dev"];
    let is_kernels =
        kernels.iter().any(|k| path == *k || path.strip_prefix(k).is_some_and(|rest| rest.starts_with('/')));
    if parts_are_plain && is_clean && !is_kernels && path.len() <= 255 {
        Ok(())
    } else {
        Err(format!("{path:?} is no place for a mount: use an absolute path like /data, outside /proc, /sys and /dev"))
    }
}

fn is_user(user: &str) -> bool {
    let is_id =
        |id: &str| (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    user.split_once(':').map_or_else(|| is_id(user), |(user, group)| is_id(user) && is_id(group))
}

fn has_twice(ports: &[u16]) -> bool {
    ports.iter().enumerate().any(|(at, port)| ports[..at].contains(port))
}

impl fmt::Debug for ContainerSpec {
    /// Without its command and its environment, which hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, image) = (&self.name, &self.image);
        f.debug_struct("ContainerSpec").field("name", name).field("image", image).finish_non_exhaustive()
    }
}
