//! Blots out the secrets that the host knows from text that a guest wrote. It is for accidents: a guest that means to give a
//! secret away can always write it differently.

use crate::ports::runtime::LogLine;
use crate::secret::SecretString;

/// Shorter secrets are left alone: blotting out every `a` would destroy the text and hide nothing.
const SECRET_BYTES_MIN: usize = 4;
/// A line of a secret is looked for by itself from this length on, in bytes.
const LINE_BYTES_MIN: usize = 8;
const BLOT: &str = "••••";

/// The text with every occurrence of every secret replaced by dots, and so is the beginning of one where the text may have
/// been cut.
#[must_use]
pub fn redact(text: String, secrets: &[SecretString]) -> String {
    let known = known(secrets);
    let text = whole(text, &known);
    let end = text.strip_suffix('…').unwrap_or(&text);
    match known.iter().filter_map(|secret| begun(end, secret)).max() {
        Some(bytes) => format!("{}{BLOT}{}", &end[..end.len() - bytes], &text[end.len()..]),
        None => text,
    }
}

/// How much more than is shown of a text's end must be at hand, in bytes: longer than most secrets.
pub const END_MARGIN_BYTES: usize = 2 * 1024;

/// The last `bytes_max` bytes of a text that was itself cut at its beginning, and is [`END_MARGIN_BYTES`] longer then. It is cut
/// after secrets were replaced: of one that was cut at its beginning, the rest would not be known for what it is. Replacing may
/// shorten the text by more than the margin, so that its beginning is shown; what may be such a rest there is replaced, too.
#[must_use]
pub fn redact_end(text: String, secrets: &[SecretString], bytes_max: usize) -> String {
    let text = redact(without_rest(text, &known(secrets)), secrets);
    text[text.ceil_char_boundary(text.len().saturating_sub(bytes_max))..].to_owned()
}

/// The lines with every secret replaced by dots, also one that begins in a line and ends in the next: long lines are kept in
/// pieces.
pub fn redact_lines(lines: &mut [LogLine], secrets: &[SecretString]) {
    let known = known(secrets);
    if known.is_empty() {
        return;
    }
    for line in &mut *lines {
        line.text = whole(std::mem::take(&mut line.text), &known);
    }
    for at in 1..lines.len() {
        let (before, after) = lines.split_at_mut(at);
        let (Some(first), Some(second)) = (before.last_mut(), after.first_mut()) else { continue };
        for secret in &known {
            let cut = begun(&first.text, secret).filter(|bytes| second.text.starts_with(&secret[*bytes..]));
            if let Some(bytes) = cut {
                first.text.replace_range(first.text.len() - bytes.., BLOT);
                second.text.replace_range(..secret.len() - bytes, BLOT);
            }
        }
    }
    // The log itself is cut where it has become too long.
    if let Some(last) = lines.iter_mut().rev().find(|line| line.stream != "host") {
        last.text = redact(std::mem::take(&mut last.text), secrets);
    }
}

/// The secrets worth looking for, the longest first, so that one within another leaves no rest of the longer.
fn known(secrets: &[SecretString]) -> Vec<&str> {
    let whole = secrets.iter().map(SecretString::reveal).filter(|s| s.len() >= SECRET_BYTES_MIN);
    // A log has lines, so a key of several is looked for line by line too.
    let lines = whole.clone().filter(|secret| secret.contains('\n')).flat_map(str::lines);
    let mut known: Vec<&str> = whole.chain(lines.map(str::trim).filter(|line| line.len() >= LINE_BYTES_MIN)).collect();
    known.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    known.dedup();
    known
}

fn whole(text: String, known: &[&str]) -> String {
    known.iter().fold(text, |text, secret| if text.contains(secret) { text.replace(secret, BLOT) } else { text })
}

/// The text without the end of a secret at its beginning. That is looked for first: a shorter secret within it, once replaced, would
/// have it look like nothing.
fn without_rest(text: String, known: &[&str]) -> String {
    // A character that was cut is shown as another one.
    let said = text.trim_start_matches(char::REPLACEMENT_CHARACTER);
    match known.iter().filter_map(|secret| ended(said, secret)).max() {
        Some(bytes) => format!("{BLOT}{}", &said[bytes..]),
        None => text,
    }
}

