//! Which of an operator's options are secrets: those that their schema marks as such, in JSON Schema's own word `writeOnly`. All that
//! is in such a value is secret.

use serde_json::Value;

use crate::secret::SecretString;

/// How many pairs of a schema and a value are looked at. A schema that refers to itself, or to one part in many ways, needs more.
const STEPS_MAX: u32 = 20_000;

/// The texts in the options that the schema marks as secret; every text, if the schema is too winding to tell.
#[must_use]
pub fn secrets(schema: &Value, options: &Value) -> Vec<SecretString> {
    let mut found = vec![];
    let mut steps = 0;
    let mut open = vec![(schema, options)];
    while let Some((part, value)) = open.pop() {
        steps += 1;
        if steps > STEPS_MAX {
            found.clear();
            all(options, &mut found);
            return found;
        }
        if part.get("writeOnly") == Some(&Value::Bool(true)) {
            all(value, &mut found);
        } else {
            open.extend(beside(schema, part).map(|part| (part, value)));
            open.extend(within(part, value));
        }
    }
    found
}

/// The schemas that a part of a schema has for the same value.
fn beside<'a>(root: &'a Value, part: &'a Value) -> impl Iterator<Item = &'a Value> {
    let referred = part.get("$ref").and_then(Value::as_str).and_then(|at| root.pointer(at.strip_prefix('#')?));
    let several = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|name| part.get(name)?.as_array()).flatten();
    let either = ["then", "else"].into_iter().filter_map(|name| part.get(name));
    referred.into_iter().chain(several).chain(either)
}

/// What a value is made of, each with its schema.
fn within<'a>(part: &'a Value, value: &'a Value) -> Vec<(&'a Value, &'a Value)> {
    match value {
        Value::Object(members) => {
            let schema_of = |name| part.get("properties").and_then(|all| all.get(name));
            let of = |name| schema_of(name).or_else(|| part.get("additionalProperties"));
            members.iter().filter_map(|(name, value)| Some((of(name)?, value))).collect()
        }
        Value::Array(items) => {
            part.get("items").map_or_else(Vec::new, |part| items.iter().map(|item| (part, item)).collect())
        }
        _ => vec![],
    }
}

fn all(value: &Value, found: &mut Vec<SecretString>) {
    match value {
        Value::String(text) => found.push(SecretString::new(text)),
        Value::Array(items) => items.iter().for_each(|item| all(item, found)),
        Value::Object(members) => members.values().for_each(|member| all(member, found)),
        Value::Number(number) => found.push(SecretString::new(number.to_string())),
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(schema: &Value, options: &Value) -> Vec<String> {
        let mut found: Vec<_> = secrets(schema, options).iter().map(|secret| secret.reveal().to_owned()).collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn what_is_marked_is_secret_and_nothing_else() {
        let secret = json!({ "type": "string", "writeOnly": true });
        let schema = json!({
            "properties": {
                "hostname": { "type": "string" },
                "password": secret,
                "external": { "anyOf": [{ "properties": { "key": { "$ref": "#/$defs/key" } } }] },
                "users": { "items": { "additionalProperties": secret } },
                "keys": { "writeOnly": true },
            },
            "$defs": { "key": secret },
        });
        let options = json!({
            "hostname": "db.internal",
            "password": "a",
            "external": { "key": "b", "name": "x" },
            "users": [{ "ann": "c" }],
            "keys": { "list": ["d", 5], "on": true },
            "unknown": "x",
        });
        assert_eq!(found(&schema, &options), ["5", "a", "b", "c", "d"]);
        assert_eq!(found(&json!({}), &options), [""; 0]);
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end_and_hides_all() {
        let schema = json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] });
        assert_eq!(found(&schema, &json!({ "a": ["x", { "b": "y" }] })), ["x", "y"]);
        let long: Vec<Value> = (0..STEPS_MAX).map(|_| json!("x")).collect();
        assert_eq!(found(&json!({ "items": {} }), &json!(long)).len(), long.len());
    }
}
