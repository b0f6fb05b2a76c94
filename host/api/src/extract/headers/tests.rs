//! Headers as clients send them, well and ill.

use super::*;

fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
    values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
}

#[track_caller]
fn check_wait(values: &[&'static str], expected: Option<Option<u64>>) {
    assert_eq!(Wait::of(&headers(&PREFER, values)).ok(), expected.map(Wait), "{values:?}");
}

#[test]
fn a_wait_is_found_among_other_preferences_and_cut() {
    check_wait(&[], Some(None));
    check_wait(&["respond-async"], Some(None));
    check_wait(&["wait=10"], Some(Some(10)));
    check_wait(&["respond-async, Wait = \"7\" ; x=1"], Some(Some(7)));
    check_wait(&["return=minimal", "wait=0"], Some(Some(0)));
    check_wait(&["wait=61"], Some(Some(60)));
    check_wait(&["wait=99999999999999999999999"], Some(Some(60)));
    check_wait(&["wait=1, wait=2"], Some(Some(1)));
}

#[test]
fn a_wait_that_is_no_number_is_refused() {
    for value in ["wait", "wait=", "wait=soon", "wait=-1", "wait=1.5", "wait=+1"] {
        check_wait(&[value], None);
    }
}

#[test]
fn an_idempotency_key_is_visible_ascii_of_a_bounded_length() {
    let of = |values: &[&'static str]| IdempotencyKey::of(&headers(&IDEMPOTENCY_KEY, values)).ok();
    let longest: &str = Box::leak("k".repeat(255).into_boxed_str());
    let too_long: &str = Box::leak("k".repeat(256).into_boxed_str());
    assert_eq!(of(&[]), Some(IdempotencyKey(None)));
    assert_eq!(of(&["a~1"]), Some(IdempotencyKey(Some("a~1".into()))));
    assert!(of(&[longest]).is_some());
    for values in [&[""][..], &["a b"], &["a\tb"], &[too_long], &["a", "a"]] {
        assert_eq!(of(values), None, "{values:?}");
    }
}

#[test]
fn a_key_holds_for_one_caller_on_one_route_with_one_body() {
    let caller = Caller { name: "admin" };
    let of = |route, body: &[u8]| IdempotencyKey(Some("k".into())).with(caller, route, body).unwrap();
    assert_eq!(of("apps/a/addons", b"{}").key, "admin/apps/a/addons/k");
    assert_ne!(of("apps/a/addons", b"{}").key, of("apps/b/addons", b"{}").key);
    assert_ne!(of("apps/a/addons", b"{}").body, of("apps/a/addons", b"{ }").body);
    assert_eq!(IdempotencyKey(None).with(caller, "apps/a/addons", b"{}"), None);
}

#[test]
fn what_is_encoded_otherwise_is_refused() {
    let of = |encoding: &[&'static str]| {
        require_encoding(&headers(&header::CONTENT_ENCODING, encoding), &["identity", "gzip"]).is_ok()
    };
    assert!([&[][..], &["GZIP"], &["identity"]].into_iter().all(of));
    assert!(!["zstd", "gzip, br", ""].into_iter().any(|bad| of(&[bad])));
}

#[test]
fn media_types_are_compared_without_parameters() {
    let of = |content_type: &[&'static str], encoding: &[&'static str]| {
        let mut both = headers(&header::CONTENT_TYPE, content_type);
        both.extend(headers(&header::CONTENT_ENCODING, encoding));
        require_media_type(&both, "application/json").is_ok()
    };
    assert!(of(&["application/json"], &[]) && of(&["Application/JSON; charset=utf-8"], &["identity"]));
    assert!(!of(&[], &[]) && !of(&["text/plain"], &[]) && !of(&["application/jsonx"], &[]));
    assert!(!of(&["application/json"], &["gzip"]));
}
