//! Who may call: whoever has the admin token. Only its hash is kept, and hashes are compared in constant time.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use larder_control::Code;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::problem::Problem;
use crate::state::Shared;

/// The tokens that open the API, as hashes.
pub struct Tokens {
    admin_sha256: [u8; 32],
}

impl Tokens {
    /// One token that may do everything.
    #[must_use]
    pub fn admin(token: &str) -> Self {
        Self { admin_sha256: Sha256::digest(token).into() }
    }

    /// Whose token this is.
    fn caller(&self, token: &[u8]) -> Option<Caller> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        bool::from(hash.ct_eq(&self.admin_sha256)).then_some(Caller { name: "admin" })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The token's name.
    pub(crate) name: &'static str,
}

/// Lets a request through if it has a token, with its [`Caller`] as an extension.
pub(crate) async fn require_token(State(api): State<Shared>, mut request: Request, next: Next) -> Response {
    let caller = bearer(request.headers()).and_then(|token| {
        let unknown = || Problem::new(Code::Unauthorized, "the token is none of this server's");
        api.tokens.caller(token).ok_or_else(unknown)
    });
    match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// The token of the one `Authorization` header (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Result<&[u8], Problem> {
    let missing = |detail| Problem::new(Code::Unauthorized, detail);
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(|| missing("the request has no token"))?;
    if values.next().is_some() {
        return Err(missing("the request has several Authorization headers"));
    }
    match value.as_bytes().split_at_checked("bearer ".len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => Ok(token.trim_ascii()),
        _ => Err(missing("the Authorization header does not begin with Bearer")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_one_token_opens() {
        let tokens = Tokens::admin("larder_abc");
        assert_eq!(tokens.caller(b"larder_abc"), Some(Caller { name: "admin" }));
        for wrong in [&b""[..], b"larder_ab", b"larder_abcd", b"LARDER_ABC"] {
            assert_eq!(tokens.caller(wrong), None);
        }
        assert!(!format!("{tokens:?}").contains("larder_abc"));
    }

    #[test]
    fn the_scheme_may_be_written_anyhow_and_the_header_is_there_once() {
        for value in ["Bearer t", "bearer t", "BEARER   t "] {
            assert_eq!(bearer(&headers(&[value])).unwrap(), b"t");
        }
        for values in [&[][..], &["Basic dDp0"], &["t"], &["Bearer"], &["Bearer t", "Bearer t"]] {
            assert!(bearer(&headers(values)).is_err(), "{values:?}");
        }
    }
}
