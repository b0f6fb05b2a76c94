//! How things are named on the command line: an addon by id or by app and name, variables and
//! parameters as pairs, a version by the beginning of its digest.

use std::str::FromStr;

use serde_json::{Map, Value};
use uuid::Uuid;

/// Which addon is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AddonRef {
    /// By its identifier.
    Id(String),
    /// By app and name, as `APP/NAME`.
    InApp { app: String, name: String },
    /// By name; `--app` says where.
    Name(String),
}

impl FromStr for AddonRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Only the form that the API prints: a name may well look like an identifier without hyphens.
        if text.len() == 36 && Uuid::parse_str(text).is_ok() {
            return Ok(Self::Id(text.to_ascii_lowercase()));
        }
        match text.split('/').collect::<Vec<_>>()[..] {
            [name] if !name.is_empty() => Ok(Self::Name(name.to_owned())),
            [app, name] if !app.is_empty() && !name.is_empty() => {
                Ok(Self::InApp { app: app.to_owned(), name: name.to_owned() })
            }
            _ => Err("use an addon's id, APP/NAME, or a name together with --app".to_owned()),
        }
    }
}

/// One parameter of an addon: `key=text`, or `key:=json`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Param {
    pub(crate) key: String,
    pub(crate) value: Value,
}

impl FromStr for Param {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("use key=text, or key:=json for numbers, lists and the like")?;
        let (key, value) = match key.strip_suffix(':') {
            None => (key, Value::from(value)),
            // The value may be a secret, so the message doesn't repeat it.
            Some(key) => {
                (key, serde_json::from_str(value).map_err(|error| format!("the value after `:=` is no JSON: {error}"))?)
            }
        };
        if key.is_empty() {
            return Err("there is no key before the `=`".to_owned());
        }
        Ok(Self { key: key.to_owned(), value })
    }
}

/// All parameters: those of a JSON object, overridden by single ones. A key given twice is a mistake.
pub(crate) fn merge_params(mut base: Map<String, Value>, params: Vec<Param>) -> Result<Map<String, Value>, String> {
    let mut single = Map::new();
    for Param { key, value } in params {
        if single.contains_key(&key) {
            return Err(format!("the parameter `{key}` is given twice"));
        }
        single.insert(key, value);
    }
    base.extend(single);
    Ok(base)
}

/// A variable and its value: `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("use NAME=VALUE".to_owned()),
        }
    }
}

/// The only digest that begins so.
pub(crate) fn pick_digest<'a>(beginning: &str, digests: impl IntoIterator<Item = &'a str>) -> Result<&'a str, String> {
    let beginning = beginning.strip_prefix("sha256:").unwrap_or(beginning).to_ascii_lowercase();
    if beginning.is_empty() {
        return Err("a version is named by the beginning of its digest".to_owned());
    }
    let found: Vec<&str> = digests.into_iter().filter(|digest| digest.starts_with(&beginning)).collect();
    match found[..] {
        [digest] => Ok(digest),
        [] => Err(format!("no version's digest begins with `{beginning}`")),
        _ => Err(format!("{} versions' digests begin with `{beginning}`; give more digits", found.len())),
    }
}

/// The beginning of a digest that people get to see.
pub(crate) fn short_digest(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_addon_is_named_in_three_ways() {
        let id = "0198a5a0-7c1e-7000-8000-00000000000a";
        let read = |text: &str| text.parse::<AddonRef>();
        assert_eq!(read(id), Ok(AddonRef::Id(id.into())));
        assert_eq!(read(&id.to_uppercase()), Ok(AddonRef::Id(id.into())));
        assert_eq!(read("redis"), Ok(AddonRef::Name("redis".into())));
        assert_eq!(read(&id.replace('-', "")), Ok(AddonRef::Name(id.replace('-', ""))));
        assert_eq!(read("web.blue/redis"), Ok(AddonRef::InApp { app: "web.blue".into(), name: "redis".into() }));
        for text in ["", "/", "web/", "/redis", "a/b/c"] {
            assert!(read(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn parameters_are_text_unless_marked_as_json() {
        let read = |text: &str| text.parse::<Param>().map(|param| (param.key, param.value));
        assert_eq!(read("size=10"), Ok(("size".into(), json!("10"))));
        assert_eq!(read("size:=10"), Ok(("size".into(), json!(10))));
        assert_eq!(read("tags:=[\"a=b\"]"), Ok(("tags".into(), json!(["a=b"]))));
        assert_eq!(read("url=http://x/?a:=b"), Ok(("url".into(), json!("http://x/?a:=b"))));
        assert_eq!(read("empty="), Ok(("empty".into(), json!(""))));
        for text in ["size", "=x", ":=1", "size:=ten", ""] {
            assert!(read(text).is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_wrong_value_is_not_repeated() {
        assert!(!"password:=hunter2".parse::<Param>().unwrap_err().contains("hunter2"));
    }

    #[test]
    fn single_parameters_override_the_object() {
        let base = || json!({"size": 1, "user": "ann"}).as_object().unwrap().clone();
        let param = |text: &str| text.parse::<Param>().unwrap();
        let merged = merge_params(base(), vec![param("size:=2"), param("tls:=true")]);
        assert_eq!(Value::from(merged.unwrap()), json!({"size": 2, "user": "ann", "tls": true}));
        assert!(merge_params(base(), vec![param("size:=2"), param("size=3")]).unwrap_err().contains("`size`"));
    }

    #[test]
    fn assignments_keep_all_after_the_first_equals_sign() {
        let read = |text: &str| text.parse::<Assignment>().map(|pair| (pair.name, pair.value));
        assert_eq!(read("URL=a=b"), Ok(("URL".into(), "a=b".into())));
        assert_eq!(read("EMPTY="), Ok(("EMPTY".into(), String::new())));
        assert!(read("=x").is_err() && read("NAME").is_err());
    }

    #[test]
    fn a_digest_is_found_by_its_beginning() {
        let digests = ["abc111", "abd222"];
        assert_eq!(pick_digest("sha256:ABC", digests), Ok("abc111"));
        assert!(pick_digest("ab", digests).unwrap_err().contains("2 versions"));
        assert!(pick_digest("ff", digests).is_err() && pick_digest("", digests).is_err());
        assert_eq!(short_digest("0123456789abcdef"), "0123456789ab");
        assert_eq!(short_digest("short"), "short");
    }
}
