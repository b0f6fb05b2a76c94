//! What guests are told, and what becomes of their answers.

use larder_domain::failure::{GuestFailure, Pending};
use larder_domain::limits::{AFTER_MS_MAX, MESSAGE_BYTES_MAX};
use larder_domain::ports::{Export, ProviderRuntime, Reply};
use larder_domain::secret::SecretString;

use crate::guest::Guest;
use crate::host::{call, failure, limits, load, reply, sandbox};

/// Answers `ok` with the text whose address and length a host function left at 32.
const ANSWER_TEXT: &str = "
    (i32.store (i32.const 20) (i32.load (i32.const 32))) (i32.store (i32.const 24) (i32.load (i32.const 36)))
    (call $drop-addon (local.get $addon)) (i32.const 16)";

#[tokio::test]
async fn a_guest_is_told_about_its_addon() {
    let id = Guest { begin: format!("(call $id (local.get $addon) (i32.const 32)) {ANSWER_TEXT}"), ..Guest::default() };
    let parameters = Guest {
        begin: format!("(call $parameters (local.get $addon) (i32.const 32)) {ANSWER_TEXT}"),
        ..Guest::default()
    };
    let sandbox = sandbox();
    let call = call(load(&sandbox, &id).await, Export::BeginProvision);
    let expected = call.addon.id.to_string();
    assert_eq!(reply(sandbox.call(call.clone()).await), Reply::Begun(expected));
    let call = larder_domain::ports::Call { digest: load(&sandbox, &parameters).await, ..call };
    assert_eq!(reply(sandbox.call(call).await), Reply::Begun(r#"{"size":3}"#.to_owned()));
}

#[tokio::test]
async fn progress_is_cut_to_its_bounds() {
    // `pending` with 4,294,967,295 ms, 5,000 bytes of message and 255 per cent.
    let complete = "(i32.store (i32.const 20) (i32.const 1)) (i32.store (i32.const 24) (i32.const -1))
        (i32.store (i32.const 28) (i32.const 4096)) (i32.store (i32.const 32) (i32.const 5000))
        (i32.store (i32.const 36) (i32.const 0xff01)) (i32.const 16)";
    let guest = Guest { complete: complete.to_owned(), deprovision: complete.to_owned(), ..Guest::default() };
    let sandbox = sandbox();
    let digest = load(&sandbox, &guest).await;
    for export in [Export::ProvisionComplete, Export::Deprovision] {
        let Reply::Pending(Pending { after_ms, message, percent }) = reply(sandbox.call(call(digest, export)).await)
        else {
            panic!("it is pending");
        };
        assert_eq!((after_ms, percent), (AFTER_MS_MAX, Some(100)));
        assert!(message.starts_with(char::REPLACEMENT_CHARACTER), "NULs are no text for a terminal");
        assert!(message.len() <= 3 * MESSAGE_BYTES_MAX);
    }
}

#[tokio::test]
async fn failures_keep_their_kind() {
    let failing = |case: u32, payload: &str| {
        format!(
            "(i32.store (i32.const 16) (i32.const 1)) (i32.store (i32.const 20) (i32.const {case})) {payload} (i32.const 16)"
        )
    };
    let text = "(i32.store (i32.const 24) (i32.const 1024)) (i32.store (i32.const 28) (i32.const 4))";
    let later = "(i32.store (i32.const 24) (i32.const -1))
        (i32.store (i32.const 28) (i32.const 1024)) (i32.store (i32.const 32) (i32.const 4))";
    let guest =
        Guest { begin: failing(0, text), complete: failing(1, later), config: failing(2, text), ..Guest::default() };
    let sandbox = sandbox();
    let digest = load(&sandbox, &guest).await;
    let made = || "made".to_owned();
    for (export, expected) in [
        (Export::BeginProvision, GuestFailure::Rejected(made())),
        (Export::ProvisionComplete, GuestFailure::Retry { after_ms: AFTER_MS_MAX, reason: made() }),
        (Export::GetConfig, GuestFailure::Failed(made())),
    ] {
        assert_eq!(failure(sandbox.call(call(digest, export)).await), expected);
    }
}

#[tokio::test]
async fn a_configuration_comes_as_it_is() {
    // One variable, "made" = "{}", secret.
    let config = "(i32.store (i32.const 20) (i32.const 512)) (i32.store (i32.const 24) (i32.const 1))
        (i32.store (i32.const 512) (i32.const 1024)) (i32.store (i32.const 516) (i32.const 4))
        (i32.store (i32.const 520) (i32.const 1028)) (i32.store (i32.const 524) (i32.const 2))
        (i32.store (i32.const 528) (i32.const 1)) (i32.const 16)";
    let sandbox = sandbox();
    let digest = load(&sandbox, &Guest { config: config.to_owned(), ..Guest::default() }).await;
    let Reply::Config(config) = reply(sandbox.call(call(digest, Export::GetConfig)).await) else {
        panic!("it is a configuration");
    };
    assert_eq!(config.credentials, []);
    let [variable] = &config.variables[..] else { panic!("it is one variable") };
    assert_eq!((variable.name.as_str(), variable.value.reveal(), variable.secret), ("made", "{}", true));
}

#[tokio::test]
async fn passwords_are_the_same_in_every_call_and_reported() {
    let begin = "(call $password (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 24) (i32.const 28))
        (call $drop-addon (local.get $addon)) (i32.store (i32.const 20) (i32.load (i32.const 32)))
        (i32.store (i32.const 24) (i32.load (i32.const 36))) (i32.const 16)";
    let sandbox = sandbox();
    let digest = load(&sandbox, &Guest { begin: begin.to_owned(), ..Guest::default() }).await;
    let mut passwords = Vec::new();
    for _ in 0..2 {
        let report = sandbox.call(call(digest, Export::BeginProvision)).await;
        let [issued] = &report.issued[..] else { panic!("one was issued") };
        assert_eq!(reply(report.clone()), Reply::Begun(issued.reveal().to_owned()));
        passwords.push(issued.reveal().to_owned());
    }
    assert_eq!(passwords[0].len(), 24);
    assert_eq!(passwords[0], passwords[1]);
}

#[tokio::test]
async fn describe_is_about_no_addon() {
    let password =
        "(call $password (i32.const 1024) (i32.const 4) (i32.const 0) (i32.const 24) (i32.const 28)) (unreachable)";
    // Answers "made" if the state can't be had, and traps if it can.
    let state = "(call $get (i32.const 1024) (i32.const 4) (i32.const 32))
        (if (i32.eqz (i32.load8_u (i32.const 32))) (then (unreachable)))
        (i32.store (i32.const 20) (i32.const 1024)) (i32.store (i32.const 24) (i32.const 4)) (i32.const 16)";
    let sandbox = sandbox();
    let options = SecretString::new("{}");
    let digest = load(&sandbox, &Guest { describe: password.to_owned(), ..Guest::default() }).await;
    let detail = sandbox.describe(digest, &options, limits()).await.unwrap_err().detail;
    assert!(detail.starts_with("trapped: `password` belongs to an addon, and `describe` is about none"), "{detail}");
    let digest = load(&sandbox, &Guest { describe: state.to_owned(), ..Guest::default() }).await;
    assert_eq!(sandbox.describe(digest, &options, limits()).await, Ok(Ok("made".to_owned())));
}
