//! An environment in the formats that programs read.

use larder_control::{Code, ControlError, EnvironmentVariable};

/// How to write an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// One JSON object.
    Json,
    /// Assignments that a POSIX shell can read.
    Env,
    /// `docker run --env-file`: what stands after the first `=` is the value, to the letter.
    Docker,
    /// systemd's `EnvironmentFile=`.
    Systemd,
}

/// One line a variable.
pub(crate) fn render(environment: &[EnvironmentVariable], format: Format) -> Result<String, ControlError> {
    let mut text = String::new();
    for variable in environment {
        let value = variable.value.reveal();
        let written = match format {
            Format::Json | Format::Env => shell(value),
            Format::Docker => docker(&variable.name, value)?,
            Format::Systemd => systemd(value),
        };
        text.push_str(&format!("{}={written}\n", variable.name));
    }
    Ok(text)
}

/// Single quotes where anything else than plain characters is in it (POSIX.1-2024, Shell Command Language, section 2.2.2).
fn shell(value: &str) -> String {
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:@%+,".contains(&b)) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', "'\\''"))
}

fn docker(name: &str, value: &str) -> Result<String, ControlError> {
    if value.contains(['\n', '\r']) {
        let message =
            format!("the value of {name} has several lines, which this format can't express; use format=json");
        return Err(ControlError::refused(Code::InvalidQuery, message));
    }
    Ok(value.to_owned())
}

/// Double quotes with C-like escapes (systemd.exec(5), `EnvironmentFile=`).
fn systemd(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '`' | '$') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use larder_domain::SecretString;

    use super::*;

    fn rendered(value: &str, format: Format) -> String {
        let variable = EnvironmentVariable { name: "A".into(), value: SecretString::new(value), secret: false };
        render(&[variable], format).map_or_else(|error| error.to_string(), |text| text.trim_end().to_owned())
    }

    #[test]
    fn each_format_quotes_in_its_own_way() {
        assert_eq!(rendered("postgres://u:p@h:5432/d", Format::Env), "A=postgres://u:p@h:5432/d");
        assert_eq!(rendered("it's $HOME", Format::Env), "A='it'\\''s $HOME'");
        assert_eq!(rendered("", Format::Env), "A=''");
        assert_eq!(rendered("it's \"$x\"", Format::Docker), "A=it's \"$x\"");
        assert!(rendered("a\nb", Format::Docker).contains("several lines"));
        assert_eq!(rendered("a \"$b\" \\", Format::Systemd), "A=\"a \\\"\\$b\\\" \\\\\"");
    }
}
