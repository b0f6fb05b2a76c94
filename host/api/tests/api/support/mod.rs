//! What the tests start from: a host of their own, and words to talk to it with.

mod answer;
mod host;
mod runtime;

pub(crate) use answer::Answer;
pub(crate) use host::{HOST, TOKEN, TestHost};
pub(crate) use runtime::{manifest, manifest_of};

use std::time::Duration;

/// How long a test waits for something to become true.
const UNTIL_MAX: Duration = Duration::from_secs(30);

/// Asks again until the answer is there.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(UNTIL_MAX, asked).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
