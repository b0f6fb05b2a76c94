//! What is read from an answer, and what errors turn into.

use std::collections::BTreeMap;

use super::{Error, Response};
use crate::Failure;

fn answer(status: u16, body: &[u8]) -> Response {
    let headers = vec![("Retry-After".to_owned(), b"5".to_vec()), ("x-odd".to_owned(), vec![0xff])];
    Response { status, body: body.to_vec(), headers }
}

#[test]
fn headers_are_found_in_any_case() {
    let answer = answer(200, b"");
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!((answer.header("x-odd"), answer.header("x-none")), (None, None));
}

#[test]
fn a_body_that_does_not_fit_is_not_quoted() {
    let fits: BTreeMap<String, u8> = answer(200, br#"{"a":1}"#).json().unwrap();
    assert_eq!(fits["a"], 1);
    for body in [&br#"{"a":"secret"}"#[..], b"secret", b"\xff", b""] {
        let error = answer(200, body).json::<BTreeMap<String, u8>>().unwrap_err();
        assert!(matches!(&error, Error::NotThat(why) if !why.contains("secret")), "{error}");
    }
}

#[test]
fn an_answer_is_shown_in_short() {
    assert_eq!(answer(204, b"").to_string(), "204");
    assert_eq!(answer(500, b"it\r\n  broke\x00").to_string(), "500: it broke");
    assert_eq!(answer(500, "é".repeat(10_000).as_bytes()).to_string().chars().count(), "500: ".len() + 300);
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let is_retried = |error: Error| matches!(error.into(), Failure::Retry(..));
    assert!(is_retried(Error::TimedOut));
    assert!(is_retried(Error::Unreachable("refused".into())));
    assert!(!is_retried(Error::Denied));
    assert!(!is_retried(Error::TooLong(9)));
}
