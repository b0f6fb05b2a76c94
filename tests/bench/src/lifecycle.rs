//! Rows `lifecycle` and `lifecycle_rate`: addons from POST to `ready`, over a bare loop that writes the same rows.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use hyper::StatusCode;
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use serde_json::json;
use tempfile::TempDir;

use crate::client::Client;
use crate::report::{Bound, Row};
use crate::server::Server;

/// How many clients ask at once.
const CLIENTS: usize = 64;
/// How many addons each of them creates, one after the other.
const ADDONS_EACH: usize = 160;
/// How many addons' rows the bare loop writes in one transaction.
const GROUP_ADDONS: usize = 64;
const ADDONS: usize = CLIENTS * ADDONS_EACH;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let mut server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = server.cpu_seconds()?;
    let elapsed = runtime.block_on(create_all(&server))?;
    let cpu_us = (server.cpu_seconds()? - before) * 1e6 / ADDONS as f64;
    let rate = ADDONS as f64 / elapsed;
    server.stop()?;
    let (bare, rows) = bare_rate(&server.dir().join("larder.db"))?;
    let note = format!("{rate:.0} addons/s, bare rusqlite {bare:.0}/s with {rows} rows in groups of {GROUP_ADDONS}");
    let rate_note =
        format!("{ADDONS} addons by {CLIENTS} clients on the same cores; {cpu_us:.0} us of the server's CPU each");
    Ok(vec![
        Row { row: "lifecycle", value: rate / bare, bound: Bound::AtLeast(0.12), unit: "× bare rusqlite", note },
        Row { row: "lifecycle_rate", value: rate, bound: Bound::AtLeast(2000.0), unit: "addons/s", note: rate_note },
    ])
}

/// Each client has an app of its own, and creates one addon after the other; seconds for all of them.
async fn create_all(server: &Server) -> Result<f64> {
    let http = reqwest::Client::new();
    for client in 0..CLIENTS {
        let url = format!("{}/v1/apps/bench-{client}", server.url);
        let made = http.put(url).bearer_auth(&server.token).json(&json!({})).send().await?;
        ensure!(made.status().is_success(), "the app was not created: {}", made.status());
    }
    let mut opened = vec![];
    for _ in 0..CLIENTS {
        opened.push(Client::open(&server.url, &server.token).await?);
    }
    let started = Instant::now();
    let clients: Vec<_> = opened
        .into_iter()
        .enumerate()
        .map(|(client, mut http)| {
            tokio::spawn(async move {
                let path = format!("/v1/apps/bench-{client}/addons");
                for number in 0..ADDONS_EACH {
                    let body =
                        json!({ "service": "secret", "name": format!("s{number}"), "attach_as": format!("s{number}") });
                    let (status, text) = http.post(&path, body.to_string()).await?;
                    ensure!(status == StatusCode::CREATED, "an addon did not become ready: {status} {text:?}");
                }
                Ok(())
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    Ok(started.elapsed().as_secs_f64())
}

/// One table's rows as they stand at the end.
struct Table {
    insert: String,
    rows: Vec<Vec<Cell>>,
}

/// Writes every row that the addons left behind into an empty database of the same schema, so many addons' share in one
/// transaction with full durability. Addons per second, and the number of rows.
fn bare_rate(database: &Path) -> Result<(f64, usize)> {
    let source = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let dir = TempDir::new()?;
    let target = Connection::open(dir.path().join("bare.db"))?;
    target.pragma_update(None, "journal_mode", "WAL")?;
    target.pragma_update(None, "synchronous", "FULL")?;
    target.pragma_update(None, "foreign_keys", "OFF")?;
    let mut schema =
        source.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")?;
    for sql in schema.query_map([], |row| row.get::<_, String>(0))? {
        target.execute_batch(&sql?)?;
    }
    let tables = tables(&source)?;
    let groups = ADDONS.div_ceil(GROUP_ADDONS);
    let started = Instant::now();
    for group in 0..groups {
        target.execute_batch("BEGIN IMMEDIATE")?;
        for table in &tables {
            let share = |part: usize| table.rows.len() * part / groups;
            let mut insert = target.prepare_cached(&table.insert)?;
            for row in &table.rows[share(group)..share(group + 1)] {
                insert.execute(params_from_iter(row))?;
            }
        }
        target.execute_batch("COMMIT")?;
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok((ADDONS as f64 / seconds, tables.iter().map(|table| table.rows.len()).sum()))
}

/// The tables that grow with addons.
fn tables(source: &Connection) -> Result<Vec<Table>> {
    let mut names =
        source.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
    let names: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut tables = vec![];
    for name in names {
        let mut select = source.prepare(&format!("SELECT * FROM {name}"))?;
        let columns = select.column_count();
        let rows: Vec<Vec<Cell>> = select
            .query_map([], |row| (0..columns).map(|column| row.get(column)).collect())?
            .collect::<Result<_, _>>()?;
        if rows.len() >= ADDONS {
            let places = vec!["?"; columns].join(", ");
            tables.push(Table { insert: format!("INSERT INTO {name} VALUES ({places})"), rows });
        }
    }
    Ok(tables)
}
