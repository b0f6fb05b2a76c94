//! Rows `call` and `call_rate`: one call through the sandbox with all limits on, over one call of bare wasmtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use larder_domain::ports::ProviderRuntime;
use larder_domain::ports::runtime::Export;
use larder_sandbox::{Compile, Sandbox, SandboxConfig};
use serde_json::json;
use tokio::runtime::{Builder, Handle};

use crate::bare::Bare;
use crate::fixture;
use crate::report::{Bound, Row, median};

/// Each side is measured so often, by turns, for so long; the medians are compared.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(700);
const THREADS: usize = 2;

pub(crate) fn measure() -> Result<Vec<Row>> {
    let wasm = fixture::guest("secret")?;
    let digest = fixture::digest(&wasm);
    let bare = Arc::new(Bare::new(&wasm)?);
    let sandbox =
        Arc::new(Sandbox::new(SandboxConfig { guest_threads: THREADS, ..SandboxConfig::compiling(Compile::Here) })?);
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    runtime.block_on(sandbox.load(digest, wasm)).map_err(|refusal| anyhow::anyhow!(refusal.message))?;
    let addon = Arc::new(fixture::spec("secret", json!({}))?);

    let (mut bare_rates, mut sandbox_rates) = (vec![], vec![]);
    for _ in 0..ROUNDS {
        let one = Arc::clone(&bare);
        bare_rates.push(rate(runtime.handle(), &runtime, move || {
            let bare = Arc::clone(&one);
            async move { bare.provision_complete().await }
        })?);
        let (sandbox, addon) = (Arc::clone(&sandbox), Arc::clone(&addon));
        let threads = sandbox.guest_threads().clone();
        sandbox_rates.push(rate(&threads, &runtime, move || {
            let (sandbox, call) =
                (Arc::clone(&sandbox), fixture::call(digest, Export::ProvisionComplete, Arc::clone(&addon)));
            async move {
                ensure!(matches!(sandbox.call(call).await.outcome, Ok(Ok(_))), "the guest failed");
                Ok(())
            }
        })?);
    }
    let (bare, ours) = (median(bare_rates), median(sandbox_rates));
    let note = format!("{ours:.0} calls/s in the sandbox, {bare:.0}/s in bare wasmtime, {THREADS} threads");
    Ok(vec![
        Row { row: "call", value: bare / ours, bound: Bound::AtMost(1.2), unit: "× bare wasmtime", note },
        Row {
            row: "call_rate",
            value: ours,
            bound: Bound::AtLeast(90_000.0),
            unit: "calls/s",
            note: format!("median of {ROUNDS}"),
        },
    ])
}

/// Calls per second that one caller on each thread makes.
fn rate<F, Fut>(on: &Handle, runtime: &tokio::runtime::Runtime, make: F) -> Result<f64>
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let made = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let callers: Vec<_> = (0..THREADS)
        .map(|_| {
            let (make, made) = (make.clone(), Arc::clone(&made));
            on.spawn(async move {
                while started.elapsed() < ROUND {
                    for _ in 0..64 {
                        make().await?;
                    }
                    made.fetch_add(64, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for caller in callers {
        runtime.block_on(caller)??;
    }
    Ok(made.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64())
}
