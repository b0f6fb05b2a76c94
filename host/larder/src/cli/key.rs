//! `larder key`: the key that seals what the server keeps, by its name alone. The key itself never leaves the server's machine.

use std::time::Duration;

use clap::Subcommand;
use reqwest::Method;
use serde::Deserialize;
use tokio::time::sleep;

use super::api::call::Call;
use super::context::Context;
use super::failure::{Failure, Kind, Result};
use super::model;
use super::progress::Spinner;
use super::text;

/// How often the server is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Show which key seals, and how far a rotation is.
    Status,
    /// Make a new key, and seal everything with it anew, while the server works.
    Rotate,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
struct KeyState {
    key: String,
    old: Vec<String>,
    is_under_way: bool,
    resealed: u64,
    of: u64,
    trouble: Option<String>,
    has_remnants: bool,
}

pub(crate) async fn run(context: &Context, command: &KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Status => {
            let answer = context.api.call(Call::get(&["v1", "key"])).await?.body;
            let state: KeyState = model::read(&answer)?;
            context.out.result(&answer, || Ok(shown(&state)))
        }
        KeyCommand::Rotate => rotate(context).await,
    }
}

async fn rotate(context: &Context) -> Result<()> {
    let spinner = Spinner::start(context.out, "making a new key");
    let mut answer = context.api.call(Call::new(Method::POST, &["v1", "key", "rotate"])).await?.body;
    let begun: KeyState = model::read(&answer)?;
    let state = loop {
        let state: KeyState = model::read(&answer)?;
        if !state.is_under_way {
            break state;
        }
        spinner.say(&doing(&state));
        sleep(LOOK_EVERY).await;
        answer = context.api.call(Call::get(&["v1", "key"])).await?.body;
    };
    drop(spinner);
    if let Some(trouble) = &state.trouble {
        let failure =
            Failure::new(Kind::Failed, "rotation_stopped", format!("the rotation stopped: {}", text::line(trouble)));
        return Err(failure.or_help(
            "the old key is still there, and nothing is lost; see the server's log, and rotate again: it goes on",
        ));
    }
    let old = text::line(&begun.old.join(", "));
    context.out.result(&answer, || {
        Ok(format!("everything is sealed with the key {} now, and the key {old} is gone\n", text::line(&state.key)))
    })?;
    what_else(context, &state, &old);
    Ok(())
}

fn what_else(context: &Context, state: &KeyState, old: &str) {
    context.out.note(
        "note: copy `sealing.key` from the server's data directory to where you keep it, now: the next backup needs it",
    );
    context.out.note(&format!(
        "note: backups made until now need the key {old}: keep your copy of that for as long as you keep them, or make a new backup and \
         remove the old ones"
    ));
    if state.has_remnants {
        context.out.note(
            "note: the database is too large or too busy to be compacted now. What the old key has sealed may stand in unused parts of it \
             until the server starts the next time",
        );
    }
}

fn doing(state: &KeyState) -> String {
    match (&state.trouble, state.old.is_empty()) {
        (Some(trouble), _) => text::line(trouble),
        (None, true) => "compacting the database".to_owned(),
        (None, false) if state.of == 0 => "waiting until all nodes have the new key".to_owned(),
        (None, false) => {
            format!("sealing anew: {} of {}", state.resealed.min(state.of), text::count(state.of, "value"))
        }
    }
}

fn shown(state: &KeyState) -> String {
    let mut lines = format!("key: {}\n", text::line(&state.key));
    if state.is_under_way {
        lines.push_str(&format!("rotation: {}\n", doing(state)));
    } else if !state.old.is_empty() {
        let trouble = state.trouble.as_deref().map(text::line).unwrap_or_default();
        lines.push_str(&format!("rotation: stopped: {trouble}\n  help: `larder key rotate` goes on with it\n"));
    }
    if !state.old.is_empty() {
        lines.push_str(&format!("old: {}\n", text::line(&state.old.join(", "))));
    }
    if state.has_remnants && !state.is_under_way {
        lines.push_str("remnants: of what an old key has sealed, until the server starts the next time\n");
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn state(value: Value) -> KeyState {
        model::read(&value).unwrap()
    }

    #[test]
    fn each_moment_of_a_rotation_is_told() {
        let at_rest = state(json!({ "key": "aa", "old": [], "is_under_way": false, "trouble": null }));
        assert_eq!(shown(&at_rest), "key: aa\n");
        let under_way = state(json!({ "key": "bb", "old": ["aa"], "is_under_way": true, "resealed": 3, "of": 7 }));
        assert_eq!(shown(&under_way), "key: bb\nrotation: sealing anew: 3 of 7 values\nold: aa\n");
        let compacting = state(json!({ "key": "bb", "is_under_way": true, "has_remnants": true }));
        assert_eq!(shown(&compacting), "key: bb\nrotation: compacting the database\n");
        let stopped = state(json!({ "key": "bb", "old": ["aa"], "trouble": "no disk" }));
        assert!(shown(&stopped).contains("stopped: no disk\n  help: `larder key rotate`"));
        assert!(shown(&state(json!({ "key": "bb", "has_remnants": true }))).contains("remnants: "));
    }
}
