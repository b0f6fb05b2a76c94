//! How many requests are carried out at once. More wait for their turn, few and not for long; whoever comes then is told to come back
//! (`429` with `Retry-After`), a little later than that is known: who tries again at once would else take the time of those whose turn it
//! is. So no queue grows behind this one: the store's writer never has more jobs from here than there are turns.
//!
//! Requests that only read have turns of their own, so that they are answered while writes are shed, and so have those that ask engines
//! or providers, which may take their time. A turn is for work, not for waiting: a body is read before it is taken, and a request that
//! waits for something to happen gives it back first. Uploads, exports, imports, backups and event streams have bounds of their own.
//! Health, readiness and metrics have none, and are answered whatever else goes on.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::HttpBody as _;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use larder_control::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use crate::config::{LaneLimits, RequestLimits};
use crate::problem::Problem;
use crate::state::Shared;

/// What a request does, and so whom it may hold up.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Read,
    Write,
    Slow,
}

/// The turns of all kinds of requests.
pub(crate) struct Turns {
    reads: Lane,
    writes: Lane,
    slow: Lane,
}

impl Turns {
    pub(crate) fn new(limits: &RequestLimits) -> Self {
        Self {
            reads: Lane::new("read", &limits.reads),
            writes: Lane::new("write", &limits.writes),
            slow: Lane::new("slow", &limits.slow),
        }
    }

    const fn lane(&self, kind: Kind) -> &Lane {
        match kind {
            Kind::Read => &self.reads,
            Kind::Write => &self.writes,
            Kind::Slow => &self.slow,
        }
    }

    /// What is under way, in the text that Prometheus reads.
    pub(crate) fn metrics(&self) -> String {
        const TOLD: [Told; 5] = [
            ("larder_requests", "gauge", "Requests that are being carried out", Lane::at_once),
            ("larder_requests_max", "gauge", "Requests that can be carried out at once", |lane| {
                lane.limits.at_once_max as u64
            }),
            ("larder_requests_waiting", "gauge", "Requests that wait for their turn", Lane::waiting),
            ("larder_requests_waiting_max", "gauge", "Requests that can wait for their turn", |lane| {
                lane.limits.waiting_max as u64
            }),
            ("larder_requests_shed", "counter", "Requests that were told to come back", |lane| {
                lane.shed.load(Ordering::Relaxed)
            }),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in TOLD {
            let total = if kind == "counter" { "_total" } else { "" };
            // A text takes whatever is written.
            let _infallible = write!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}\n");
            for lane in [&self.reads, &self.writes, &self.slow] {
                let _infallible = writeln!(text, "{name}{total}{{kind=\"{}\"}} {}", lane.name, value(lane));
            }
        }
        text
    }
}

