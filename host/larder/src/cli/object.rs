//! A JSON object that somebody gives to a command: itself, in a file, or on standard input. Messages don't repeat what may be secret.

use std::io::Read;

use serde_json::{Map, Value};

use super::failure::{Failure, Kind, Result};

/// The longest object, in bytes.
const OBJECT_BYTES_MAX: u64 = 1024 * 1024;

/// Reads the value of a flag: an object, `@FILE`, or `-`.
pub(crate) fn read_object(source: &str, flag: &str) -> Result<Map<String, Value>> {
    let (text, whence) = match source.strip_prefix('@') {
        Some(path) => (std::fs::File::open(path).and_then(read_bounded), format!("`{path}`")),
        None if source == "-" => (read_bounded(std::io::stdin().lock()), "standard input".to_owned()),
        None => (Ok(source.to_owned()), format!("the value of `{flag}`")),
    };
    let text = text.map_err(|error| Failure::new(Kind::Failed, "unreadable", format!("{whence}: {error}")))?;
    serde_json::from_str(&text).map_err(|error| Failure::usage(format!("{whence} is no JSON object: {error}")))
}

/// Reads at most a megabyte of text.
pub(crate) fn read_bounded(mut source: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    source.by_ref().take(OBJECT_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > OBJECT_BYTES_MAX {
        return Err(std::io::Error::other("it is longer than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_long_a_file_is_not_read_to_its_end() {
        assert!(read_bounded(std::io::repeat(b' ')).is_err());
    }
}
