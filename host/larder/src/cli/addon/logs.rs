//! `larder addon logs`.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::{FollowArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::context::Context;
use crate::cli::failure::{Kind, Result};
use crate::cli::model::{self, LogLine};
use crate::cli::text;

/// How often to ask for new lines.
const POLL: Duration = Duration::from_secs(1);
/// For how many polls in a row the server may be away.
const AWAY_MAX: u32 = 30;

pub(crate) async fn run(context: &Context, args: &FollowArgs) -> Result<()> {
    let id = reference::find(&context.api, &args.which.addon, args.which.app.as_deref()).await?;
    let path = ["v1", "addons", &id, "logs"];
    if args.follow {
        return follow(context, &path).await;
    }
    let answer = context.api.list("lines", || Call::get(&path)).await?;
    let lines: Vec<LogLine> = model::read_list(&answer, "lines")?;
    context.out.result(&answer, || Ok(lines.iter().map(show).collect()))
}

/// Logs have no stream, so new lines are asked for.
async fn follow(context: &Context, path: &[&str]) -> Result<()> {
    let mut last = String::new();
    let mut away = 0;
    loop {
        match context.api.list_after("lines", &last, || Call::get(path)).await {
            Ok(answer) => {
                away = 0;
                last = print(context, &answer)?.unwrap_or(last);
            }
            Err(failure) if failure.kind == Kind::Unreachable && !last.is_empty() && away < AWAY_MAX => away += 1,
            Err(failure) => return Err(failure),
        }
        sleep(POLL).await;
    }
}

/// Prints new lines; returns the id of the last one.
fn print(context: &Context, answer: &Value) -> Result<Option<String>> {
    let lines: Vec<LogLine> = model::read_list(answer, "lines")?;
    if context.out.json {
        let values = answer.get("lines").and_then(Value::as_array).into_iter().flatten();
        values.into_iter().try_for_each(|line| context.out.json_line(line))?;
    } else if !lines.is_empty() {
        context.out.text(&lines.iter().map(show).collect::<String>())?;
    }
    Ok(lines.into_iter().last().map(|line| line.id))
}

fn show(line: &LogLine) -> String {
    let text = text::block(line.text.trim_end_matches(['\r', '\n']));
    format!("{}  {:<6}  {text}\n", text::line(&line.at), text::line(&line.stream))
}
