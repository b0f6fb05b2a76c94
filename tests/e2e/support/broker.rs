//! A service broker of a test's own: the Open Service Broker API 2.17, over HTTP on loopback. How it behaves is a matter of the plan;
//! what it was asked is kept, and what it has made.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};

/// `broker:open sesame`, as HTTP says it.
const LOGIN: &str = "Basic YnJva2VyOm9wZW4gc2VzYW1l";

/// What a broker was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// Such as `PUT instance` or `GET binding/last_operation`.
    pub(crate) what: String,
    /// Of the instance, and of the binding too if it is about one.
    pub(crate) ids: Vec<String>,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// What it has, and what it was asked.
#[derive(Debug, Default)]
struct Books {
    /// The identifiers of what is there, and whether it is being removed.
    there: BTreeMap<Vec<String>, bool>,
    asked: Vec<Asked>,
    strangers: u32,
}

/// A broker that runs.
pub(crate) struct Broker {
    pub(crate) url: String,
    books: Arc<Mutex<Books>>,
}

impl Broker {
    pub(crate) const PLANS: [&str; 8] = ["prompt", "slow", "failing", "refused", "down", "unbound", "torn", "busy"];

    /// A broker on a port of its own.
    pub(crate) async fn start() -> Self {
        let books = Arc::new(Mutex::new(Books::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&books));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, books }
    }

    /// The options of a provider that asks it.
    pub(crate) fn options(&self, password: &str) -> String {
        json!({ "url": self.url, "username": "broker", "password": password, "catalog": catalog() }).to_string()
    }

    /// What it was asked about an instance, in words and in full.
    pub(crate) fn asked_about(&self, instance: &str) -> (Vec<String>, Vec<Asked>) {
        let is_about = |asked: &&Asked| asked.ids.first().is_some_and(|id| id == instance);
        let asked: Vec<Asked> = self.books().asked.iter().filter(is_about).cloned().collect();
        (asked.iter().map(|asked| asked.what.clone()).collect(), asked)
    }

    /// The instances and bindings that are there.
    pub(crate) fn has(&self) -> BTreeSet<Vec<String>> {
        self.books().there.keys().cloned().collect()
    }

    /// How often somebody asked who may not.
    pub(crate) fn strangers(&self) -> u32 {
        self.books().strangers
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }
}

/// What `GET /v2/catalog` answers.
fn catalog() -> Value {
    // What is slow stays slow.
    let plan = |name: &&str| {
        let id = format!("id of {name}");
        json!({ "id": id, "name": name, "description": "A plan", "plan_updateable": *name != "slow" })
    };
    let plans: Vec<Value> = Broker::PLANS.iter().map(plan).collect();
    let store =
        json!({ "id": "id of store", "name": "store", "description": "Stores", "bindable": true, "plans": plans });
    json!({ "services": [store] })
}

async fn serve(
    State(books): State<Arc<Mutex<Books>>>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut books = books.lock().unwrap();
    if headers.get(AUTHORIZATION).is_none_or(|login| login != LOGIN) {
        books.strangers += 1;
        return answer(401, &json!({ "description": "who are you?" }));
    }
    if headers.get("x-broker-api-version").is_none_or(|version| version != "2.17") {
        return answer(412, &json!({ "description": "another version" }));
    }
    let parts: Vec<&str> = uri.path().split('/').collect();
    let (thing, ids, rest) = match &parts[..] {
        ["", "v2", "service_instances", instance, "service_bindings", binding, rest @ ..] => {
            ("binding", vec![*instance, *binding], rest)
        }
        ["", "v2", "service_instances", instance, rest @ ..] => ("instance", vec![*instance], rest),
        _ => return answer(404, &json!({})),
    };
    let what = [&[format!("{method} {thing}")][..], &rest.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()];
    let asked = Asked {
        what: what.concat().join("/"),
        ids: ids.into_iter().map(str::to_owned).collect(),
        query: query.into_iter().collect(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    books.asked.push(asked.clone());
    let (status, body) = books.answer(&asked);
    answer(status, &body)
}

fn answer(status: u16, body: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("retry-after", "1")], axum::Json(body)).into_response()
}