/// How many bytes at the text's beginning are the end of the secret or all of it, if enough to tell it from chance.
fn ended(text: &str, secret: &str) -> Option<usize> {
    let longest = secret.len().min(text.len());
    let is_end = |bytes: &usize| {
        let end = secret.len() - bytes;
        secret.is_char_boundary(end) && text.starts_with(&secret[end..])
    };
    (SECRET_BYTES_MIN..=longest).rev().find(is_end)
}

/// How many bytes at the text's end are the beginning of the secret, if enough to tell it from chance.
fn begun(text: &str, secret: &str) -> Option<usize> {
    let longest = secret.len().saturating_sub(1).min(text.len());
    (SECRET_BYTES_MIN..=longest)
        .rev()
        .find(|bytes| secret.is_char_boundary(*bytes) && text.ends_with(&secret[..*bytes]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_end_of_a_text_a_secret_leaves_no_rest() {
        let secrets = [SecretString::new("correct-horse")];
        let end = |text: &str| redact_end(text.to_owned(), &secrets, 9);
        assert_eq!(end("rect-horse and so on"), "and so on");
        assert_eq!(end("a correct-horse é"), "•• é");
        assert_eq!(end("short"), "short");
    }

    #[test]
    fn however_short_a_text_becomes_it_does_not_begin_with_the_rest_of_a_secret() {
        let secret = "0123456789-correct-horse-battery-staple-0123456789-and-so-on-xyz";
        let secrets = [SecretString::new(secret), SecretString::new("battery")];
        let said = format!("{}{}", &secret[10..], format!("\n{secret}").repeat(93));
        assert!(said.len() <= 4096 + END_MARGIN_BYTES, "as much as is kept");
        let end = redact_end(said.clone(), &secrets, 4096);
        assert_eq!(end, format!("{BLOT}{}", format!("\n{BLOT}").repeat(93)));
        // Also where the cut went through a character.
        assert_eq!(redact_end(format!("\u{fffd}\u{fffd}{said}"), &secrets, 4096), end);
        let secrets = ["first-word", "word-and-another"].map(SecretString::new);
        assert_eq!(redact_end("word-and-another one".into(), &secrets, 4096), "•••• one", "the longer one");
        assert_eq!(redact_end("ord is short".into(), &secrets, 4096), "ord is short", "three letters may be anything");
    }

    #[test]
    fn secrets_go_the_longest_first() {
        let secrets = ["hunter2", "hunter2-long", "ab"].map(SecretString::new);
        assert_eq!(redact("a hunter2-long, hunter2, ab".into(), &secrets), "a ••••, ••••, ab");
    }

    #[test]
    fn a_secret_that_was_cut_goes_too() {
        let secrets = [SecretString::new("correct horse")];
        assert_eq!(redact("it is correct h…".into(), &secrets), "it is ••••…");
        assert_eq!(redact("it is correct".into(), &secrets), "it is ••••");
        assert_eq!(redact("it is cor".into(), &secrets), "it is cor", "three letters may be anything");
    }

    #[test]
    fn a_secret_of_several_lines_goes_line_by_line() {
        let secrets = [SecretString::new("-----BEGIN KEY-----\nMIIEvQIBADAN\nBgkq\n")];
        let line = |text: &str| LogLine { stream: "stdout", text: text.to_owned() };
        let mut lines = [line("-----BEGIN KEY-----"), line("MIIEvQIBADAN"), line("and on")];
        redact_lines(&mut lines, &secrets);
        assert_eq!(lines.map(|line| line.text), ["••••", "••••", "and on"]);
    }

    #[test]
    fn a_secret_in_two_lines_goes_from_both() {
        let secrets = [SecretString::new("correct horse")];
        let line = |text: &str| LogLine { stream: "stdout", text: text.to_owned() };
        let mut lines = [line("with correct"), line(" horse and"), line("correct horse"), line("in the end corr")];
        redact_lines(&mut lines, &secrets);
        assert_eq!(lines.map(|line| line.text), ["with ••••", "•••• and", "••••", "in the end ••••"]);
    }
}