/// A metric: its name, type and help, and its value of a lane.
type Told = (&'static str, &'static str, &'static str, fn(&Lane) -> u64);

/// Turns for requests of one kind.
struct Lane {
    name: &'static str,
    limits: LaneLimits,
    /// For those under way and those that wait.
    doors: Arc<Semaphore>,
    /// For those under way.
    turns: Arc<Semaphore>,
    /// For answers to those turned away.
    refusals: Semaphore,
    shed: AtomicU64,
}

/// The right to be carried out, for as long as this lives.
struct Permit {
    _turn: OwnedSemaphorePermit,
    _door: OwnedSemaphorePermit,
}

impl Lane {
    fn new(name: &'static str, limits: &LaneLimits) -> Self {
        let places = |count: usize| Semaphore::new(count.min(Semaphore::MAX_PERMITS));
        Self {
            name,
            limits: limits.clone(),
            doors: Arc::new(places(limits.at_once_max.saturating_add(limits.waiting_max))),
            turns: Arc::new(places(limits.at_once_max)),
            refusals: places(limits.refusals_waiting_max),
            shed: AtomicU64::new(0),
        }
    }

    /// Waits for a turn, in order of arrival, unless too many wait already.
    async fn enter(&self) -> Result<Permit, Problem> {
        let Ok(door) = Arc::clone(&self.doors).try_acquire_owned() else {
            let problem = self.shed();
            if let Ok(_waiting) = self.refusals.try_acquire() {
                sleep(self.limits.refusal_wait).await;
            }
            return Err(problem);
        };
        let turn = timeout(self.limits.wait, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| self.shed())?.map_err(|_| self.shed())?;
        Ok(Permit { _turn: turn, _door: door })
    }

    fn shed(&self) -> Problem {
        self.shed.fetch_add(1, Ordering::Relaxed);
        Problem::new(Code::Overloaded, format!("the server has as many {} requests as it can carry out", self.name))
    }

    fn at_once(&self) -> u64 {
        self.limits.at_once_max.saturating_sub(self.turns.available_permits()) as u64
    }

    fn waiting(&self) -> u64 {
        let all = self.limits.at_once_max.saturating_add(self.limits.waiting_max);
        (all.saturating_sub(self.doors.available_permits()) as u64).saturating_sub(self.at_once())
    }
}

/// A request's turn: taken once its body is there, given back at its end, or when it goes on to wait.
#[derive(Clone)]
pub(crate) struct Turn(Option<Arc<Held>>);

struct Held {
    api: Shared,
    kind: Kind,
    place: Mutex<Place>,
}

/// Whether a request has its turn.
#[derive(Default)]
enum Place {
    #[default]
    None,
    Taken(Permit),
    /// It has, and its client has gone away: when it gives it back, it ends.
    Forsaken(Permit, AbortHandle),
    /// It gets none any more: its client has gone away.
    Abandoned,
}

impl Turn {
    /// Of a request that needs none.
    pub(crate) const FREE: Self = Self(None);

    fn new(api: Shared, kind: Kind) -> Self {
        Self(Some(Arc::new(Held { api, kind, place: Mutex::default() })))
    }

    /// Waits for the turn, unless the request has it already.
    pub(crate) async fn take(&self) -> Result<(), Problem> {
        let Some(held) = &self.0 else { return Ok(()) };
        if matches!(*held.place(), Place::Taken(_) | Place::Forsaken(..)) {
            return Ok(());
        }
        let lane = held.api.turns.lane(held.kind);
        let permit = lane.enter().await?;
        let mut place = held.place();
        if matches!(*place, Place::Abandoned) {
            return Err(lane.shed());
        }
        *place = Place::Taken(permit);
        Ok(())
    }

    /// Nobody waits for the request any more: it ends as soon as it has no turn, and gets none.
    fn abandon(&self, task: AbortHandle) {
        let Some(held) = &self.0 else { return task.abort() };
        let mut place = held.place();
        *place = match std::mem::take(&mut *place) {
            Place::Taken(permit) | Place::Forsaken(permit, _) => Place::Forsaken(permit, task),
            Place::None | Place::Abandoned => {
                task.abort();
                Place::Abandoned
            }
        };
    }

    /// Gives it back: from here on the request only waits.
    pub(crate) fn give_back(&self) {
        let Some(held) = &self.0 else { return };
        let mut place = held.place();
        *place = match std::mem::take(&mut *place) {
            Place::Taken(_) | Place::None => Place::None,
            Place::Forsaken(_, task) => {
                task.abort();
                Place::Abandoned
            }
            Place::Abandoned => Place::Abandoned,
        };
    }
}

impl Held {
    fn place(&self) -> std::sync::MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Turn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get().cloned().unwrap_or(Self::FREE))
    }
}

/// What the server says of a request that came over a connection beyond those that it has room for.
#[derive(Debug, Clone, Copy)]
pub struct Crowded;

/// Turns away what came where there is no room, but for what is read and answered at once: those who write must not keep anybody from
/// that by their connections either.
pub(crate) async fn turn_away(request: Request, next: Next) -> Response {
    if request.extensions().get::<Crowded>().is_none() || is_short(&request) {
        return next.run(request).await;
    }
    Problem::new(Code::Overloaded, "all of the server's connections are in use").into_response()
}

/// Whether a request reads, and is answered at once.
fn is_short(request: &Request) -> bool {
    let asks = |name: &str, word| {
        let mut values = request.headers().get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.contains(word))
    };
    request.method().is_safe() && !asks("prefer", "wait") && !asks("accept", "text/event-stream")
}

/// Has a request wait for its turn to read or to write.
pub(crate) async fn quick(State(api): State<Shared>, request: Request, next: Next) -> Response {
    let kind = if request.method().is_safe() { Kind::Read } else { Kind::Write };
    admit(Turn::new(api, kind), request, next).await
}

/// Has a request wait for its turn to ask others.
pub(crate) async fn slow(State(api): State<Shared>, request: Request, next: Next) -> Response {
    admit(Turn::new(api, Kind::Slow), request, next).await
}

async fn admit(turn: Turn, mut request: Request, next: Next) -> Response {
    // A body that is still to come is read first, by whoever reads it: nobody reads that of a deletion, or of what only reads.
    let is_bodiless = request.method().is_safe() || request.method() == Method::DELETE;
    let is_whole = is_bodiless || request.body().is_end_stream();
    if is_whole && let Err(problem) = turn.take().await {
        return problem.into_response();
    }
    request.extensions_mut().insert(turn.clone());
    // What it asks for goes on also when its client has gone away, so its turn does.
    let mut under_way =
        UnderWay { turn: turn.clone(), task: tokio::spawn(finish(turn, request, next).in_current_span()) };
    match (&mut under_way.task).await {
        Ok(response) => response,
        Err(ended) if ended.is_panic() => std::panic::resume_unwind(ended.into_panic()),
        Err(_) => Problem::new(Code::Internal, "the request was broken off").into_response(),
    }
}

async fn finish(turn: Turn, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    turn.give_back();
    response
}

/// A request. It is broken off with its client while it has no turn: while it waits for one, for its body, or for something to happen.
struct UnderWay {
    turn: Turn,
    task: JoinHandle<Response>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.turn.abandon(self.task.abort_handle());
    }
}
