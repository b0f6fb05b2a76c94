//! Blots out the secrets that the host knows from text that a guest wrote.

use crate::secret::SecretString;

/// Shorter secrets are left alone: blotting out every `a` would destroy the text and hide nothing.
const SECRET_BYTES_MIN: usize = 4;
const BLOT: &str = "••••";

/// The text with every occurrence of every secret replaced by dots.
#[must_use]
pub fn redact(text: String, secrets: &[SecretString]) -> String {
    let mut known: Vec<&str> =
        secrets.iter().map(SecretString::reveal).filter(|s| s.len() >= SECRET_BYTES_MIN).collect();
    // Longest first, so that a secret within another one leaves no rest of the longer.
    known.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    known.into_iter().fold(text, |text, secret| if text.contains(secret) { text.replace(secret, BLOT) } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_the_longest_first() {
        let secrets = ["hunter2", "hunter2-long", "ab"].map(SecretString::new);
        assert_eq!(redact("a hunter2-long, hunter2, ab".into(), &secrets), "a ••••, ••••, ab");
    }
}
