//! A whole host behind a router that is called without a network.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, request};
use axum::response::Response;
use larder_api::{ApiConfig, RequestLimits, StreamLimits, Tokens, UploadLimits, router};
use larder_control::{Control, EngineMaker, NoSink, Worker, WorkerConfig};
use larder_store::{KeyfileSealer, SqlStore, SystemClock};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

use super::runtime::Scripted;
use super::{Answer, manifest, until};

/// The admin's token.
pub(crate) const TOKEN: &str = "larder_0123456789abcdef";
/// Where the host seems to listen.
pub(crate) const HOST: &str = "127.0.0.1:7117";

/// How a host is to be.
pub(crate) struct Builder {
    providers: Vec<(&'static str, Value)>,
    config: ApiConfig,
    works: bool,
    delete_grace: Duration,
    app_addons_max: u64,
    engines: Option<Arc<dyn EngineMaker>>,
}

impl Builder {
    /// Uploads a provider with this manifest and waits until it is active.
    pub(crate) fn provider(mut self, name: &'static str, manifest: Value) -> Self {
        self.providers.push((name, manifest));
        self
    }

    /// Bounds of uploads.
    pub(crate) fn uploads(self, uploads: UploadLimits) -> Self {
        Self { config: self.config.with_uploads(uploads), ..self }
    }

    /// Bounds of requests at once.
    pub(crate) fn requests(self, requests: RequestLimits) -> Self {
        Self { config: self.config.with_requests(requests), ..self }
    }

    /// Bounds of event streams.
    pub(crate) fn streams(self, streams: StreamLimits) -> Self {
        Self { config: self.config.with_streams(streams), ..self }
    }

    /// Deleted addons can be had back for so long.
    pub(crate) fn delete_grace(self, delete_grace: Duration) -> Self {
        Self { delete_grace, ..self }
    }

    /// An app may have so many live addons if nothing else is said of it.
    pub(crate) fn app_addons_max(self, app_addons_max: u64) -> Self {
        Self { app_addons_max, ..self }
    }

    /// Engines can be added.
    pub(crate) fn engines(self, maker: Arc<dyn EngineMaker>) -> Self {
        Self { engines: Some(maker), ..self }
    }

    /// Nothing is done about what was asked for.
    pub(crate) fn without_worker(self) -> Self {
        Self { works: false, ..self }
    }

    /// Starts the host.
    pub(crate) async fn start(self) -> TestHost {
        let dir = TempDir::new().unwrap();
        let held = Arc::new(Semaphore::new(0));
        let sealer = Arc::new(KeyfileSealer::from_file_or_create(&dir.path().join("key")).unwrap());
        let store = Arc::new(SqlStore::open(dir.path(), sealer, Arc::new(SystemClock::new())).unwrap());
        let control = Control::new(store, Arc::new(Scripted::new(Arc::clone(&held))), Arc::new(NoSink));
        let control = control.with_delete_grace(self.delete_grace).with_app_addons_max(self.app_addons_max);
        let control = match self.engines {
            Some(maker) => control.with_engine_maker(maker),
            None => control,
        };
        let (stop, stopped) = watch::channel(false);
        if self.works {
            tokio::spawn(Worker::new(control.clone(), WorkerConfig::default()).run(stopped));
        }
        let host = TestHost { router: router(control, self.config), held, stop, _dir: dir };
        for (name, manifest) in self.providers {
            assert_eq!(host.upload(name, &manifest.to_string()).await.expect(201)["state"], "active");
        }
        host
    }
}

/// A host, stopped when dropped.
pub(crate) struct TestHost {
    router: Router,
    /// Each permit lets a provider's look at options go on that is held.
    pub(crate) held: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    _dir: TempDir,
}

impl TestHost {
    /// A host with nothing in it.
    pub(crate) fn builder() -> Builder {
        let config = ApiConfig::new(Tokens::admin(TOKEN), HOST.parse().unwrap(), vec!["larder.example".into()]);
        Builder {
            providers: vec![],
            config,
            works: true,
            delete_grace: Duration::ZERO,
            app_addons_max: 1_000,
            engines: None,
        }
    }

    /// A host with the provider `thing` and the app `demo`.
    pub(crate) async fn start() -> Self {
        let host = Self::builder().provider("thing", manifest()).start().await;
        host.put("/v1/apps/demo").await.expect(201);
        host
    }

    /// To be served over a real connection.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// A request with everything that each one needs.
    pub(crate) fn request(&self, method: Method, path: &str) -> request::Builder {
        let authorization = format!("Bearer {TOKEN}");
        Request::builder().method(method).uri(path).header("host", HOST).header("authorization", authorization)
    }

    /// Sends a request; the answer's body is not read.
    pub(crate) async fn open(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(&self, request: request::Builder, body: impl Into<Body>) -> Answer {
        Answer::of(self.open(request.body(body.into()).unwrap()).await).await
    }

    pub(crate) async fn json(&self, request: request::Builder, body: &Value) -> Answer {
        self.send(request.header("content-type", "application/json"), body.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path), ()).await
    }

    pub(crate) async fn put(&self, path: &str) -> Answer {
        self.send(self.request(Method::PUT, path), ()).await
    }

    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path), ()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path), ()).await
    }

    /// Changes the variables of the app `demo`.
    pub(crate) async fn patch(&self, body: Value) -> Answer {
        self.json(self.request(Method::PATCH, "/v1/apps/demo/config"), &body).await
    }

    /// Asks for an addon of the app `demo`.
    pub(crate) async fn create(&self, body: Value) -> Answer {
        self.json(self.request(Method::POST, "/v1/apps/demo/addons"), &body).await
    }

    /// The same, and waits until it is ready or terminal.
    pub(crate) async fn create_and_wait(&self, body: Value) -> Answer {
        let request = self.request(Method::POST, "/v1/apps/demo/addons").header("prefer", "wait=30");
        self.json(request, &body).await
    }

    /// An upload, to be sent.
    pub(crate) fn upload_request(&self, name: &str) -> request::Builder {
        let path = format!("/v1/providers?name={name}");
        self.request(Method::POST, &path).header("content-type", "application/wasm")
    }

    /// Uploads a component and waits until it was checked.
    pub(crate) async fn upload(&self, name: &str, wasm: &str) -> Answer {
        self.send(self.upload_request(name).header("prefer", "wait=30"), wasm.to_owned()).await
    }

    /// How many addons there are, terminal ones included.
    pub(crate) async fn addons(&self) -> usize {
        let states = "waiting_for_provision,provisioned,ready,deprovisioned,error";
        let listed = self.get(&format!("/v1/addons?limit=1000&state={states}")).await.expect(200);
        listed["addons"].as_array().unwrap().len()
    }

    /// Waits until an addon is in this state.
    pub(crate) async fn reaches(&self, id: &str, state: &str) -> Value {
        until(state, || async {
            let addon = self.get(&format!("/v1/addons/{id}")).await.expect(200);
            (addon["state"] == state).then_some(addon)
        })
        .await
    }

    /// The names of all apps.
    pub(crate) async fn apps(&self) -> Value {
        let apps = self.get("/v1/apps?limit=1000").await.expect(200);
        json!(apps["apps"].as_array().unwrap().iter().map(|app| app["name"].clone()).collect::<Vec<_>>())
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
