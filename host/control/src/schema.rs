//! JSON Schemas that providers declare. They are a guest's data: patterns run on an engine without back-tracking, and
//! references lead nowhere outside the schema itself.

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// How many problems one message lists.
const PROBLEMS_MAX: usize = 5;

/// Compiles a schema.
///
/// # Errors
/// What is wrong with the schema, for its author.
pub(crate) fn compile(schema: &Value) -> Result<Validator, String> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("its `type` must be \"object\"".into());
    }
    jsonschema::options().with_pattern_options(PatternOptions::regex()).build(schema).map_err(|error| error.to_string())
}

/// Checks a value. Problems name the place and the rule, and quote no value: it may be a secret.
///
/// # Errors
/// What is wrong with the value, for whoever sent it.
pub(crate) fn validate(validator: &Validator, value: &Value) -> Result<(), String> {
    let mut problems: Vec<String> =
        validator.iter_errors(value).take(PROBLEMS_MAX + 1).map(|e| describe(&e, value)).collect();
    if problems.is_empty() {
        return Ok(());
    }
    if problems.len() > PROBLEMS_MAX {
        problems.truncate(PROBLEMS_MAX);
        problems.push("and more".into());
    }
    Err(problems.join("; "))
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
        let schema =
            compile(&json!({ "type": "object", "properties": { "size": { "type": "integer", "maximum": 9 } } }))
                .unwrap();
        assert_eq!(validate(&schema, &json!({ "size": 3 })), Ok(()));
        let problem = validate(&schema, &json!({ "size": "hunter2" })).unwrap_err();
        assert!(
            problem.starts_with("/size: ") && problem.contains("integer") && !problem.contains("hunter2"),
            "{problem}"
        );
    }

    #[test]
    fn a_schema_can_lead_nowhere_else() {
        assert!(compile(&json!({ "type": "object", "$ref": "file:///etc/passwd" })).is_err());
        assert!(compile(&json!({ "type": "object", "$ref": "http://127.0.0.1:1/x" })).is_err());
        assert!(compile(&json!({ "type": "string" })).is_err());
    }
}
