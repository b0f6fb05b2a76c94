//! What is counted of calls, in the text that Prometheus reads (the OpenMetrics exposition format).

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use larder_domain::ProviderName;
use larder_domain::failure::FaultCode;
use larder_domain::limits::Limit;
use larder_domain::ports::runtime::{CallReport, Export, Usage};
use larder_domain::quota::{PlanQuota, Quota};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::{Code, Control, ControlError, Offers};

/// The upper ends of the buckets of calls' durations, in seconds.
const CALL_SECONDS: [f64; 8] = [0.001, 0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    provider: String,
    export: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabel {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    provider: String,
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PlanLabels {
    provider: String,
    plan: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QuotaLabel {
    quota: &'static str,
}

/// One number of what the sandbox uses.
type Reading = fn(&Usage) -> u64;

/// What the sandbox uses, by the names and words that are told.
const SANDBOX: [(&str, &str, Reading); 6] = [
    ("sandbox_calls", "Calls under way", |usage| usage.calls),
    ("sandbox_calls_max", "Calls that can be under way", |usage| usage.calls_max),
    ("sandbox_memory_bytes", "Memory set aside for calls under way", |usage| usage.memory_bytes),
    ("sandbox_memory_bytes_max", "Memory that calls under way can have together", |usage| usage.memory_bytes_max),
    ("sandbox_sockets", "Connections of calls under way", |usage| usage.sockets),
    ("sandbox_sockets_max", "Connections that calls under way can have together", |usage| usage.sockets_max),
];

/// Everything that is counted on this node since it started. Its labels are providers, which only operators make.
pub(crate) struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    cpu: Family<ProviderLabel, Counter<f64, AtomicU64>>,
    seconds: Family<ProviderLabel, Histogram, fn() -> Histogram>,
    denied: Family<ProviderLabel, Counter>,
    limits: Family<LimitLabels, Gauge>,
    full: Family<QuotaLabel, Counter>,
    plan_addons: Family<PlanLabels, Gauge>,
    plan_quotas: Family<PlanLabels, Gauge>,
    sandbox: [Gauge; SANDBOX.len()],
    /// What only holds at one moment is written by one reader at a time.
    reading: Mutex<()>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(CALL_SECONDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("larder"),
            calls: Family::default(),
            cpu: Family::default(),
            seconds: Family::new_with_constructor(histogram),
            denied: Family::default(),
            limits: Family::default(),
            full: Family::default(),
            plan_addons: Family::default(),
            plan_quotas: Family::default(),
            sandbox: Default::default(),
            reading: Mutex::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("calls", "Calls into providers", self.calls.clone());
        registry.register("call_cpu_seconds", "CPU time that providers executed", self.cpu.clone());
        registry.register("call_seconds", "Time from start to end of calls", self.seconds.clone());
        registry.register("denied", "Connections, requests and look-ups that no grant permitted", self.denied.clone());
        registry.register("provider_limit", "What a provider's calls may use", self.limits.clone());
        registry.register("quota_refusals", "Addons for which there was no place", self.full.clone());
        registry.register("plan_addons", "Live addons of a plan that has a quota", self.plan_addons.clone());
        registry.register("plan_addons_max", "Live addons that there may be of a plan", self.plan_quotas.clone());
        for ((name, help, _), gauge) in SANDBOX.iter().zip(&self.sandbox) {
            registry.register(*name, *help, gauge.clone());
        }
    }

    /// A call has ended.
    pub(crate) fn called(&self, provider: &ProviderName, export: Export, report: &CallReport) {
        let provider = provider.to_string();
        let outcome = match &report.outcome {
            Ok(Ok(_)) => "done",
            Ok(Err(_)) => "failed",
            Err(fault) => FaultCode::as_str(fault.code),
        };
        self.calls.get_or_create(&CallLabels { provider: provider.clone(), export: export.as_str(), outcome }).inc();
        let label = ProviderLabel { provider };
        self.cpu.get_or_create(&label).inc_by(report.cpu.as_secs_f64());
        self.seconds.get_or_create(&label).observe(report.wall.as_secs_f64());
        self.denied.get_or_create(&label).inc_by(report.denials);
    }

    /// Somebody was refused a place.
    pub(crate) fn full(&self, quota: &Quota) {
        self.full.get_or_create(&QuotaLabel { quota: quota.as_str() }).inc();
    }

    fn note_quotas(&self, quotas: &[(ProviderName, PlanQuota)]) {
        for family in [&self.plan_addons, &self.plan_quotas] {
            family.clear();
        }
        for (provider, PlanQuota { plan, limit, used }) in quotas {
            let labels = PlanLabels { provider: provider.to_string(), plan: plan.to_string() };
            self.plan_addons.get_or_create(&labels).set(signed(*used));
            self.plan_quotas.get_or_create(&labels).set(signed(*limit));
        }
    }

    fn text(
        &self,
        offers: &Offers,
        quotas: &[(ProviderName, PlanQuota)],
        usage: &Usage,
    ) -> Result<String, std::fmt::Error> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.limits.clear();
        for offer in offers.0.values() {
            for limit in Limit::ALL {
                let labels = LimitLabels { provider: offer.provider.to_string(), limit: limit.as_str() };
                self.limits.get_or_create(&labels).set(signed(offer.limits.value(*limit)));
            }
        }
        self.note_quotas(quotas);
        for ((_, _, value), gauge) in SANDBOX.iter().zip(&self.sandbox) {
            gauge.set(signed(value(usage)));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Control {
    /// What was counted since this node started, and what holds now, in the text that Prometheus reads.
    ///
    /// # Errors
    /// The store failed.
    pub async fn metrics(&self) -> Result<String, ControlError> {
        let offers = self.offers().await?;
        let quotas = self.store.plan_quotas().await?;
        let text = self.metrics.text(&offers, &quotas, &self.runtime.usage());
        text.map_err(|_| ControlError::refused(Code::Internal, "the metrics can't be written"))
    }
}
