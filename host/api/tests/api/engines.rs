//! Engines: listed, and given up.

use serde_json::json;

use crate::support::TestHost;

#[tokio::test]
async fn an_engine_that_nobody_knows_is_neither_listed_nor_given_up() {
    let host = TestHost::builder().start().await;
    assert_eq!(host.get("/v1/engines").await.expect(200), json!({ "engines": [] }));
    for name in ["rack-1", "No", "a%2Fb"] {
        host.delete(&format!("/v1/engines/{name}")).await.problem(404, "unknown_engine");
    }
}
