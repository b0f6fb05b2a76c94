//! What versions say of themselves under an operator's options, whichever of them comes to serve.

use larder_control::{Code, ControlError};
use larder_domain::failure::GuestFailure;
use larder_domain::grants::Permission;
use larder_domain::ports::runtime::Export;
use larder_domain::provider::{Provider, VersionState};
use larder_domain::{Digest, ProviderName};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{TestHost, manifest, report, usual};

const PORT: &str = "tcp://db.example:5432";

fn digest(wasm: &str) -> Digest {
    Digest(Sha256::digest(wasm).into())
}

/// A manifest that tells its options, after what must be in them has been looked for.
fn telling(options: &Value, more: &Value) -> Value {
    let mut manifest = manifest();
    let whom: String = options["whom"].as_str().unwrap_or("nobody").chars().take(20).collect();
    manifest["description"] = format!("for {whom}").into();
    let password = json!({ "type": "string", "writeOnly": true });
    manifest["options"] =
        json!({ "type": "object", "properties": { "whom": { "type": "string" }, "password": password } });
    for (name, value) in more.as_object().into_iter().flatten() {
        manifest[name] = value.clone();
    }
    manifest
}

/// A host whose provider `pg` has the versions `old`, which does nothing for strangers, and `new`, which needs a grant.
async fn host() -> (TestHost, ProviderName) {
    let host = TestHost::start(&[]).await;
    let request = json!({ "capability": "network", "value": PORT, "required": true, "reason": "to make databases" });
    {
        let mut describes = host.script.describes.lock().unwrap();
        let old = |options: &Value| match options["whom"].as_str() {
            Some("strangers") => Err("not for strangers".to_owned()),
            _ => Ok(telling(options, &json!({}))),
        };
        describes.insert(digest("old"), Box::new(old));
        let requests = json!({ "requests": [request] });
        describes.insert(digest("new"), Box::new(move |options| Ok(telling(options, &requests))));
    }
    assert_eq!(host.upload_version("pg", "old").await.state, VersionState::Active);
    assert_eq!(host.upload_version("pg", "new").await.state, VersionState::WaitingForApproval);
    (host, "pg".parse().unwrap())
}

async fn grant(host: &TestHost, name: &ProviderName) -> Provider {
    let revision = host.control.provider(name).await.unwrap().revision;
    host.control.set_grants(name, vec![Permission::parse("network", PORT).unwrap()], revision).await.unwrap()
}

async fn tell(host: &TestHost, name: &ProviderName, whom: &str) -> Result<Provider, ControlError> {
    let revision = host.control.provider(name).await.unwrap().revision;
    host.control.set_options(name, json!({ "whom": whom }).into(), revision).await
}

/// Which version serves, and for whom it says that it does.
fn serves(provider: &Provider) -> (Digest, String) {
    let active = provider.active().unwrap();
    (active.digest, active.manifest.clone().unwrap().description)
}

#[tokio::test]
async fn a_version_that_is_rolled_back_to_serves_under_the_present_options() {
    let (host, pg) = host().await;
    grant(&host, &pg).await;
    let provider = tell(&host, &pg, "friends").await.unwrap();
    assert_eq!(serves(&provider), (digest("new"), "for friends".into()));
    let provider = host.control.activate(&pg, digest("old")).await.unwrap();
    assert_eq!(serves(&provider), (digest("old"), "for friends".into()));
    assert_eq!(host.control.offers().await.unwrap().0[&pg].manifest.description, "for friends");
}

#[tokio::test]
async fn a_version_that_the_present_options_are_nothing_for_does_not_serve() {
    let (host, pg) = host().await;
    grant(&host, &pg).await;
    tell(&host, &pg, "strangers").await.unwrap();
    match host.control.activate(&pg, digest("old")).await.unwrap_err() {
        ControlError::Refused { code: Code::InvalidOptions, message } => {
            assert!(
                message.contains("not for strangers") && message.contains("larder provider options pg"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(serves(&host.control.provider(&pg).await.unwrap()), (digest("new"), "for strangers".into()));
    // What serves can't be told what it will not be told either.
    tell(&host, &pg, "friends").await.unwrap();
    host.control.activate(&pg, digest("old")).await.unwrap();
    let refused = tell(&host, &pg, "strangers").await.unwrap_err();
    assert!(matches!(refused, ControlError::Refused { code: Code::InvalidOptions, .. }), "{refused:?}");
}

#[tokio::test]
async fn a_version_that_a_grant_has_serve_knows_the_present_options() {
    let (host, pg) = host().await;
    let provider = tell(&host, &pg, "friends").await.unwrap();
    assert_eq!(serves(&provider), (digest("old"), "for friends".into()));
    assert_eq!(serves(&grant(&host, &pg).await), (digest("new"), "for friends".into()));
}

#[tokio::test]
async fn what_the_schema_marks_as_secret_is_said_by_nobody() {
    let (host, pg) = host().await;
    let revision = host.control.provider(&pg).await.unwrap().revision;
    host.control.set_options(&pg, json!({ "whom": "friends", "password": "hunter2" }).into(), revision).await.unwrap();
    let answer = |export| match export {
        Export::BeginProvision => report(Ok(Err(GuestFailure::Failed("friends can't log in with hunter2".into())))),
        other => report(usual(other)),
    };
    host.script.answers.lock().unwrap().insert("pg".into(), Box::new(answer));
    let id = host.create("pg", "one").await.spec.id;
    assert_eq!(host.settled(id).await.addon.error.unwrap().reason, "friends can't log in with ••••");
}

#[tokio::test]
async fn options_that_are_too_long_say_what_to_do() {
    let (host, pg) = host().await;
    let frame = json!({ "whom": "" }).to_string().len();
    tell(&host, &pg, &"x".repeat(64 * 1024 - frame)).await.unwrap();
    let refused = tell(&host, &pg, &"x".repeat(64 * 1024 - frame + 1)).await.unwrap_err();
    let ControlError::Refused { code: Code::InvalidOptions, message } = &refused else { panic!("{refused:?}") };
    assert!(
        message.contains("65537 bytes") && message.contains("leave out what the provider does not use"),
        "{message}"
    );
}
