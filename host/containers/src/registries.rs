//! Who this host is to registries: a name and a password for each, told to the engine with a pull from that registry and with
//! nothing else. The engine is told in a header of ours, in the alphabet that it reads; bollard's has two other characters.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use http::HeaderValue;
use larder_domain::SecretString;
use larder_domain::docker::Image;
use serde::Serialize;
use zeroize::Zeroizing;

/// The key of those that are for images without a registry's name.
pub const DEFAULT_REGISTRY: &str = "default";

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub username: String,
    /// The password, or a token in its place.
    pub password: SecretString,
}

/// Logins by the registry's name as it stands in images, with its port; [`DEFAULT_REGISTRY`] for images without one.
#[derive(Debug, Clone, Default)]
pub struct Registries(BTreeMap<String, Login>);

/// What an engine reads.
#[derive(Serialize)]
struct Auth<'a> {
    username: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serveraddress: Option<&'a str>,
}

impl Registries {
    /// These logins.
    #[must_use]
    pub fn new(logins: BTreeMap<String, Login>) -> Self {
        Self(logins)
    }

    /// What the engine is told with a pull of the image, if there is a login for its registry. It leaves the holder here, and is
    /// gone with the request.
    pub(crate) fn header(&self, image: &Image) -> Option<HeaderValue> {
        let registry = image.registry();
        let login = self.0.get(registry.unwrap_or(DEFAULT_REGISTRY))?;
        let auth = Auth { username: &login.username, password: login.password.reveal(), serveraddress: registry };
        let text = Zeroizing::new(serde_json::to_string(&auth).ok()?);
        let encoded = Zeroizing::new(URL_SAFE.encode(text.as_bytes()));
        let mut header = HeaderValue::from_str(&encoded).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}
