//! What a provider answers to `begin-export` and `begin-import`: the program that writes or reads an addon's data, as a JSON
//! document. It is read as strictly as any other document of a guest's, and may have no more than an object that is ensured.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::docker::{ContainerSpec, InvalidSpec, LocalName, ObjectSpec, Objects, Policy, Refused, SPEC_BYTES_MAX};

/// The longest document, in bytes: one of a container, and a few words.
pub const TRANSFER_BYTES_MAX: usize = SPEC_BYTES_MAX + 1024;
/// The longest media type, in bytes.
const CONTENT_TYPE_BYTES_MAX: usize = 127;
/// The longest end of a file's name, in bytes.
const EXTENSION_BYTES_MAX: usize = 16;
/// The longest that is written after the data, in bytes.
const END_BYTES_MAX: usize = 256;
/// What a container is called that its provider gave no name.
const NAME: &str = "transfer";

/// How the server that an addon is a part of is called in the network in which the addon's program reaches it.
pub const SERVER_NAME: &str = "server";

/// A program whose standard output is an export, or that takes an import on its standard input.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// What runs.
    pub container: ContainerSpec,
    /// Which of the addon's containers it shares the network of; the first one if none is named. An addon without containers has
    /// it reach the first one of the server that it is a part of, as [`SERVER_NAME`].
    pub beside: Option<LocalName>,
    /// What the data are, as a media type.
    pub content_type: String,
    /// What the data are, as the end of a file's name, without a dot.
    pub extension: String,
    /// What is written after an import's data, once all of them have come. A program that waits for it can tell the whole from what
    /// broke off, whatever breaks: the client, the host, or the connection between host and engine.
    pub end: String,
}

/// The document as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    container: Map<String, Value>,
    #[serde(default)]
    beside: Option<LocalName>,
    content_type: String,
    extension: String,
    #[serde(default)]
    end: String,
}

/// A document that describes no transfer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTransfer {
    /// It is too long.
    #[error("it has {0} bytes; at most {TRANSFER_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// It can't be read.
    #[error("{0}")]
    Document(String),
    /// Its container is none.
    #[error("its container: {0}")]
    Container(#[from] InvalidSpec),
    /// Its container would be reached from outside.
    #[error("its container has ports: one that lives as long as a stream has none")]
    Ports,
    /// Its media type is none.
    #[error("content_type is a media type like application/sql, of at most {CONTENT_TYPE_BYTES_MAX} bytes")]
    ContentType,
    /// Its file extension is none.
    #[error(
        "extension is 1 to {EXTENSION_BYTES_MAX} of a-z, 0-9 and '.', like sql or tar.gz, and neither begins nor ends with '.'"
    )]
    Extension,
    /// What is to be written after the data is too long.
    #[error("end has {0} bytes; at most {END_BYTES_MAX} are allowed")]
    End(usize),
}

impl Transfer {
    /// Reads and checks a guest's document.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, InvalidTransfer> {
        if text.len() > TRANSFER_BYTES_MAX {
            return Err(InvalidTransfer::TooLong(text.len()));
        }
        let document: Document =
            serde_json::from_str(text).map_err(|error| InvalidTransfer::Document(error.to_string()))?;
        let Document { mut container, beside, content_type, extension, end } = document;
        container.entry("kind").or_insert_with(|| "container".into());
        container.entry("name").or_insert_with(|| NAME.into());
        let ObjectSpec::Container(container) = ObjectSpec::parse(&Value::Object(container).to_string())? else {
            return Err(InvalidTransfer::Document("its container is an object of another kind".to_owned()));
        };
        if !container.ports.is_empty() {
            return Err(InvalidTransfer::Ports);
        }
        if !is_content_type(&content_type) {
            return Err(InvalidTransfer::ContentType);
        }
        if !is_extension(&extension) {
            return Err(InvalidTransfer::Extension);
        }
        if end.len() > END_BYTES_MAX {
            return Err(InvalidTransfer::End(end.len()));
        }
        Ok(Self { container: *container, beside, content_type, extension, end })
    }

    /// Whether an addon with these objects may have it run.
    ///
    /// # Errors
    /// Why not.
    pub fn permitted(&self, policy: &Policy, objects: &Objects) -> Result<(), Refused> {
        if let Some(beside) = &self.beside
            && !matches!(objects.get(beside).map(|object| &object.spec), Some(ObjectSpec::Container(_)))
        {
            return Err(Refused::NoContainer(beside.clone()));
        }
        policy.permits_transfer(&self.container, objects)
    }
}

/// A type, a slash, a subtype, and parameters if there are any: of RFC 9110's tokens, so that it is fit for a header.
fn is_content_type(text: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let mut parts = text.split(';');
    let is_type = parts.next().unwrap_or_default().split_once('/').is_some_and(|(a, b)| is_token(a) && is_token(b));
    let is_parameter = |part: &str| part.trim().split_once('=').is_some_and(|(a, b)| is_token(a) && is_token(b));
    text.len() <= CONTENT_TYPE_BYTES_MAX && text.is_ascii() && is_type && parts.all(is_parameter)
}

