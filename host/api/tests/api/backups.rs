//! Backups and keys, of a host that has none to give: with them, they are tested through the whole program.

use axum::http::{Method, Request};

use crate::support::{HOST, TestHost};

#[tokio::test]
async fn a_host_without_a_data_directory_of_its_own_says_so() {
    let host = TestHost::builder().start().await;
    host.post("/v1/backups").await.problem(409, "not_supported");
    host.post("/v1/key/rotate").await.problem(409, "not_supported");
    host.get("/v1/key").await.problem(409, "not_supported");
    host.post("/v1/backups?name=x").await.problem(400, "invalid_query");
    let bare = Request::builder().method(Method::POST).uri("/v1/backups").header("host", HOST);
    host.send(bare, ()).await.problem(401, "unauthorized");
    host.get("/v1/backups").await.problem(405, "method_not_allowed");
}
