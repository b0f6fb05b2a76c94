//! What a schema can make the host do, found out before anything is compiled. Without this, forty nested lines of `allOf` and
//! `$ref` are a checker that never comes to an end.

use std::collections::HashMap;

use serde_json::Value;

/// How large a schema may be with each of its references replaced by what it refers to, in JSON values.
pub(super) const NODES_MAX: u64 = 4_096;
/// How deep it may be, references followed, in levels.
pub(super) const DEPTH_MAX: usize = 64;
/// How many patterns it may have, references followed.
pub(super) const PATTERNS_MAX: u64 = 64;

/// Keywords whose members are schemas under names of the author's.
const NAMED_SCHEMAS: [&str; 6] =
    ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// Keywords whose values are data.
const DATA: [&str; 4] = ["const", "enum", "default", "examples"];
/// Keywords with which a reference can lead to a place that is only known at the time of the check, or elsewhere.
const REFERRING: [&str; 6] = ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"];
/// Keywords that look at what all others of a value have looked at, again for each level that they are nested in.
const COLLECTING: [&str; 2] = ["unevaluatedProperties", "unevaluatedItems"];
/// Versions of the language whose references are found in this way.
const DIALECTS: [&str; 4] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
];

/// The size of a schema with its references followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// JSON values.
    pub(super) nodes: u64,
    /// Regular expressions.
    pub(super) patterns: u64,
}

impl Cost {
    /// The cost of checking a value of so many JSON values and bytes, roughly in steps. A pattern looks at each byte of a
    /// text, and takes longer for a byte than a comparison does for a value.
    pub(super) const fn of_checking(self, values: u64, bytes: u64) -> u64 {
        let comparing = self.nodes.saturating_mul(values);
        comparing.saturating_add(self.patterns.saturating_mul(bytes).saturating_mul(32))
    }

    const fn plus(self, other: Self) -> Self {
        Self { nodes: self.nodes.saturating_add(other.nodes), patterns: self.patterns.saturating_add(other.patterns) }
    }
}

/// Measures a schema.
///
/// # Errors
/// It is too large or too deep, or refers to itself or elsewhere.
pub(super) fn measure(schema: &Value) -> Result<Cost, String> {
    if let Some(dialect) = schema.get("$schema")
        && !dialect.as_str().is_some_and(|dialect| DIALECTS.contains(&dialect.trim_end_matches('#')))
    {
        return Err(format!("its `$schema` must be one of {}", DIALECTS.join(", ")));
    }
    let cost = Measure { root: schema, known: HashMap::new(), deepest: 0 }.schema(schema, 0)?;
    if cost.nodes > NODES_MAX {
        return Err(format!("it has more than {NODES_MAX} values, references followed"));
    }
    if cost.patterns > PATTERNS_MAX {
        return Err(format!(
            "it has {} patterns, references followed; at most {PATTERNS_MAX} are allowed",
            cost.patterns
        ));
    }
    Ok(cost)
}

struct Measure<'a> {
    root: &'a Value,
    /// What each reference costs, and how many levels it adds; none while it is being followed.
    known: HashMap<&'a str, Option<(Cost, usize)>>,
    /// The deepest level so far.
    deepest: usize,
}

impl<'a> Measure<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<Cost, String> {
        self.reach(depth)?;
        let mut cost = Cost { nodes: 1, patterns: 0 };
        match schema {
            Value::Object(members) => {
                for (keyword, value) in members {
                    cost = cost.plus(self.keyword(keyword, value, depth)?);
                }
            }
            Value::Array(schemas) => {
                for schema in schemas {
                    cost = cost.plus(self.schema(schema, depth + 1)?);
                }
            }
            _ => {}
        }
        Ok(cost)
    }

    fn keyword(&mut self, keyword: &str, value: &'a Value, depth: usize) -> Result<Cost, String> {
        if REFERRING.contains(&keyword) {
            return Err(format!("it uses `{keyword}`; use `$ref` with a pointer like \"#/$defs/name\""));
        }
        if COLLECTING.contains(&keyword) {
            return Err(format!("it uses `{keyword}`; use `additionalProperties`, or `items` after `prefixItems`"));
        }
        // Another dialect within would read references in another way.
        if keyword == "$schema" && depth > 0 {
            return Err("it uses `$schema` within; it may stand at the top only".to_owned());
        }
        if DATA.contains(&keyword) {
            return Ok(Cost { nodes: count(value), patterns: 0 });
        }
        match value {
            Value::String(target) if keyword == "$ref" => self.reference(target, depth),
            Value::Object(schemas) if NAMED_SCHEMAS.contains(&keyword) => {
                let names = if keyword == "patternProperties" { schemas.len() as u64 } else { 0 };
                let mut cost = Cost { nodes: 1, patterns: names };
                for schema in schemas.values() {
                    cost = cost.plus(self.schema(schema, depth + 1)?);
                }
                Ok(cost)
            }
            _ if keyword == "pattern" => Ok(Cost { nodes: 1, patterns: 1 }),
            _ => self.schema(value, depth + 1),
        }
    }

    fn reference(&mut self, target: &'a str, depth: usize) -> Result<Cost, String> {
        match self.known.get(target) {
            Some(Some((cost, height))) => {
                let (cost, height) = (*cost, *height);
                self.reach(depth + height)?;
                return Ok(cost);
            }
            Some(None) => return Err(format!("its reference {target:?} leads back to itself")),
            None => {}
        }
        // Escapes of URLs are read by some and not by others.
        let pointer = target.strip_prefix('#').filter(|pointer| !pointer.contains('%'));
        let pointer = pointer.filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let found = pointer.and_then(|pointer| self.root.pointer(pointer));
        let found = found.ok_or_else(|| {
            format!("its reference {target:?} leads to nothing within it; use a pointer like \"#/$defs/name\"")
        })?;
        self.known.insert(target, None);
        let above = std::mem::replace(&mut self.deepest, depth);
        let cost = self.schema(found, depth + 1)?;
        self.known.insert(target, Some((cost, self.deepest - depth)));
        self.deepest = self.deepest.max(above);
        Ok(cost)
    }

    fn reach(&mut self, depth: usize) -> Result<(), String> {
        self.deepest = self.deepest.max(depth);
        if depth > DEPTH_MAX {
            return Err(format!("it is more than {DEPTH_MAX} levels deep, references followed"));
        }
        Ok(())
    }
}

