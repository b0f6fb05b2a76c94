//! A service broker that keeps books: what was made, how often, and with which words, so that no effect goes unseen that a crash has
//! doubled or forgotten. It does what it is asked to at once, and takes its time to say so.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::support::Random;

/// How long an answer takes at most, in milliseconds.
const ANSWER_MS_MAX: usize = 12;
/// How long the passwords are that it gives.
const PASSWORD_LENGTH: usize = 40;

/// Something that it was asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Thing {
    pub(super) is_there: bool,
    /// How often it came into being.
    pub(super) made: u64,
    /// The words with which it was asked for.
    words: Value,
    /// What it was changed to last.
    pub(super) changed: Option<Value>,
    pub(super) password: String,
}

/// A broker that runs.
pub(super) struct Ledger {
    pub(super) url: String,
    books: Arc<Mutex<Books>>,
}

struct Books {
    /// By addon.
    instances: BTreeMap<String, Thing>,
    /// By addon, and by generation.
    bindings: BTreeMap<(String, u64), Thing>,
    /// Requests for something that is there, in other words.
    conflicts: Vec<String>,
    random: Random,
    /// Whom to tell when so many more requests have come.
    trip: Option<(u64, Sender<()>)>,
}

impl Ledger {
    pub(super) async fn open(random: Random) -> Self {
        let (instances, bindings) = (BTreeMap::new(), BTreeMap::new());
        let books = Books { instances, bindings, conflicts: vec![], random, trip: None };
        let books = Arc::new(Mutex::new(books));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&books));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, books }
    }

    /// The options of the provider `http` that asks it.
    pub(super) fn options(&self) -> String {
        let parameters = json!({ "type": "object", "properties": { "size": { "type": "integer" } } });
        let plan = json!({ "id": "plan", "name": "any", "description": "A plan", "plan_updateable": true,
            "schemas": { "service_instance": { "create": { "parameters": parameters } } } });
        let store =
            json!({ "id": "store", "name": "store", "description": "Stores", "bindable": true, "plans": [plan] });
        json!({ "url": self.url, "username": "", "password": "", "catalog": { "services": [store] } }).to_string()
    }

    /// Tells when so many more requests have come.
    pub(super) fn trip(&self, after: u64, tell: Sender<()>) {
        self.books().trip = Some((after, tell));
    }

    /// What it has of an addon: the instance, and the bindings by their generation.
    pub(super) fn of(&self, addon: &str) -> (Thing, BTreeMap<u64, Thing>) {
        let books = self.books();
        let bindings = books.bindings.range((addon.to_owned(), 0)..=(addon.to_owned(), u64::MAX));
        let bindings = bindings.map(|((_, generation), thing)| (*generation, thing.clone())).collect();
        (books.instances.get(addon).cloned().unwrap_or_default(), bindings)
    }

    /// Forgets an addon of which nothing is there; whether that was so.
    pub(super) fn forget(&self, addon: &str) -> bool {
        let (instance, bindings) = self.of(addon);
        let is_gone = !instance.is_there && bindings.values().all(|binding| !binding.is_there);
        // The instance stays in the books: whoever asks for it again is noticed.
        self.books().bindings.retain(|(id, _), _| id != addon);
        is_gone
    }

    /// All addons of which something is there.
    pub(super) fn addons(&self) -> Vec<String> {
        let books = self.books();
        books.instances.iter().filter(|(_, thing)| thing.is_there).map(|(id, _)| id.clone()).collect()
    }

    /// What was asked for in other words than before, since the last look.
    pub(super) fn conflicts(&self) -> Vec<String> {
        std::mem::take(&mut self.books().conflicts)
    }

    /// Every password that it has given.
    pub(super) fn passwords(&self) -> Vec<String> {
        let books = self.books();
        books
            .bindings
            .values()
            .map(|binding| binding.password.clone())
            .filter(|password| !password.is_empty())
            .collect()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }
}

async fn serve(State(books): State<Arc<Mutex<Books>>>, method: Method, uri: Uri, body: Bytes) -> Response {
    let (status, said, wait) = {
        let mut books = books.lock().unwrap();
        books.tell();
        let (status, said) = books.answer(&method, uri.path(), serde_json::from_slice(&body).unwrap_or_default());
        (status, said, books.random.below(ANSWER_MS_MAX))
    };
    tokio::time::sleep(Duration::from_millis(wait as u64)).await;
    (StatusCode::from_u16(status).unwrap(), axum::Json(said)).into_response()
}

impl Books {
    fn tell(&mut self) {
        let Some((left, tell)) = &mut self.trip else { return };
        *left = left.saturating_sub(1);
        if *left == 0 {
            // Nobody may wait any more.
            let _told = tell.send(());
            self.trip = None;
        }
    }

    fn answer(&mut self, method: &Method, path: &str, words: Value) -> (u16, Value) {
        let parts: Vec<&str> = path.split('/').collect();
        let (thing, is_binding) = match parts[..] {
            ["", "v2", "service_instances", id, "service_bindings", binding] => {
                // The first one has the addon's own id, later ones begin with their number.
                let number = binding.split('-').next().unwrap_or_default();
                let number = if binding == id { 0 } else { u64::from_str_radix(number, 16).unwrap() };
                (self.bindings.entry((id.to_owned(), number)).or_default(), true)
            }
            ["", "v2", "service_instances", id] => (self.instances.entry(id.to_owned()).or_default(), false),
            _ => return (404, json!({})),
        };
        let credentials = |thing: &Thing| json!({ "credentials": { "password": thing.password } });
        match (method.as_str(), thing.is_there) {
            ("PUT", true) if thing.words != words => {
                self.conflicts.push(format!("{path}: {} and then {words}", thing.words));
                (409, json!({ "description": "it is another one" }))
            }
            ("PUT", true) => (200, credentials(thing)),
            ("PUT", false) => {
                let password = if is_binding { self.random.word(PASSWORD_LENGTH) } else { String::new() };
                *thing = Thing { is_there: true, made: thing.made + 1, words, changed: None, password };
                (201, credentials(thing))
            }
            ("GET", true) => (200, credentials(thing)),
            ("PATCH", true) => {
                thing.changed = Some(words["parameters"].clone());
                (200, json!({}))
            }
            ("DELETE", true) => {
                thing.is_there = false;
                (200, json!({}))
            }
            ("DELETE", false) => (410, json!({})),
            _ => (404, json!({ "description": "there is no such thing" })),
        }
    }
}
