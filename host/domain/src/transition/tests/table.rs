//! The table of all situations and events, kept in docs/states.md.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

const INTRODUCTION: &str = "\
# The states of an addon

```
create ─► waiting_for_provision ──complete──► provisioned ──variables set──► ready
             │ ▲ not yet: again after            │                            │
             └─┘ the provider's delay            │                            │
   user deprovisions: any non-terminal state ─► deprovisioned     failure before ready ─► error
```

`deprovisioned` and `error` are terminal. What a provider made is removed afterwards, by the *cleanup*, which is `none`, `pending`, `done` or `failing`; nobody waits for it.

Where the operator gives a [grace](api.md#deleting-and-having-back), the cleanup of an addon that was ready begins only when that is over, and until then a user can have the addon back: it is \
`provisioned` once more, and `ready` when its app has the variables again.

The tables below are made from the state machine itself: every situation an addon can be in, and everything that can happen to it. What is not listed is refused and changes nothing. \
A ready addon may have an operation under way (update, rotate, export, import, follow), which stands at one of its stages; however it ends, the addon stays ready. \
*do* names the step that the worker performs next, *in* says after how long the addon is looked at again, *rest* means that nothing more happens by itself.
";

#[test]
fn the_documented_table_is_the_machine() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/states.md");
    let made = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "docs/states.md is not what the state machine does; run the tests once with UPDATE_DOCS=1"
    );
}

fn document() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (name, addon) in situations() {
        write!(text, "\n## {name}\n\n| event | state | cleanup | next | also |\n|---|---|---|---|---|\n").unwrap();
        for event in events(&addon) {
            let label = match &event {
                Event::UndeleteRequested { anew: true } => "undelete requested, of what is told anew",
                other => other.name(),
            };
            if let Ok(done) = transition(&addon, event, NOW) {
                writeln!(
                    text,
                    "| {label} | {} | {} | {} | {} |",
                    state(&done),
                    cleanup(&done),
                    next(&done),
                    also(&done)
                )
                .unwrap();
            }
        }
    }
    text
}

fn state(done: &Transition) -> String {
    let Addon { state, error, operation, .. } = &done.addon;
    match (error, operation) {
        (Some(error), _) => format!("{state}, `{}`", error.code),
        (None, Some(operation)) => format!("{state}, {}", operated(operation)),
        (None, None) => state.to_string(),
    }
}

fn operated(operation: &Operation) -> String {
    match (&operation.error, operation.is_running()) {
        (Some(error), _) => format!("{} {}, `{}`", operation.kind, operation.state, error.code),
        (None, true) => format!("{} at {}", operation.kind, operation.stage),
        (None, false) => format!("{} {}", operation.kind, operation.state),
    }
}

fn cleanup(done: &Transition) -> String {
    match &done.addon.cleanup {
        Cleanup::Failing { attempts, .. } => format!("failing ({attempts})"),
        other => other.as_str().to_owned(),
    }
}

fn next(done: &Transition) -> String {
    match done.next {
        Next::Do(step) => format!("do {step}"),
        Next::At(at) if at == NOW => "at once".to_owned(),
        Next::At(at) => format!("in {} s", at.since_ms(NOW) / 1000),
        Next::Rest => "rest".to_owned(),
        Next::Unchanged => "unchanged".to_owned(),
    }
}

fn also(done: &Transition) -> String {
    let effects = done.writes.iter().filter_map(|write| match write {
        Write::Record(_) => None,
        Write::KeepConfig(_) => Some("keep config"),
        Write::AttachVariables => Some("attach variables"),
        Write::ReleaseVariables => Some("release variables"),
        Write::WakeObjects => Some("look at its objects"),
        Write::ForgetState => Some("forget state"),
        Write::ForgetConfig => Some("forget config"),
        Write::BeginOperation(_) => Some("begin operation"),
        Write::ReplaceConfig(_) => Some("replace config"),
        Write::AdoptChange => Some("adopt plan and parameters"),
        Write::KeepTransfer(_) => Some("keep transfer"),
        Write::UndoOperation => Some("undo operation"),
        Write::DropResults => Some("drop what it wrote"),
        Write::ForgetOperation => Some("forget operation"),
    });
    effects.collect::<Vec<_>>().join(", ")
}