fn is_extension(text: &str) -> bool {
    let is_plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.');
    (1..=EXTENSION_BYTES_MAX).contains(&text.len()) && is_plain && text.split('.').all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::SecretString;
    use crate::docker::Wanted;

    fn described(more: &Value) -> Value {
        let container = json!({ "image": "pg:1", "memory_bytes": 64 << 20, "command": ["dump"] });
        let mut document = json!({ "container": container, "content_type": "application/sql", "extension": "sql" });
        for (name, value) in more.as_object().unwrap() {
            document[name] = value.clone();
        }
        document
    }

    fn refusal(more: &Value) -> String {
        Transfer::parse(&described(more).to_string()).unwrap_err().to_string()
    }

    #[test]
    fn a_document_is_read_and_its_container_may_go_without_a_name() {
        let transfer = Transfer::parse(&described(&json!({})).to_string()).unwrap();
        assert_eq!((transfer.container.name.as_str(), transfer.extension.as_str()), ("transfer", "sql"));
        let named =
            json!({ "container": { "kind": "container", "name": "dump", "image": "pg:1", "memory_bytes": 64 << 20 } });
        assert_eq!(Transfer::parse(&described(&named).to_string()).unwrap().container.name.as_str(), "dump");
        let typed = json!({ "content_type": "text/plain; charset=utf-8", "extension": "tar.gz" });
        assert!(Transfer::parse(&described(&typed).to_string()).is_ok());
    }

    #[test]
    fn what_is_wrong_with_one_is_said() {
        let container = |more: Value| {
            let mut container = json!({ "image": "pg:1", "memory_bytes": 64 << 20 });
            container.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            json!({ "container": container })
        };
        for (document, why) in [
            (json!({ "more": 1 }), "unknown field `more`"),
            (json!({ "container": "pg:1" }), "expected a map"),
            (json!({ "container": { "kind": "volume", "name": "data" } }), "another kind"),
            (container(json!({ "privileged": true })), "unknown field `privileged`"),
            (container(json!({ "ports": [5432] })), "has ports"),
            (container(json!({ "memory_bytes": 1 })), "memory_bytes is 1"),
            (json!({ "beside": "../x" }), "1 to 63"),
        ] {
            assert!(refusal(&document).contains(why), "{document}: {}", refusal(&document));
        }
        for bad in
            ["", "sql", "a/b/c", "a/b\r\nSet-Cookie: x=1", "a/é", "a/b; x", "/b", &format!("a/{}", "b".repeat(126))]
        {
            assert!(refusal(&json!({ "content_type": bad })).contains("media type"), "{bad:?}");
        }
        for bad in ["", "SQL", "a/b", "..", ".sql", "sql.", "a..b", "\"", &"a".repeat(EXTENSION_BYTES_MAX + 1)] {
            assert!(refusal(&json!({ "extension": bad })).contains("extension is"), "{bad:?}");
        }
        assert!(refusal(&json!({ "end": "a".repeat(END_BYTES_MAX + 1) })).contains("at most 256"));
        let long = json!({ "content_type": "a".repeat(TRANSFER_BYTES_MAX) });
        assert!(refusal(&long).contains("at most"));
    }

    #[test]
    fn it_may_have_what_an_object_may_have_and_counts_as_none() {
        let policy = |grants: &[&str]| {
            let grants: Vec<_> = grants.iter().map(|grant| grant.parse().unwrap()).collect();
            Policy::new(grants.clone(), grants)
        };
        let objects: Objects = [
            r#"{"kind":"volume","name":"data"}"#,
            r#"{"kind":"container","name":"server","image":"pg:1","memory_bytes":67108864}"#,
        ]
        .into_iter()
        .map(|document| Wanted::parse(SecretString::new(document)).unwrap())
        .map(|wanted| (wanted.spec.name().clone(), wanted))
        .collect();
        let transfer = |more: &Value| Transfer::parse(&described(more).to_string()).unwrap();
        let plain = transfer(&json!({}));
        assert_eq!(
            plain.permitted(&policy(&["pg:1", "volumes=1"]), &objects),
            Ok(()),
            "the server is the one container"
        );
        let denied = |transfer: &Transfer, grants: &[&str]| transfer.permitted(&policy(grants), &objects).unwrap_err();
        assert!(denied(&plain, &["redis:1"]).to_string().contains("pg:1"));
        assert!(denied(&plain, &["pg:1 memory=32MiB"]).to_string().contains("memory=64MiB"));
        let mounts = |volume: &str| {
            let mounts = json!([{ "volume": volume, "path": "/data" }]);
            transfer(&json!({ "container": { "image": "pg:1", "memory_bytes": 64 << 20, "mounts": mounts } }))
        };
        assert_eq!(mounts("data").permitted(&policy(&["pg:1"]), &objects), Ok(()));
        assert!(matches!(denied(&mounts("other"), &["pg:1"]), Refused::NoVolume(_)));
        assert!(matches!(denied(&mounts("server"), &["pg:1"]), Refused::NoVolume(_)));
        assert_eq!(transfer(&json!({ "beside": "server" })).permitted(&policy(&["pg:1"]), &objects), Ok(()));
        assert!(matches!(denied(&transfer(&json!({ "beside": "data" })), &["pg:1"]), Refused::NoContainer(_)));
    }
}
