//! The answers of a provider as the host gets them, and what errors turn into.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Config, Failure, Options, Progress, bindings, state};

#[test]
fn a_config_keeps_order_and_secrecy() {
    let config = Config::new()
        .variable("DATABASE_HOST", "db.example")
        .secret("DATABASE_PASSWORD", "p")
        .credential("hostname", "db.example")
        .secret_credential("password", "p");
    let config = bindings::Config::from(config);
    let variables = config.variables.iter().map(|v| (v.name.as_str(), v.secret));
    assert!(variables.eq([("DATABASE_HOST", false), ("DATABASE_PASSWORD", true)]));
    let credentials = config.credentials.iter().map(|c| (c.key.as_str(), c.secret));
    assert!(credentials.eq([("hostname", false), ("password", true)]));
}

#[test]
fn pending_tells_when_what_and_how_far() {
    let progress = Progress::pending(Duration::from_millis(1500), "Copying").percent(40);
    let bindings::Progress::Pending(pending) = progress.into() else { panic!("it is done") };
    assert_eq!((pending.after_ms, pending.percent), (1500, Some(40)));
    assert_eq!(pending.message, "Copying");
}

#[test]
fn a_delay_beyond_all_bounds_is_cut() {
    let failure = bindings::Failure::from(Failure::retry_after(Duration::MAX, "Later"));
    assert!(matches!(failure, bindings::Failure::Retry(later) if later.after_ms == u32::MAX));
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let is_retried = |error: state::Error| matches!(error.into(), Failure::Retry(..));
    assert!(is_retried(state::Error::Unavailable("busy".into())));
    assert!(is_retried(state::Error::Superseded));
    assert!(!is_retried(state::Error::Full(9)));
    assert!(!is_retried(state::Error::BadKey(9)));
    assert!(!is_retried(state::Error::NotThat("k: not text".into())));
}

#[test]
fn options_are_not_quoted() {
    let options = Options::parse(r#"{"port":"hunter2"}"#).unwrap();
    let reason = options.to::<BTreeMap<String, u16>>().unwrap_err();
    assert_eq!(reason, "options.port: not what this provider reads");
}
