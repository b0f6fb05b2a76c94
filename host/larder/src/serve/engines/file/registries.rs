//! Logins for registries. A password stands in a file of its own, so that the file of engines may be shown to anybody.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use larder_containers::{DEFAULT_REGISTRY, Login, Registries};
use larder_domain::SecretString;
use larder_domain::docker::Image;

use super::{Reader, regular};
use crate::cli::apply::fields::Fields;
use crate::cli::apply::yaml::{Key, Node};

/// The longest password, in bytes: some are tokens.
const PASSWORD_BYTES_MAX: usize = 16 * 1024;
/// How many registries there may be.
const REGISTRIES_MAX: usize = 64;

impl Reader<'_> {
    pub(super) fn registries(&mut self, node: &Node) -> Registries {
        let mut logins = BTreeMap::new();
        let Some(fields) = Fields::any(node, "`registries`", self.mistakes) else { return Registries::default() };
        if fields.entries().len() > REGISTRIES_MAX {
            self.mistakes.add(node.line, format!("`registries` names more than {REGISTRIES_MAX}"));
        }
        for (key, node) in fields.entries() {
            if !is_registry(&key.text) {
                let what = format!(
                    "`{}` names no registry: write it as it stands in images, like registry.example.com:5000, or \
                     `{DEFAULT_REGISTRY}` for images without one",
                    key.text
                );
                self.mistakes.add(key.line, what);
            }
            logins.extend(self.login(key, node).map(|login| (key.text.clone(), login)));
        }
        Registries::new(logins)
    }

    fn login(&mut self, key: &Key, node: &Node) -> Option<Login> {
        let what = format!("the registry `{}`", key.text);
        let fields = Fields::of(node, &what, &["username", "password_file"], self.mistakes)?;
        let username = fields.required("username", &what, key.line, self.mistakes);
        let file = fields.required("password_file", &what, key.line, self.mistakes)?;
        let read = password(&self.file(&file));
        let password =
            self.parsed(key.line, read.map_err(|error| format!("{what}, `password_file` {file}: {error}")))?;
        Some(Login { username: username?, password })
    }
}

/// Whether images can name it: whatever they name without a dot and a port is no registry.
fn is_registry(text: &str) -> bool {
    let names = |image: Image| image.registry() == Some(text);
    text == DEFAULT_REGISTRY || format!("{text}/image:1").parse().is_ok_and(names)
}

/// The file's text, without the end of its line.
fn password(path: &Path) -> io::Result<SecretString> {
    let mut text = zeroize::Zeroizing::new(String::with_capacity(PASSWORD_BYTES_MAX + 1));
    regular(path, PASSWORD_BYTES_MAX as u64)?.take(PASSWORD_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    if text.len() > PASSWORD_BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {PASSWORD_BYTES_MAX} bytes")));
    }
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(io::Error::other("it is empty")),
        password => Ok(SecretString::new(password)),
    }
}
