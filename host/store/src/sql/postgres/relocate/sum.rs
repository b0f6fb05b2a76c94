//! What a table holds, as a number that is the same in whatever order its rows are read.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::sql::database::Value;

/// The sum of all rows' digests, and how many there are. It finds mistakes, not forgers.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sum {
    pub(super) rows: u64,
    /// Texts with characters that were replaced.
    pub(super) altered: u64,
    digests: [u64; 4],
}

impl Sum {
    /// One row more.
    pub(super) fn add(&mut self, values: &[Value<'_>]) {
        let mut digest = Sha256::new();
        for value in values {
            let (kind, bytes) = match *value {
                Value::Null => (0, Cow::Borrowed(&[][..])),
                Value::Int(number) => (1, Cow::Owned(number.to_le_bytes().to_vec())),
                Value::Text(text) => (2, self.as_stored(text)),
                Value::Blob(bytes) => (3, Cow::Borrowed(bytes)),
            };
            digest.update([kind]);
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(&bytes);
        }
        let digest: [u8; 32] = digest.finalize().into();
        for (sum, piece) in self.digests.iter_mut().zip(digest.chunks_exact(8)) {
            *sum = sum.wrapping_add(piece.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
        }
        self.rows += 1;
    }

    /// A text as the server has it: there is a character for which it has no room.
    fn as_stored<'t>(&mut self, text: &'t str) -> Cow<'t, [u8]> {
        if !text.contains('\0') {
            return Cow::Borrowed(text.as_bytes());
        }
        self.altered += 1;
        Cow::Owned(text.replace('\0', "\u{fffd}").into_bytes())
    }

    pub(super) fn is_unlike(&self, other: &Self) -> bool {
        (self.rows, self.digests) != (other.rows, other.digests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: &[&[Value<'_>]]) -> Sum {
        let mut sum = Sum::default();
        rows.iter().for_each(|row| sum.add(row));
        sum
    }

    #[test]
    fn the_order_of_rows_is_nothing_and_everything_else_is() {
        let (a, b) = ([Value::Text("a"), Value::Int(1)], [Value::Text("b"), Value::Null]);
        assert!(!of(&[&a, &b]).is_unlike(&of(&[&b, &a])));
        let others: [&[&[Value<'_>]]; 6] = [
            &[&a],
            &[&a, &b, &b],
            &[&a, &a],
            &[&[Value::Int(1), Value::Text("a")], &b],
            &[&[Value::Blob(b"a"), Value::Int(1)], &b],
            &[&a, &[Value::Text("b"), Value::Int(0)]],
        ];
        for other in others {
            assert!(of(&[&a, &b]).is_unlike(&of(other)), "{other:?}");
        }
        assert!(
            of(&[&[Value::Text("a"), Value::Text("bc")]]).is_unlike(&of(&[&[Value::Text("ab"), Value::Text("c")]]))
        );
    }

    #[test]
    fn what_the_server_replaces_is_counted() {
        let sent = of(&[&[Value::Text("a\0b")]]);
        assert!(!sent.is_unlike(&of(&[&[Value::Text("a\u{fffd}b")]])));
        assert_eq!(sent.altered, 1);
    }
}
