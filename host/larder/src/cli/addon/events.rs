//! `larder addon events`.

use serde_json::Value;

use super::{FollowArgs, reference};
use crate::cli::api::call::Call;
use crate::cli::api::sse;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Event};
use crate::cli::text;

pub(crate) async fn run(context: &Context, args: &FollowArgs) -> Result<()> {
    let id = reference::find(&context.api, &args.which.addon, args.which.app.as_deref()).await?;
    let path = ["v1", "addons", &id, "events"];
    if args.follow {
        return context.api.follow(&path, |event| print(context, event)).await;
    }
    let answer = context.api.list("events", || Call::get(&path)).await?;
    let events: Vec<Event> = model::read_list(&answer, "events")?;
    context.out.result(&answer, || Ok(events.iter().map(line).collect()))
}

fn print(context: &Context, event: &sse::Event) -> Result<()> {
    let value: Value = serde_json::from_str(&event.data)
        .map_err(|_| Failure::new(Kind::Failed, "bad_answer", "the server sent an event that is no JSON"))?;
    if context.out.json { context.out.json_line(&value) } else { context.out.text(&line(&model::read(&value)?)) }
}

/// Streams cannot be aligned, so the kind has a fixed width that all of Larder's fit in.
fn line(event: &Event) -> String {
    let message = text::line(event.message.as_deref().unwrap_or_default());
    let line = format!("{}  {:<16}  {message}", text::line(&event.at), text::line(&event.kind));
    format!("{}\n", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_whatever_it_says() {
        let event = |message: &str| Event { at: "T".into(), kind: "call".into(), message: Some(message.into()) };
        assert_eq!(line(&event("two\nlines\u{1b}[0m")), "T  call              two lines\\u{1b}[0m\n");
        assert_eq!(line(&event("")), "T  call\n");
    }
}
