//! Logins for registries: told with a pull from that registry, and with nothing else.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use larder_domain::SecretString;
use larder_domain::ports::engine::Engine;
use serde_json::{Value, json};

use super::patient;
use super::server::{Answer, Asked, Server};
use crate::{DEFAULT_REGISTRY, Login, Registries};

/// A password whose encoding has characters that the usual alphabet writes otherwise.
const PASSWORD: &str = "p?ss~w>rd\u{ff}?>~";

fn login(username: &str) -> Login {
    Login { username: username.to_owned(), password: SecretString::new(PASSWORD) }
}

fn registries(logins: &[(&str, &str)]) -> Registries {
    Registries::new(logins.iter().map(|(registry, username)| ((*registry).to_owned(), login(username))).collect())
}

/// An engine that gets whatever it is asked for.
fn getting() -> Server {
    Server::start(|asked| (asked.what != "GET /version").then(|| Answer::Json(200, json!({}))))
}

/// What was told with a request.
fn told(asked: &Asked) -> Option<Value> {
    let line = asked.head.lines().find_map(|line| line.strip_prefix("x-registry-auth: "))?;
    Some(serde_json::from_slice(&URL_SAFE.decode(line).unwrap()).unwrap())
}

#[tokio::test]
async fn a_login_is_told_with_a_pull_from_its_registry_alone() {
    let server = getting();
    let logins = registries(&[("registry.example.com:5000", "one"), ("other.example.com", "two")]);
    let engine = server.engine(patient()).with_registries(logins);
    for image in [
        "registry.example.com:5000/a/b:1",
        "registry.example.com/a/b:1",
        "other.example.com/a:1",
        "nobody.example.com/a:1",
        "other.example.com.nobody.example.com/a:1",
        "a:1",
        "other/a:1",
    ] {
        engine.pull(&image.parse().unwrap(), Duration::from_secs(30)).await.unwrap();
    }
    engine.info().await.unwrap();
    let (pulls, others): (Vec<Asked>, Vec<Asked>) =
        server.asked().into_iter().partition(|asked| asked.what == "POST /v1.41/images/create");
    let auth = |registry: &str, username: &str| {
        Some(json!({ "username": username, "password": PASSWORD, "serveraddress": registry }))
    };
    assert_eq!(
        pulls.iter().map(told).collect::<Vec<_>>(),
        [auth("registry.example.com:5000", "one"), None, auth("other.example.com", "two"), None, None, None, None]
    );
    assert!(others.len() > 7, "each pull ends with a look");
    assert!(others.iter().all(|asked| told(asked).is_none()));
}

#[tokio::test]
async fn images_without_a_registrys_name_have_a_login_of_their_own() {
    let server = getting();
    let engine = server.engine(patient()).with_registries(registries(&[(DEFAULT_REGISTRY, "me")]));
    for image in ["a:1", "default/a:1", "default.example.com/a:1"] {
        engine.pull(&image.parse().unwrap(), Duration::from_secs(30)).await.unwrap();
    }
    let pulls = server.asked().into_iter().filter(|asked| asked.what.starts_with("POST"));
    let names: Vec<Option<Value>> = pulls.map(|asked| told(&asked).map(|auth| auth["username"].clone())).collect();
    assert_eq!(names, [Some(json!("me")), Some(json!("me")), None]);
}

#[test]
fn a_password_is_in_no_text_that_is_written() {
    let logins = registries(&[("registry.example.com", "me")]);
    let header = logins.header(&"registry.example.com/a:1".parse().unwrap()).unwrap();
    let encoded = header.to_str().unwrap().to_owned();
    for text in [format!("{logins:?}"), format!("{header:?}")] {
        assert!(!text.contains(PASSWORD) && !text.contains(&encoded), "{text}");
    }
}