impl Books {
    /// The answer that the plan has for this, and what becomes of the thing by it.
    fn answer(&mut self, asked: &Asked) -> (u16, Value) {
        let of = |key: &str| asked.query.get(key).map(String::as_str).or_else(|| asked.body[key].as_str());
        let (Some("id of store"), Some(plan)) = (of("service_id"), of("plan_id")) else {
            return (400, json!({ "description": "of which service and plan?" }));
        };
        let plan = plan.strip_prefix("id of ").unwrap_or_default().to_owned();
        let nth = self.asked.iter().filter(|other| (&other.what, &other.ids) == (&asked.what, &asked.ids)).count();
        let (status, body) = self.said(&plan, asked, nth);
        match asked.what.split(' ').next() {
            // An error of its own may come after it has made something.
            Some("PUT") if !matches!(status, 400..500) => drop(self.there.insert(asked.ids.clone(), false)),
            Some("DELETE") if status == 200 => drop(self.there.remove(&asked.ids)),
            Some("DELETE") if status == 202 => drop(self.there.insert(asked.ids.clone(), true)),
            Some("GET") if status == 410 => drop(self.there.remove(&asked.ids)),
            _ => {}
        }
        (status, body)
    }

    /// By plan, question, and how often it has been asked.
    fn said(&self, plan: &str, asked: &Asked, nth: usize) -> (u16, Value) {
        let is_removed = self.there.get(&asked.ids).copied();
        let operation = |name: &str| (202, json!({ "operation": name }));
        let state = |state: &str, words: &str| (200, json!({ "state": state, "description": words }));
        match (plan, asked.what.as_str(), nth) {
            ("slow", "PATCH instance", _) => operation("slow down"),
            // It has no time at first.
            ("busy", "PATCH instance", 1) => (429, json!({ "description": "come back later" })),
            ("slow", "PUT instance", _) => operation("make & wait"),
            ("slow", "PUT binding", _) => operation("bind"),
            // It loses what it has just made, but for the first binding, and makes nothing that is there already.
            ("torn", "PUT binding", _) if is_removed.is_some() => (409, json!({ "description": "it is there" })),
            ("torn", "PUT binding", _) if asked.ids[0] != asked.ids[1] => operation("bind"),
            ("torn", "GET binding", 1) => (400, json!({ "description": "I have lost it" })),
            // Not what the API says of something that isn't there.
            ("slow", "DELETE binding", _) if is_removed.is_none() => (404, json!({})),
            ("slow" | "torn", "DELETE binding", _) => operation("unbind"),
            // It breaks down once at each of these.
            ("slow", "DELETE instance" | "GET instance/last_operation", 1) => (500, json!({ "description": "ouch" })),
            ("slow", "DELETE instance", _) => operation("remove"),
            ("slow", "GET instance/last_operation", 2) => state("in progress", "mixing the paint"),
            ("failing", "PUT instance", _) => operation("make"),
            ("failing", "GET instance/last_operation", _) => state("failed", "the disk is full"),
            ("refused", "PUT instance", _) => (400, json!({ "description": "there is no such region" })),
            ("down", "PUT instance", _) | ("unbound", "PUT binding", _) => (500, json!({ "description": "ouch" })),
            (_, "GET instance/last_operation" | "GET binding/last_operation", _) => match is_removed {
                Some(true) | None => (410, json!({})),
                Some(false) => state("succeeded", ""),
            },
            (_, "PUT binding", _) => (201, json!({ "credentials": credentials(&asked.ids) })),
            (_, "GET binding", _) => (200, json!({ "credentials": credentials(&asked.ids) })),
            ("failing", "PATCH instance", _) => (422, json!({ "description": "it is too full for that" })),
            (_, "PATCH instance", _) => (200, json!({})),
            (_, "PUT instance", _) => (201, json!({})),
            (_, "DELETE instance" | "DELETE binding", _) if is_removed.is_some() => (200, json!({})),
            (_, "DELETE instance" | "DELETE binding", _) => (410, json!({})),
            _ => (404, json!({ "description": "there is no such thing" })),
        }
    }
}

fn credentials(ids: &[String]) -> Value {
    json!({
        "uri": format!("store://user:{}@store.example:77", ids[1]),
        "username": "user",
        "password": ids[1],
        "port": 77,
        "tls": { "on": true },
    })
}
