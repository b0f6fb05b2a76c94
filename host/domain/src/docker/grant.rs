//! The grammar of what may be run on an engine, the same for what a manifest asks for and what an operator grants:
//!
//! ```text
//! grant    = "volumes=" count | image { " " bound }
//! image    = repository ( ":" tag | ":*" | "@sha256:" hex )
//! bound    = "containers=" count | "memory=" bytes | "cpus=" number | "pids=" count
//!          | "capabilities=" name { "," name } | "commands=" name { "," name }
//! ```
//!
//! Counts are for one addon. What is left out has a default: one container, 512 MiB, one CPU, 128 processes, and neither capabilities
//! nor commands. `:*` stands for any tag; there is no other wildcard.

use std::fmt;
use std::str::FromStr;

use super::image::{Image, ImageError, is_repository};
use super::spec::{ContainerSpec, LinuxCapability};

/// The most objects of one kind that an addon can be granted.
const COUNT_MAX: u16 = 16;
/// How many commands one grant may name.
const COMMANDS_MAX: usize = 16;
const MIB: u64 = 1024 * 1024;

/// One thing that may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// So many volumes for each addon.
    Volumes(u16),
    /// Containers of an image.
    Image(ImageGrant),
}

/// Containers of an image, within bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageGrant {
    repository: String,
    version: Version,
    containers: u16,
    memory_bytes: u64,
    cpu_millis: u32,
    pids: u32,
    capabilities: Vec<LinuxCapability>,
    commands: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    Any,
    Tag(String),
    Digest(String),
}

/// A text that grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// The image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A tag and a digest together.
    #[error("name a tag or a digest, not both: a tag may move, a digest is one image for ever")]
    Both,
    /// A bound that there isn't, or that is there twice.
    #[error("{0:?} is no bound; there are containers=, memory=, cpus=, pids=, capabilities= and commands=, each once")]
    Bound(String),
    /// A value that its bound can't have.
    #[error("{bound} is {meant}")]
    Value {
        /// Which bound.
        bound: &'static str,
        /// What it may be.
        meant: &'static str,
    },
}

impl ImageGrant {
    fn of(image: &str) -> Result<Self, GrantError> {
        let (repository, version) = match image.strip_suffix(":*") {
            Some(repository) if is_repository(repository) => (repository.to_owned(), Version::Any),
            Some(_) => return Err(ImageError::Repository.into()),
            None => {
                let image: Image = image.parse()?;
                let version = match (image.tag(), image.digest()) {
                    (Some(_), Some(_)) => return Err(GrantError::Both),
                    (_, Some(digest)) => Version::Digest(digest.to_owned()),
                    (tag, None) => Version::Tag(tag.unwrap_or_default().to_owned()),
                };
                (image.repository().to_owned(), version)
            }
        };
        let (capabilities, commands) = (vec![], vec![]);
        let memory_bytes = 512 * MIB;
        Ok(Self {
            repository,
            version,
            containers: 1,
            memory_bytes,
            cpu_millis: 1000,
            pids: 128,
            capabilities,
            commands,
        })
    }

    fn bound(&mut self, bound: &str) -> Result<(), GrantError> {
        let unknown = || GrantError::Bound(bound.chars().take(80).collect());
        let (name, value) = bound.split_once('=').ok_or_else(unknown)?;
        match name {
            "containers" => self.containers = count(value, "containers")?,
            "memory" => self.memory_bytes = memory(value)?,
            "cpus" => self.cpu_millis = cpus(value)?,
            "pids" => self.pids = pids(value)?,
            "capabilities" => self.capabilities = capabilities(value)?,
            "commands" => self.commands = commands(value)?,
            _ => return Err(unknown()),
        }
        Ok(())
    }

    /// How many containers of this kind an addon may have.
    pub(super) const fn containers(&self) -> u16 {
        self.containers
    }

    /// Whether this is about that image.
    pub(super) fn is_about(&self, image: &Image) -> bool {
        let is_version = match &self.version {
            Version::Any => true,
            // Beside a digest a tag means nothing to an engine.
            Version::Tag(tag) => image.digest().is_none() && image.tag() == Some(tag),
            Version::Digest(digest) => image.digest() == Some(digest),
        };
        self.repository == image.repository() && is_version
    }

    /// The first thing in which the container goes beyond this, as `bound=value` that would permit it.
    pub(super) fn exceeded_by(&self, spec: &ContainerSpec) -> Option<String> {
        if spec.memory_bytes > self.memory_bytes {
            return Some(format!("memory={}", size(spec.memory_bytes)));
        }
        if spec.cpu_millis > self.cpu_millis {
            return Some(format!("cpus={}", decimal(spec.cpu_millis)));
        }
        if spec.pids > self.pids {
            return Some(format!("pids={}", spec.pids));
        }
        let capability = spec.capabilities.iter().find(|capability| !self.capabilities.contains(capability));
        capability.map(|capability| format!("capabilities={capability}"))
    }

    /// Whether a command may be run in such a container.
    pub(super) fn permits_command(&self, program: &str) -> bool {
        self.commands.iter().any(|command| command == program)
    }

