//! JSON Schemas that providers declare. They are a guest's data: patterns run on an engine without back-tracking, references
//! lead nowhere outside the schema itself, and what a check can cost is bounded before it is begun.

mod cost;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use cost::Cost;

/// How many problems one message lists.
const PROBLEMS_MAX: usize = 5;
/// How large one pattern may be when compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 512 * 1024;
/// The largest cost of one check, in steps as [`Cost::of_checking`] counts them: a fraction of a second.
const CHECK_STEPS_MAX: u64 = 2_000_000;
/// The largest cost of a check whose problems are listed; beyond it, the first is told.
const LISTED_STEPS_MAX: u64 = 20_000;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Schema {
    validator: Validator,
    cost: Cost,
}

impl Schema {
    /// Compiles a schema. Takes milliseconds for each pattern: nothing for a thread that serves others.
    ///
    /// # Errors
    /// What is wrong with the schema, for its author.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err("its `type` must be \"object\"".into());
        }
        let cost = cost::measure(schema)?;
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        let validator =
            jsonschema::options().with_pattern_options(patterns).build(schema).map_err(|error| error.to_string())?;
        Ok(Self { validator, cost })
    }

    /// How many patterns it has.
    pub(crate) const fn patterns(&self) -> u64 {
        self.cost.patterns
    }

    /// Checks a value. Problems name the place and the rule, and quote no value: it may be a secret.
    ///
    /// # Errors
    /// What is wrong with the value, for whoever sent it.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        let (values, bytes) = (cost::count(value), value.to_string().len() as u64);
        if self.cost.of_checking(values, bytes) > CHECK_STEPS_MAX {
            return Err(format!(
                "the parameters have {values} values in {bytes} bytes, which is too much for a schema of this size; \
                 send fewer or shorter values"
            ));
        }
        let Err(first) = self.validator.validate(value) else { return Ok(()) };
        // All problems are collected before the first is told, so they are asked for only where there can't be many.
        if self.cost.of_checking(values, bytes) > LISTED_STEPS_MAX {
            return Err(describe(&first, value));
        }
        let mut problems: Vec<String> =
            self.validator.iter_errors(value).take(PROBLEMS_MAX + 1).map(|e| describe(&e, value)).collect();
        if problems.len() > PROBLEMS_MAX {
            problems.truncate(PROBLEMS_MAX);
            problems.push("and more".into());
        }
        Err(problems.join("; "))
    }
}

fn describe(error: &ValidationError<'_>, value: &Value) -> String {
    let at = error.instance_path().to_string();
    let place = if at.is_empty() { "the parameters" } else { at.as_str() };
    match (error.kind(), value.pointer(&at)) {
        // Where nothing is allowed, the library says only that; the names say what is too much.
        (ValidationErrorKind::FalseSchema, Some(Value::Object(members))) => {
            let names: Vec<String> =
                members.keys().take(PROBLEMS_MAX).map(|name| name.chars().take(40).collect()).collect();
            format!("{place}: nothing is allowed here, found {}", names.join(", "))
        }
        (ValidationErrorKind::FalseSchema, _) => format!("{place}: nothing is allowed here"),
        _ => format!("{place}: {}", error.masked()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_names_the_place_and_not_the_value() {
        let schema = Schema::compile(
            &json!({ "type": "object", "properties": { "size": { "type": "integer", "maximum": 9 } } }),
        )
        .unwrap();
        assert_eq!(schema.check(&json!({ "size": 3 })), Ok(()));
        let problem = schema.check(&json!({ "size": "hunter2" })).unwrap_err();
        assert!(
            problem.starts_with("/size: ") && problem.contains("integer") && !problem.contains("hunter2"),
            "{problem}"
        );
    }

    #[test]
    fn a_schema_can_lead_nowhere_else() {
        assert!(Schema::compile(&json!({ "type": "object", "$ref": "file:///etc/passwd" })).is_err());
        assert!(Schema::compile(&json!({ "type": "object", "$ref": "http://127.0.0.1:1/x" })).is_err());
        assert!(Schema::compile(&json!({ "type": "string" })).is_err());
    }

    #[test]
    fn patterns_of_everyday_use_compile_and_monsters_do_not() {
        let with = |pattern: &str| {
            Schema::compile(&json!({ "type": "object", "properties": { "a": { "pattern": pattern } } }))
        };
        for everyday in ["^[a-z][a-z0-9-]{0,62}$", r"^\w+@\w+\.\w{2,}$", r"^\d{1,3}(\.\d{1,3}){3}$", "^.{1,255}$"] {
            assert!(with(everyday).is_ok(), "{everyday}: {:?}", with(everyday));
        }
        assert!(with("(((a{1,99}){1,99}){1,99}){1,99}").is_err());
    }

    #[test]
    fn a_check_that_costs_too_much_is_not_begun() {
        let all_of: Vec<Value> = (0..1_000).map(|n| json!({ "maxProperties": n + 100_000 })).collect();
        let schema = Schema::compile(&json!({ "type": "object", "allOf": all_of })).unwrap();
        let parameters = |count: usize| json!({ "list": vec![0; count] });
        assert_eq!(schema.check(&parameters(100)), Ok(()));
        let refused = schema.check(&parameters(10_000)).unwrap_err();
        assert!(refused.contains("10002 values"), "{refused}");
    }
}
