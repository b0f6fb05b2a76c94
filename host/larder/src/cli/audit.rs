//! `larder audit`.

use clap::Args;
use clap_complete::ArgValueCandidates;
use serde_json::Value;

use super::api::call::Call;
use super::completions::candidates;
use super::context::Context;
use super::failure::Result;
use super::model::{self, AuditEntry};
use super::table::Table;
use super::text;

/// Which entries to show.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Only what was done to one provider.
    #[arg(long, value_name = "PROVIDER", add = ArgValueCandidates::new(candidates::providers))]
    provider: Option<String>,

    /// How many entries, the newest first.
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

pub(crate) async fn run(context: &Context, args: &AuditArgs) -> Result<()> {
    let call = Call::get(&["v1", "audit"]).query("limit", args.limit.to_string());
    let answer = context.api.call(call.query_if("provider", args.provider.clone())).await?.body;
    let entries: Vec<AuditEntry> = model::read_list(&answer, "entries")?;
    context.out.result(&answer, || Ok(table(&entries)))
}

fn table(entries: &[AuditEntry]) -> String {
    let mut table = Table::new(["AT", "WHO", "WHAT", "PROVIDER", "PARTICULARS"]);
    for entry in entries {
        let at = text::seconds(&entry.at);
        table.row([at.as_str(), &entry.actor, &entry.action, &entry.provider, &particulars(&entry.data)]);
    }
    if table.is_empty() { String::new() } else { table.render() }
}

fn particulars(data: &Value) -> String {
    let one = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    data.as_object().into_iter().flatten().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_entry_is_a_line() {
        let entry = AuditEntry {
            at: "2026-01-01T00:00:00.000Z".into(),
            actor: "admin".into(),
            action: "limited".into(),
            provider: "pg".into(),
            data: json!({ "cpu_ms": 5000 }),
        };
        let expected = "\
AT                    WHO    WHAT     PROVIDER  PARTICULARS
2026-01-01T00:00:00Z  admin  limited  pg        cpu_ms=5000
";
        assert_eq!(table(&[entry]), expected);
        assert_eq!(table(&[]), "");
    }
}
