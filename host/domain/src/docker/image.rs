//! The name of an image, read strictly. It is handed to the engine as it stands, and compared with grants as it stands: two
//! spellings of one image are two images, and what is not said (a tag) is not assumed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name of an image, in bytes.
pub const IMAGE_BYTES_MAX: usize = 255;
/// The longest tag, in bytes.
const TAG_BYTES_MAX: usize = 128;
const DIGEST_PREFIX: &str = "sha256:";

/// An image: where it is kept, and a tag, a digest or both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Image {
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

/// A text that names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// Its repository.
    #[error("an image is a name of a-z, 0-9, '.', '_', '-' and '/', then a tag or a digest, like redis:7")]
    Repository,
    /// Its tag.
    #[error("a tag has 1 to 128 of A-Z, a-z, 0-9, '_', '.' and '-', and does not begin with '.' or '-'")]
    Tag,
    /// Its digest.
    #[error("a digest is sha256: and 64 of 0-9 and a-f")]
    Digest,
    /// Neither a tag nor a digest.
    #[error("say which one: add a tag, like redis:7, or a digest")]
    Version,
}

impl Image {
    /// Where it is kept.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The registry that it names, with its port; none if it is to be found where the engine looks by itself. The first part is a
    /// registry's if it has a dot or a port, or is `localhost`: so engines read it.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        let (first, _) = self.repository.split_once('/')?;
        (first.contains(['.', ':']) || first == "localhost").then_some(first)
    }

    /// Its tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Its digest, `sha256:` included.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
}

impl FromStr for Image {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(check_digest(digest)?)),
            None => (text, None),
        };
        // A colon before the last slash belongs to a registry's port.
        let name_at = rest.rfind('/').map_or(0, |at| at + 1);
        let (repository, tag) = match rest[name_at..].find(':') {
            Some(at) => (&rest[..name_at + at], Some(check_tag(&rest[name_at + at + 1..])?)),
            None => (rest, None),
        };
        if tag.is_none() && digest.is_none() && is_repository(repository) {
            return Err(ImageError::Version);
        }
        if text.len() > IMAGE_BYTES_MAX || !is_repository(repository) {
            return Err(ImageError::Repository);
        }
        Ok(Self { repository: repository.to_owned(), tag, digest })
    }
}

fn check_tag(tag: &str) -> Result<String, ImageError> {
    let begins_well = tag.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    let is_tag = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if begins_well && is_tag && tag.len() <= TAG_BYTES_MAX { Ok(tag.to_owned()) } else { Err(ImageError::Tag) }
}

fn check_digest(digest: &str) -> Result<String, ImageError> {
    let hex = digest.strip_prefix(DIGEST_PREFIX).ok_or(ImageError::Digest)?;
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex { Ok(digest.to_owned()) } else { Err(ImageError::Digest) }
}

/// Parts between slashes, of which the first may be a registry with a port.
pub(super) fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        let ends_well = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let plain = part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
        ends_well(part.chars().next()) && ends_well(part.chars().last()) && plain && !part.contains("..")
    };
    let (registry, rest) = match text.split_once('/') {
        Some((first, rest)) if first.contains(':') => (Some(first), rest),
        _ => (None, text),
    };
    let has_port = |registry: &str| {
        registry.split_once(':').is_some_and(|(host, port)| is_part(host) && port.parse::<u16>().is_ok_and(|p| p > 0))
    };
    text.len() <= IMAGE_BYTES_MAX && registry.is_none_or(has_port) && rest.split('/').all(is_part)
}

impl TryFrom<String> for Image {
    type Error = ImageError;

    fn try_from(text: String) -> Result<Self, ImageError> {
        text.parse()
    }
}

impl From<Image> for String {
    fn from(image: Image) -> Self {
        image.to_string()
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@{digest}"))
    }
}
