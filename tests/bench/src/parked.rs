//! Row `parked`: resident memory of a call that waits in a host call.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use larder_domain::ports::ProviderRuntime;
use larder_domain::ports::runtime::Export;
use larder_sandbox::{Compile, Sandbox, SandboxConfig};
use serde_json::json;

use crate::fixture;
use crate::report::{Bound, Row};

/// How many calls wait at once.
const CALLS: usize = 900;
/// How long each of them waits, in milliseconds: longer than it takes to start them all and to look.
const WAIT_MS: u64 = 8_000;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let wasm = fixture::guest("chameleon")?;
    let digest = fixture::digest(&wasm);
    let sandbox = Arc::new(Sandbox::new(SandboxConfig::compiling(Compile::Here))?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        sandbox.load(digest, wasm).await.map_err(|refusal| anyhow::anyhow!(refusal.message))?;
        let quick = Arc::new(fixture::spec("chameleon", json!({}))?);
        let warm = sandbox.call(fixture::call(digest, Export::BeginProvision, quick)).await;
        ensure!(matches!(warm.outcome, Ok(Ok(_))), "the guest failed: {:?}", warm.outcome);

        let before = resident_bytes("self")?;
        let waiting = Arc::new(fixture::spec("chameleon", json!({ "begin": { "sleep_ms": WAIT_MS } }))?);
        let calls: Vec<_> = (0..CALLS)
            .map(|_| {
                let (sandbox, call) =
                    (Arc::clone(&sandbox), fixture::call(digest, Export::BeginProvision, Arc::clone(&waiting)));
                tokio::spawn(async move { sandbox.call(call).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(WAIT_MS / 2)).await;
        let parked = resident_bytes("self")?;
        for call in calls {
            let report = call.await?;
            ensure!(matches!(report.outcome, Ok(Ok(_))), "a waiting call failed: {:?}", report.outcome);
        }
        let each_kib = parked.saturating_sub(before) as f64 / CALLS as f64 / 1024.0;
        let note = format!("growth of the process while {CALLS} calls waited");
        Ok(vec![Row { row: "parked", value: each_kib, bound: Bound::AtMost(80.0), unit: "KiB a waiting call", note }])
    })
}

/// What a process holds in memory.
pub(crate) fn resident_bytes(process: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel does not tell VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}
