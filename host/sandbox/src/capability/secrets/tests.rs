//! The derivation is for ever: these vectors must never change.

use std::collections::HashSet;

use super::*;

fn secrets() -> CallSecrets {
    CallSecrets::of(Seed([7; 32]), SecretString::new(r#"{"a":1}"#))
}

#[test]
fn the_derivation_never_changes() {
    let mut secrets = secrets();
    let mut password = |name: &str, generation, length| secrets.password(name.to_owned(), generation, length).unwrap();
    assert_eq!(password("admin", 0, 32), "qSTQKxAOZ3IfslIOaQIaBHfad45KSA8Q");
    assert_eq!(password("admin", 1, 32), "uIcwGM71GWkvX0Pii9lv3XF03ddJwNqb");
    assert_eq!(password("ä", 4_294_967_295, 7), "tkD2Ilq");
}

#[test]
fn the_vectors_are_those_of_the_documentation() {
    // The derivation written down a second time, as the module's documentation has it.
    let mut expected = String::new();
    for block in 0_u32..8 {
        let mut message = b"larder password v1\0".to_vec();
        for part in
            [&5_u32.to_be_bytes()[..], b"admin", &3_u32.to_be_bytes(), &100_u32.to_be_bytes(), &block.to_be_bytes()]
        {
            message.extend_from_slice(part);
        }
        let mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap().chain_update(&message).finalize().into_bytes();
        expected.extend(mac.iter().filter(|b| **b < 248).map(|b| char::from(ALPHABET[usize::from(b % 62)])));
    }
    assert_eq!(secrets().password("admin".to_owned(), 3, 100).unwrap(), expected[..100]);
}

#[test]
fn every_part_makes_another_password() {
    let mut passwords = HashSet::new();
    for seed in [[1; 32], [2; 32]] {
        let mut secrets = CallSecrets::of(Seed(seed), SecretString::default());
        for name in ["a", "ab", "b"] {
            for generation in 0..3 {
                for length in [20, 21] {
                    let password = secrets.password(name.to_owned(), generation, length).unwrap();
                    assert_eq!(password.len(), length as usize);
                    passwords.insert(password[..20].to_owned());
                }
            }
        }
    }
    assert_eq!(passwords.len(), 2 * 3 * 3 * 2);
}

#[test]
fn every_character_is_about_equally_likely() {
    let mut counts = [0_u32; 128];
    let mut secrets = secrets();
    for generation in 0..250 {
        for c in secrets.password("x".to_owned(), generation, 256).unwrap().bytes() {
            counts[usize::from(c)] += 1;
        }
    }
    let expected = 250 * 256 / 62;
    for c in ALPHABET {
        let count = counts[usize::from(*c)];
        assert!(count.abs_diff(expected) < expected / 5, "{} came {count} times", char::from(*c));
    }
}

#[test]
fn what_was_issued_is_remembered_once_and_bounded() {
    let mut secrets = secrets();
    for _ in 0..2 {
        for generation in 0..PASSWORDS_MAX as u32 {
            secrets.password("x".to_owned(), generation, 16).unwrap();
        }
    }
    let trap = secrets.password("x".to_owned(), PASSWORDS_MAX as u32, 16).unwrap_err();
    assert!(trap.downcast().is_err(), "it is no error that the guest could go on from");
    assert_eq!(secrets.into_issued().len(), PASSWORDS_MAX);
}

#[test]
fn names_and_lengths_are_bounded() {
    let refusal =
        |name: String, length| format!("{:?}", secrets().password(name, 0, length).unwrap_err().downcast().unwrap());
    assert_eq!(refusal(String::new(), 8), "Error::BadName(256)");
    assert_eq!(refusal("x".repeat(257), 8), "Error::BadName(256)");
    assert_eq!(refusal("x".to_owned(), 0), "Error::BadLength(256)");
    assert_eq!(refusal("x".to_owned(), 257), "Error::BadLength(256)");
}

#[test]
fn describe_has_options_and_no_passwords() {
    let mut secrets = CallSecrets::of_no_addon(SecretString::new("{}"));
    assert_eq!(secrets.options_json().unwrap(), "{}");
    assert!(secrets.password("x".to_owned(), 0, 8).unwrap_err().downcast().is_err());
}
