//! Who may ask: the bearer of a token, by a name that this server answers to.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::Response;
use larder_control::{Code, ControlError};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::ApiState;
use crate::problem::Problem;

/// The tokens that are accepted, as hashes: the server holds no token itself.
#[derive(Debug, Clone)]
pub struct Tokens {
    admin: [u8; 32],
}

impl Tokens {
    /// The one token of an administrator.
    #[must_use]
    pub fn admin(token: &str) -> Self {
        Self { admin: Sha256::digest(token).into() }
    }

    fn accepts(&self, token: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(token).into();
        hash.ct_eq(&self.admin).into()
    }
}

/// Lets requests through that carry a token.
pub(crate) async fn require_token(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token {
        Some((_, token)) if state.config.tokens.accepts(token.trim()) => Ok(next.run(request).await),
        Some(_) => Err(ControlError::refused(Code::Unauthorized, "the token is not one that this server knows").into()),
        None => Err(ControlError::refused(Code::Unauthorized, "the request has no bearer token").into()),
    }
}

/// Lets requests through that call the server by an address or by a name of its own. A page in a browser whose name was made to lead here
/// (DNS rebinding) sends its own name.
pub(crate) async fn require_host(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let named = host(request.headers());
    let known = named.as_deref().is_some_and(|host| {
        host == "localhost" || is_address(host) || state.config.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    });
    if known {
        return Ok(next.run(request).await);
    }
    let named = named.unwrap_or_default();
    let message = format!("this server is not known as {named:?}; start it with --allow-host to make it so");
    Err(ControlError::refused(Code::Forbidden, message).into())
}

fn host(headers: &HeaderMap) -> Option<String> {
    let authority: Authority = headers.get(HOST)?.to_str().ok()?.parse().ok()?;
    Some(authority.host().to_ascii_lowercase())
}

fn is_address(host: &str) -> bool {
    host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok()
}
