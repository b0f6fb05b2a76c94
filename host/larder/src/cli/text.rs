//! Makes text from elsewhere harmless.
//!
//! Guests write messages, reasons and logs. A terminal obeys escape codes in them, and marks that turn the
//! direction of writing make a line look like another one. Both are shown as `\u{1b}` instead. Tables and
//! log lines keep this also in a pipe, whose end may be a terminal; `--json` is exact, by JSON's own escapes.

use std::fmt::Write as _;

/// What people see in place of a secret, whatever its length.
pub(crate) const DOTS: &str = "••••••••";

/// Harmless, on one line.
pub(crate) fn line(text: &str) -> String {
    let text = text.trim_end();
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\r' => {}
            '\n' | '\t' => safe.push(' '),
            c => push(&mut safe, c),
        }
    }
    safe
}

/// Harmless, with its lines and tabs.
pub(crate) fn block(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => safe.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            c => push(&mut safe, c),
        }
    }
    safe
}

/// The same JSON, without any character that a terminal obeys: inside strings, where alone they can
/// stand, they are written as escapes.
pub(crate) fn json(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_obeyed(c) {
            // All of them are in the basic plane, so one escape of four digits is enough.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// At most `chars_max` characters, with a mark where something is missing.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A time as people read it in a list: whole seconds.
pub(crate) fn seconds(timestamp: &str) -> String {
    match (timestamp.find('.'), timestamp.strip_suffix('Z')) {
        (Some(dot), Some(_)) => format!("{}Z", &timestamp[..dot]),
        _ => timestamp.to_owned(),
    }
}

/// A number of bytes as people read it.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = u128::from(count) * 10;
    let mut unit = "B";
    for larger in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = larger;
    }
    if unit == "B" { format!("{count} B") } else { format!("{}.{} {unit}", tenths / 10, tenths % 10) }
}

/// `1 app`, `2 apps`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

fn push(safe: &mut String, c: char) {
    if is_obeyed(c) {
        safe.extend(c.escape_unicode());
    } else {
        safe.push(c);
    }
}

/// Control characters of both blocks, separators of lines, and marks of direction.
fn is_obeyed(c: char) -> bool {
    let of_direction =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || of_direction || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_codes_are_shown() {
        assert_eq!(line("\u{1b}[31mred\u{7}"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(line("\u{9b}2J"), "\\u{9b}2J");
        assert_eq!(line("safe\u{202e}evil"), "safe\\u{202e}evil");
        assert_eq!(line("plain äöü 漢字"), "plain äöü 漢字");
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(line("one\r\ntwo\tthree\n"), "one two three");
        assert_eq!(line("half\u{2028}line"), "half\\u{2028}line");
    }

    #[test]
    fn a_block_keeps_its_lines_but_no_lone_return() {
        assert_eq!(block("one\r\n\ttwo"), "one\n\ttwo");
        assert_eq!(block("password: \rfaked"), "password: \\u{d}faked");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"message": "\u{1b}[2J\u{9b}\u{7f}\u{202e}ä\n"});
        let safe = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(safe.chars().all(|c| c == '\n' || !is_obeyed(c)), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(cut("äöüß", 4), "äöüß");
        assert_eq!(cut("äöüßx", 4), "äöü…");
        assert_eq!(cut("one two", 5), "one…");
    }

    #[test]
    fn times_and_sizes_are_short() {
        assert_eq!(seconds("2026-01-02T03:04:05.678Z"), "2026-01-02T03:04:05Z");
        assert_eq!(seconds("yesterday"), "yesterday");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(64 * 1024 * 1024), "64.0 MiB");
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
        assert_eq!((count(1, "app"), count(0, "app")), ("1 app".into(), "0 apps".into()));
    }
}
