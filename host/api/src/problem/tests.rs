//! Problem documents as clients read them.

use axum::body::to_bytes;
use larder_domain::ports::StoreError;
use larder_domain::provider::Refusal;
use serde_json::{Value, json};

use super::*;

async fn read(problem: impl Into<Problem>) -> (Response, Value) {
    let (parts, body) = problem.into().into_response().into_parts();
    let body = serde_json::from_slice(&to_bytes(body, 4096).await.unwrap()).unwrap();
    (Response::from_parts(parts, axum::body::Body::empty()), body)
}

#[tokio::test]
async fn a_refusal_is_told_with_code_and_advice() {
    let (response, body) = read(ControlError::refused(Code::UnknownApp, "there is no app demo")).await;
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let expected = json!({
        "type": "urn:larder:error:unknown_app", "title": "Unknown app", "status": 404, "code": "unknown_app",
        "detail": "there is no app demo", "advice": Code::UnknownApp.advice(),
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_refused_component_keeps_its_own_code() {
    let (response, body) = read(ControlError::Component(Refusal::new("core_module", "this is a core module"))).await;
    assert_eq!((response.status().as_u16(), &body["code"]), (422, &json!("core_module")));
    assert_eq!(body["detail"], "this is a core module");
    assert!(!body["advice"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn what_failed_inside_stays_inside() {
    let store = StoreError::Corrupt("a secret place".into());
    let (response, body) = read(ControlError::Store(store)).await;
    assert_eq!((response.status().as_u16(), &body["code"]), (500, &json!("internal")));
    assert!(!body.to_string().contains("secret place"), "{body}");
}

#[tokio::test]
async fn a_server_with_too_much_to_do_says_when_to_come_back() {
    let (response, _) = read(ControlError::from(StoreError::Busy)).await;
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &RETRY_AFTER_S));
}

#[test]
fn causes_are_told_from_the_outside_in() {
    let error = ControlError::Store(StoreError::Missing("lease"));
    assert_eq!(causes(&error), "the store failed: there is no such lease");
}

#[test]
fn every_code_is_there_once_with_a_status_and_advice() {
    let mut seen = std::collections::HashSet::new();
    for ErrorCode { code, status, advice } in error_codes() {
        assert!(seen.insert(code), "{code} is there twice");
        assert!((400..600).contains(&status) && advice.ends_with('.'), "{code}");
    }
}
