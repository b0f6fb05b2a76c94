//! The one thing in which JSON is no YAML: a character beyond the basic plane, escaped as two halves.

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// The same text with such characters written out. What is no JSON stays as it is.
pub(crate) fn as_yaml(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Cow::Borrowed(text);
    }
    let mut yaml = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        yaml.push_str(before);
        let (written, length) = match whole(escape) {
            Some(character) => (character.to_string(), 12),
            // A backslash and what it escapes, which may be another one.
            None => (escape.chars().take(2).collect(), escape.chars().take(2).map(char::len_utf8).sum()),
        };
        yaml.push_str(&written);
        rest = &escape[length..];
    }
    yaml.push_str(rest);
    Cow::Owned(yaml)
}

/// The character of two halves, if the text begins with them: `\ud83d\ude00`.
fn whole(text: &str) -> Option<char> {
    let half = |from: usize| u16::from_str_radix(text.get(from..from + 6)?.strip_prefix("\\u")?, 16).ok();
    let (first, second) = (half(0)?, half(6)?);
    if !(0xd800..0xdc00).contains(&first) {
        return None;
    }
    char::decode_utf16([first, second]).next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_whole_in_json_alone() {
        let json = r#"{"a": "\ud83d\ude00 \u00e4 \\ud83d\\ude00 \n", "b": "é\ud83d\ude00"}"#;
        assert_eq!(as_yaml(json), "{\"a\": \"😀 \\u00e4 \\\\ud83d\\\\ude00 \\n\", \"b\": \"é😀\"}");
        for same in [r#"a: '\ud83d\ude00'"#, r#"{"a": "\u00e4"}"#, "{}"] {
            assert_eq!(as_yaml(same), same);
        }
    }
}
