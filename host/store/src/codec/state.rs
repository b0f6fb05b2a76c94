//! A provider's state as bytes: for each entry the length of the key, the key, the length of the value, the value.
//! Lengths are 32 bits, little endian. Values are bytes, which JSON would make several times as long.

use larder_domain::ports::StoreError;
use larder_domain::ports::runtime::GuestState;
use zeroize::Zeroizing;

use super::Plain;

pub(crate) fn encode_state(state: &GuestState) -> Plain {
    let bytes = state.iter().map(|(key, value)| 8 + key.len() + value.len()).sum();
    let mut plain = Zeroizing::new(Vec::with_capacity(bytes));
    for (key, value) in state.iter() {
        put(&mut plain, key.as_bytes());
        put(&mut plain, value);
    }
    plain
}

pub(crate) fn decode_state(mut plain: &[u8]) -> Result<GuestState, StoreError> {
    let corrupt = || StoreError::Corrupt("a provider's state that ends too early".into());
    let mut state = GuestState::new();
    while !plain.is_empty() {
        let key = take(&mut plain).ok_or_else(corrupt)?;
        let key = String::from_utf8(key.to_vec()).map_err(|_| corrupt())?;
        let value = take(&mut plain).ok_or_else(corrupt)?;
        state.insert(key, value.to_vec());
    }
    Ok(state)
}

fn put(plain: &mut Plain, bytes: &[u8]) {
    // The state's bound is far below what 32 bits can count.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    plain.extend_from_slice(&length.to_le_bytes());
    plain.extend_from_slice(bytes);
}

fn take<'a>(plain: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = plain.split_first_chunk::<4>()?;
    let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *plain = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_comes_back_as_it_was() {
        let state = GuestState::from([("a".into(), vec![0, 255, 7]), (String::new(), vec![]), ("ä".into(), vec![1])]);
        let plain = encode_state(&state);
        assert_eq!(decode_state(&plain).ok(), Some(state));
        assert_eq!(decode_state(&[]).ok(), Some(GuestState::new()));
        assert!(
            (1..plain.len()).filter(|end| decode_state(&plain[..*end]).is_ok()).count() < 3,
            "cut off between entries"
        );
    }
}
