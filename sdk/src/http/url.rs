//! The little of URLs (RFC 3986) that a request takes. The host reads the parts again, and refuses what could be read in two ways.

use std::fmt::Write as _;

use super::Error;

/// The parts of a URL as `wasi:http` wants them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) is_secure: bool,
    pub(super) authority: &'a str,
    pub(super) path: String,
}

impl<'a> Parts<'a> {
    pub(super) fn of(url: &'a str) -> Result<Self, Error> {
        // It may hold a secret, so it is not quoted.
        let bad = |why: &str| Error::BadRequest(format!("the URL {why}"));
        let (is_secure, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err(bad("begins neither with https:// nor with http://")),
        };
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad("has characters that must be written as %XX"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        match authority {
            "" => Err(bad("names no host")),
            _ if authority.contains('@') => Err(bad("has a user in it; say who asks by basic_auth")),
            _ => Ok(Self { is_secure, authority, path: rooted(path) }),
        }
    }
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

/// A text as one segment of a path, or one value of a query: whatever has a meaning in URLs is written as `%XX`.
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(byte.into());
        } else {
            // Writing to a `String` does not fail.
            let _written = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_three_parts() {
        let parts =
            |url| Parts::of(url).map(|parts| (parts.is_secure, parts.authority.to_owned(), parts.path)).unwrap();
        for (url, secure, authority, path) in [
            ("https://a.example", true, "a.example", "/"),
            ("http://a.example:80/", false, "a.example:80", "/"),
            ("http://[::1]:80/b/c?d=e/f", false, "[::1]:80", "/b/c?d=e/f"),
            ("http://a?b", false, "a", "/?b"),
            ("http://a/b#c", false, "a", "/b"),
        ] {
            assert_eq!(parts(url), (secure, authority.to_owned(), path.to_owned()), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_said_and_not_quoted() {
        for url in
            ["", "ftp://secret", "http://", "https:///secret", "http://a:secret@b/", "http://a/s ecret", "http://a/é"]
        {
            let error = Parts::of(url).unwrap_err();
            assert!(matches!(&error, Error::BadRequest(why) if !why.contains("cret")), "{url}: {error}");
        }
    }

    #[test]
    fn what_has_a_meaning_is_encoded() {
        assert_eq!(encoded("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(encoded("/a b?é%"), "%2Fa%20b%3F%C3%A9%25");
    }
}
