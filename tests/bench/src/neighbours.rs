//! Rows `neighbours_4` and `neighbours_64`: how long an innocent provider's call takes at worst while others compute for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use larder_domain::ports::ProviderRuntime;
use larder_domain::ports::runtime::Export;
use larder_sandbox::{Compile, Sandbox, SandboxConfig};
use serde_json::json;
use tokio::time::sleep;

use crate::fixture;
use crate::report::{Bound, Row};

/// Calls of the innocent one in each measurement.
const CALLS: usize = 1_000;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(2);
/// How long the loopers run before the first of them.
const HEAD_START: Duration = Duration::from_millis(500);

pub(crate) fn measure() -> Result<Vec<Row>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let sandbox = Arc::new(Sandbox::new(SandboxConfig::compiling(Compile::Here))?);
        let wasm = fixture::guest("chameleon")?;
        let digest = fixture::digest(&wasm);
        sandbox.load(digest, wasm).await.map_err(|refusal| anyhow::anyhow!(refusal.message))?;
        let alone = p99_ms(&sandbox, digest, 0).await?;
        let mut rows = vec![];
        for (row, loopers, most) in [("neighbours_4", 4, 20.0), ("neighbours_64", 64, 60.0)] {
            let value = p99_ms(&sandbox, digest, loopers).await?;
            let note = format!(
                "the innocent's slowest hundredth of {CALLS} calls with {loopers} loopers; alone {alone:.2} ms"
            );
            rows.push(Row { row, value, bound: Bound::AtMost(most), unit: "ms", note });
        }
        Ok(rows)
    })
}

/// The 99th percentile of an innocent call, while so many others loop.
async fn p99_ms(sandbox: &Arc<Sandbox>, digest: larder_domain::Digest, loopers: usize) -> Result<f64> {
    let endless = Arc::new(fixture::spec("chameleon", json!({ "begin": { "loop": {} } }))?);
    let looping: Vec<_> = (0..loopers)
        .map(|_| {
            let mut call = fixture::call(digest, Export::BeginProvision, Arc::clone(&endless));
            (call.limits.cpu, call.limits.wall) = (Duration::from_secs(120), Duration::from_secs(120));
            let sandbox = Arc::clone(sandbox);
            tokio::spawn(async move { sandbox.call(call).await })
        })
        .collect();
    sleep(HEAD_START).await;
    let innocent = Arc::new(fixture::spec("chameleon", json!({}))?);
    let mut took = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let call = fixture::call(digest, Export::BeginProvision, Arc::clone(&innocent));
        let began = Instant::now();
        let report = sandbox.call(call).await;
        took.push(began.elapsed());
        ensure!(matches!(report.outcome, Ok(Ok(_))), "the innocent failed: {:?}", report.outcome);
        sleep(PAUSE).await;
    }
    for looper in looping {
        ensure!(!looper.is_finished(), "a looper ended before the measurement");
        looper.abort();
    }
    took.sort_unstable();
    Ok(took[CALLS * 99 / 100].as_secs_f64() * 1e3)
}
