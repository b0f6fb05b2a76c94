//! JSON bodies, strictly: the right media type, one object, no field that the route doesn't know.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use larder_control::Code;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::require_media_type;
use crate::body::{self, BodyLimits};
use crate::problem::Problem;
use crate::turns::Turn;

const JSON: &str = "application/json";

/// What a body other than an upload may take.
const LIMITS: BodyLimits = BodyLimits {
    bytes_max: 1024 * 1024,
    chunk_wait: Duration::from_secs(10),
    whole_wait: Duration::from_secs(30),
    shorten: "ask for less in one request",
};

/// A body, and the bytes that it came as. `T` is to deny unknown fields.
pub(crate) struct JsonBody<T> {
    pub(crate) value: T,
    pub(crate) bytes: Vec<u8>,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        require_media_type(request.headers(), JSON)?;
        let turn = turn_of(&request);
        let bytes = read(request).await?;
        turn.take().await?;
        Ok(Self { value: parse(&bytes)?, bytes })
    }
}

/// No body, or an empty object: for routes that have nothing to be told.
pub(crate) struct NoBody;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (headers, turn) = (request.headers().clone(), turn_of(&request));
        let bytes = read(request).await?;
        if !bytes.is_empty() {
            require_media_type(&headers, JSON)?;
            let Nothing {} = parse(&bytes)?;
        }
        turn.take().await?;
        Ok(Self)
    }
}

/// The turn that the request takes once its body is there.
fn turn_of(request: &Request) -> Turn {
    request.extensions().get().cloned().unwrap_or(Turn::FREE)
}

async fn read(request: Request) -> Result<Vec<u8>, Problem> {
    let announced = body::check_announced(request.headers(), &LIMITS)?;
    body::read(request.into_body(), announced, &LIMITS).await
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // A struct would also take its fields from an array, in their order.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::new(Code::InvalidJson, "the body is no JSON object"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let reason = error.to_string();
        // The one kind of error that serde tells by its words alone.
        let code = if reason.starts_with("unknown field") { Code::UnknownField } else { Code::InvalidJson };
        Problem::new(code, format!("the body can't be understood: {reason}"))
    })
}
