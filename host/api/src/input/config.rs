//! The body of `PATCH /v1/apps/{app}/config`: variables by name, each with its new value or null.

use std::collections::BTreeMap;
use std::fmt;

use larder_control::{ControlError, check_own_value};
use larder_domain::ports::store::ConfigPatch;
use larder_domain::{SecretString, VariableName};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Values may be secret, so no message repeats one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ConfigPatchBody(BTreeMap<String, Option<SecretString>>);

impl ConfigPatchBody {
    /// The use case's request.
    pub(crate) fn into_patch(self) -> Result<ConfigPatch, ControlError> {
        self.0.into_iter().map(|(name, value)| check(&name, value)).collect()
    }
}

fn check(name: &str, value: Option<SecretString>) -> Result<(VariableName, Option<SecretString>), ControlError> {
    let name: VariableName = name.parse()?;
    check_own_value(&name, value.as_ref().map(SecretString::reveal))?;
    Ok((name, value))
}

impl<'de> Deserialize<'de> for ConfigPatchBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Variables)
    }
}

/// Takes a map's entries one by one, so that a name that is there twice is noticed.
struct Variables;

impl<'de> Visitor<'de> for Variables {
    type Value = ConfigPatchBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of variables")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ConfigPatchBody, A::Error> {
        let mut variables = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = match map.next_value::<TextOrNull>()? {
                TextOrNull::Text(text) => Some(SecretString::new(text)),
                TextOrNull::Null(()) => None,
                TextOrNull::Other(IgnoredAny) => {
                    return Err(A::Error::custom(format!("the value of {name:?} is neither a string nor null")));
                }
            };
            if variables.insert(name.clone(), value).is_some() {
                return Err(A::Error::custom(format!("{name:?} is there twice")));
            }
        }
        Ok(ConfigPatchBody(variables))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNull {
    Text(String),
    Null(()),
    Other(IgnoredAny),
}

#[cfg(test)]
mod tests {
    use larder_control::Code;
    use larder_domain::limits::VALUE_BYTES_MAX;

    use super::*;

    #[track_caller]
    fn check_refused(body: &str, code: Option<Code>, words: &str) {
        let read: Result<ConfigPatchBody, _> = serde_json::from_str(body);
        let (found, reason) = match read.map(ConfigPatchBody::into_patch) {
            Err(error) => (None, error.to_string()),
            Ok(Err(ControlError::Refused { code, message })) => (Some(code), message),
            Ok(other) => panic!("{body} was taken: {other:?}"),
        };
        assert!(found == code && reason.contains(words), "{body}: {found:?} {reason}");
        assert!(!reason.contains("hunter2"), "{reason}");
    }

    #[test]
    fn texts_set_and_nulls_unset() {
        let body: ConfigPatchBody = serde_json::from_str(r#"{ "B": null, "A": "" }"#).unwrap();
        let expected = vec![("A".parse().unwrap(), Some(SecretString::new(""))), ("B".parse().unwrap(), None)];
        assert_eq!(body.into_patch().unwrap(), expected);
    }

    #[test]
    fn what_can_not_be_set_is_named_and_its_value_is_not() {
        check_refused(r#"{ "A": ["hunter2"] }"#, None, "\"A\"");
        check_refused(r#"{ "A": 5 }"#, None, "neither a string nor null");
        check_refused(r#"{ "A": "hunter2", "A": null }"#, None, "twice");
        check_refused(r#"{ "1A": "hunter2" }"#, Some(Code::InvalidVariable), "1A");
        check_refused(r#"{ "LD_PRELOAD": "hunter2" }"#, Some(Code::InvalidVariable), "LD_PRELOAD");
        check_refused(r#"{ "LARDER_SERVICES": null }"#, Some(Code::InvalidVariable), "LARDER_SERVICES");
        check_refused(r#"{ "A": "hunter2\u0000" }"#, Some(Code::InvalidVariable), "NUL");
        let long = format!(r#"{{ "A": "{}" }}"#, "x".repeat(VALUE_BYTES_MAX + 1));
        check_refused(&long, Some(Code::InvalidVariable), "32769 bytes");
    }
}