    fn covers(&self, other: &Self) -> bool {
        let version = self.version == Version::Any || self.version == other.version;
        self.repository == other.repository
            && version
            && other.containers <= self.containers
            && other.memory_bytes <= self.memory_bytes
            && other.cpu_millis <= self.cpu_millis
            && other.pids <= self.pids
            && other.capabilities.iter().all(|capability| self.capabilities.contains(capability))
            && other.commands.iter().all(|command| self.commands.contains(command))
    }
}

impl Grant {
    /// Whether everything that `other` permits is permitted by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Volumes(ours), Self::Volumes(theirs)) => theirs <= ours,
            (Self::Image(ours), Self::Image(theirs)) => ours.covers(theirs),
            _ => false,
        }
    }
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        if let Some(volumes) = text.strip_prefix("volumes=") {
            return count(volumes, "volumes").map(Self::Volumes);
        }
        let mut words = text.split(' ');
        let mut grant = ImageGrant::of(words.next().unwrap_or_default())?;
        let mut seen: Vec<&str> = vec![];
        for word in words {
            let name = word.split('=').next().unwrap_or_default();
            if seen.contains(&name) {
                return Err(GrantError::Bound(word.chars().take(80).collect()));
            }
            seen.push(name);
            grant.bound(word)?;
        }
        Ok(Self::Image(grant))
    }
}

/// One spelling for each number: no sign and no zero in front.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

fn count(text: &str, bound: &'static str) -> Result<u16, GrantError> {
    let count = number(text).and_then(|count| u16::try_from(count).ok()).filter(|count| *count <= COUNT_MAX);
    count.ok_or(GrantError::Value { bound, meant: "a number from 1 to 16" })
}

fn pids(text: &str) -> Result<u32, GrantError> {
    let pids = number(text).and_then(|pids| u32::try_from(pids).ok()).filter(|pids| *pids <= 32_768);
    pids.ok_or(GrantError::Value { bound: "pids", meant: "a number from 1 to 32768" })
}

fn memory(text: &str) -> Result<u64, GrantError> {
    let meant = "a size of 6MiB or more, in MiB or GiB, like 512MiB";
    let unit = |suffix: &str, bytes: u64| text.strip_suffix(suffix).and_then(number).and_then(|n| n.checked_mul(bytes));
    let bytes = unit("MiB", MIB).or_else(|| unit("GiB", 1024 * MIB)).filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.filter(|bytes| *bytes >= super::MEMORY_BYTES_MIN).ok_or(GrantError::Value { bound: "memory", meant })
}

fn cpus(text: &str) -> Result<u32, GrantError> {
    let error =
        GrantError::Value { bound: "cpus", meant: "a number from 0.01 to 1024 with at most three decimals, like 0.5" };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "000"));
    let whole_is_fine = whole == "0" || number(whole).is_some_and(|whole| whole <= 1024);
    let decimals_are = (1..=3).contains(&decimals.len()) && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !whole_is_fine || !decimals_are {
        return Err(error);
    }
    let millis = format!("{whole}{decimals:0<3}").parse().ok().filter(|millis| (10..=1_024_000).contains(millis));
    millis.ok_or(error)
}

fn capabilities(text: &str) -> Result<Vec<LinuxCapability>, GrantError> {
    let meant = "names out of CHOWN, FOWNER, SETUID, SETGID and DAC_OVERRIDE with ',' between them";
    let found: Option<Vec<_>> = text.split(',').map(LinuxCapability::from_name).collect();
    let mut found = found.ok_or(GrantError::Value { bound: "capabilities", meant })?;
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

fn commands(text: &str) -> Result<Vec<String>, GrantError> {
    let meant = "names of at most 16 programs with ',' between them";
    let is_program = |name: &str| {
        (1..=128).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._/-".contains(&b))
            && !name.starts_with('-')
    };
    let mut names: Vec<String> = text.split(',').map(str::to_owned).collect();
    if names.len() > COMMANDS_MAX || !names.iter().all(|name| is_program(name)) {
        return Err(GrantError::Value { bound: "commands", meant });
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// A size as a grant has it, rounded up.
fn size(bytes: u64) -> String {
    let mib = bytes.div_ceil(MIB);
    if mib.is_multiple_of(1024) { format!("{}GiB", mib / 1024) } else { format!("{mib}MiB") }
}

fn decimal(millis: u32) -> String {
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volumes(count) => write!(f, "volumes={count}"),
            Self::Image(grant) => grant.fmt(f),
        }
    }
}

impl fmt::Display for ImageGrant {
    /// With every bound, so that nobody has to know the defaults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        match &self.version {
            Version::Any => f.write_str(":*"),
            Version::Tag(tag) => write!(f, ":{tag}"),
            Version::Digest(digest) => write!(f, "@{digest}"),
        }?;
        let (memory, cpus) = (size(self.memory_bytes), decimal(self.cpu_millis));
        write!(f, " containers={} memory={memory} cpus={cpus} pids={}", self.containers, self.pids)?;
        if !self.capabilities.is_empty() {
            let names: Vec<_> = self.capabilities.iter().map(|capability| capability.as_str()).collect();
            write!(f, " capabilities={}", names.join(","))?;
        }
        if !self.commands.is_empty() {
            write!(f, " commands={}", self.commands.join(","))?;
        }
        Ok(())
    }
}