/// How many values a JSON value is made of. The parser has bounded its depth.
pub(super) fn count(value: &Value) -> u64 {
    1 + match value {
        Value::Object(members) => members.values().map(count).sum::<u64>(),
        Value::Array(elements) => elements.iter().map(count).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `d0` is a string, and each `dN` is all of four times its forerunner.
    fn growing(times: usize) -> Value {
        let mut defs = serde_json::Map::from_iter([("d0".to_owned(), json!({ "type": "string" }))]);
        for n in 1..=times {
            let part = json!({ "$ref": format!("#/$defs/d{}", n - 1) });
            defs.insert(format!("d{n}"), json!({ "allOf": [part, part, part, part] }));
        }
        json!({ "type": "object", "$defs": defs, "properties": { "a": { "$ref": format!("#/$defs/d{times}") } } })
    }

    #[test]
    fn references_count_as_what_they_refer_to() {
        assert!(measure(&growing(3)).is_ok());
        let refused = measure(&growing(12)).unwrap_err();
        assert!(refused.contains("values, references followed"), "{refused}");
    }

    #[test]
    fn nothing_refers_to_itself_or_elsewhere() {
        let own = json!({ "type": "object", "allOf": [{ "$ref": "#" }] });
        let two =
            json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "$ref": "#/$defs/a" });
        for (schema, said) in [
            (own, "leads back to itself"),
            (two, "leads back to itself"),
            (json!({ "$ref": "file:///etc/passwd" }), "leads to nothing within it"),
            (json!({ "$ref": "#name" }), "leads to nothing within it"),
            (json!({ "$id": "http://127.0.0.1/" }), "`$id`"),
            (json!({ "items": { "$dynamicRef": "#x" } }), "`$dynamicRef`"),
            (json!({ "$defs": { "ab": {}, "a%62": true }, "$ref": "#/$defs/a%62" }), "leads to nothing within it"),
            (json!({ "items": { "$schema": "http://json-schema.org/draft-04/schema#" } }), "`$schema` within"),
            (json!({ "anyOf": [{ "unevaluatedProperties": false }] }), "`unevaluatedProperties`"),
            (json!({ "$schema": "http://json-schema.org/draft-04/schema#" }), "`$schema`"),
        ] {
            let refused = measure(&schema).unwrap_err();
            assert!(refused.contains(said), "{schema}: {refused}");
        }
        // A name of the author's is no keyword, and data is no schema.
        assert!(measure(&json!({ "properties": { "$id": {}, "$ref": {} }, "const": { "$ref": "x" } })).is_ok());
    }

    #[test]
    fn depth_and_patterns_are_bounded() {
        let deep = (0..=DEPTH_MAX).fold(json!({}), |schema, _| json!({ "not": schema }));
        assert!(measure(&deep).unwrap_err().contains("levels deep"));
        // Each of these is within the bound, and what they add up to is not, in whichever order they are met.
        let mut defs = serde_json::Map::from_iter([("a0".to_owned(), json!({}))]);
        for n in 1..=5 {
            let last = json!({ "$ref": format!("#/$defs/a{}", n - 1) });
            defs.insert(format!("a{n}"), (0..15).fold(last, |schema, _| json!({ "not": schema })));
        }
        assert!(measure(&json!({ "$defs": defs })).unwrap_err().contains("levels deep"));
        let patterns = |n: u64| json!({ "allOf": (0..n).map(|_| json!({ "pattern": "a" })).collect::<Vec<_>>() });
        assert_eq!(measure(&patterns(PATTERNS_MAX)).unwrap().patterns, PATTERNS_MAX);
        assert!(measure(&patterns(PATTERNS_MAX + 1)).unwrap_err().contains("patterns"));
    }
}
