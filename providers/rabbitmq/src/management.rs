//! What the administrator asks of a server: its HTTP API. Everything here may be asked again.

use std::time::Duration;

use larder_sdk::Failure;
use larder_sdk::http::{Method, Request, Response, encoded};
use larder_sdk::json;

use crate::server::{ADMIN, Place};

/// What an app may have on a common server. Each connection and each queue takes memory that is everybody's.
const CONNECTIONS_MAX: u32 = 64;
/// Connections by which we log in as the app, to see how it does.
const OURS: u32 = 2;
const QUEUES_MAX: u32 = 256;
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long to wait before a server is asked again that had no time.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Whether the server knows its administrator.
pub(crate) fn answers(place: &Place) -> Result<(), String> {
    let answer = request(place, Method::Get, "whoami").send().map_err(|error| error.to_string())?;
    if answer.status == 200 { Ok(()) } else { Err(format!("it answers {answer}")) }
}

/// Makes a virtual host, and a user who may do everything in it. The tags are what the user may do beyond: nothing, if empty.
pub(crate) fn make(place: &Place, vhost: &str, user: &str, password: &str, tags: &str) -> Result<(), Failure> {
    let (vhost, user) = (encoded(vhost), encoded(user));
    let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
    for (path, what) in [
        (format!("vhosts/{vhost}"), json!({})),
        (format!("users/{user}"), json!({ "password": password, "tags": tags })),
        (format!("permissions/{vhost}/{user}"), all),
    ] {
        let answer = request(place, Method::Put, &path).json(&what).send()?;
        expect(&answer, &[201, 204])?;
    }
    Ok(())
}

/// Has a virtual host take no more than its part of a common server.
pub(crate) fn bound(place: &Place, vhost: &str) -> Result<(), Failure> {
    for (limit, most) in [("max-connections", CONNECTIONS_MAX + OURS), ("max-queues", QUEUES_MAX)] {
        let path = format!("vhost-limits/{}/{limit}", encoded(vhost));
        let answer = request(place, Method::Put, &path).json(&json!({ "value": most })).send()?;
        expect(&answer, &[200, 201, 204])?;
    }
    Ok(())
}

/// Removes a user, and closes its connections. What it made stays.
pub(crate) fn remove_user(place: &Place, user: &str) -> Result<(), Failure> {
    expect(&request(place, Method::Delete, &format!("users/{}", encoded(user))).send()?, &[204, 404])
}

/// Removes a virtual host with all queues.
pub(crate) fn remove_vhost(place: &Place, vhost: &str) -> Result<(), Failure> {
    expect(&request(place, Method::Delete, &format!("vhosts/{}", encoded(vhost))).send()?, &[204, 404])
}

fn request(place: &Place, method: Method, path: &str) -> Request {
    let Place { host, management, password, until, .. } = place;
    Request::new(method, format!("http://{host}:{management}/api/{path}"))
        .basic_auth(ADMIN, password)
        .wait_max(until.left())
        .answer_bytes_max(ANSWER_BYTES_MAX)
}

fn expect(answer: &Response, good: &[u16]) -> Result<(), Failure> {
    let reason = || format!("the server answers {answer}");
    match answer.status {
        status if good.contains(&status) => Ok(()),
        500.. => Err(Failure::retry_after(AGAIN_AFTER, reason())),
        _ => Err(Failure::failed(reason())),
    }
}
