//! How the sealing key stands.

use larder_domain::ports::KeyState;
use serde::Serialize;

/// The names of keys, and how far a rotation has come.
#[derive(Serialize)]
pub(crate) struct KeyView<'a> {
    key: &'a str,
    old: &'a [String],
    is_under_way: bool,
    resealed: u64,
    of: u64,
    trouble: Option<&'a str>,
    has_remnants: bool,
}

impl<'a> From<&'a KeyState> for KeyView<'a> {
    fn from(state: &'a KeyState) -> Self {
        let KeyState { key, old, is_under_way, resealed, of, trouble, has_remnants } = state;
        let (is_under_way, resealed, of, has_remnants) = (*is_under_way, *resealed, *of, *has_remnants);
        Self { key, old, is_under_way, resealed, of, trouble: trouble.as_deref(), has_remnants }
    }
}
