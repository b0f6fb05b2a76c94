//! Loading the data with which a new addon begins. It happens once: an addon that is there has data of its own, which nobody
//! may overwrite by applying a file again. So whoever fails here is told how to load them by hand.

use std::path::Path;

use serde_json::Value;

use crate::cli::addon::import;
use crate::cli::context::Context;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Addon};

/// Streams a file into an addon; the addon as it is then.
pub(super) async fn load(context: &Context, addon: &Value, label: &str, file: &Path) -> Result<Value> {
    let id = model::read::<Addon>(addon)?.id;
    let loaded = async {
        let source = import::open(file).await?;
        import::send(context, &id, source, &format!("loading `{}` into `{label}`", file.display())).await
    };
    loaded.await.map_err(|failure| failed(failure, label, file))
}

/// That data were not loaded, and how to do it by hand.
pub(super) fn failed(failure: Failure, label: &str, file: &Path) -> Failure {
    let kind = match failure.kind {
        Kind::Failed | Kind::Usage => Kind::AddonFailed,
        other => other,
    };
    let detail = format!("the initial data of `{label}` were not loaded: {}", failure.detail);
    let help = format!(
        "once it is mended, load them with `larder addon import {label} {}`; applying the file again does not load them",
        word(&file.display().to_string())
    );
    Failure::new(kind, &failure.code, detail).or_help(help)
}

/// As a shell reads it as one word.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "./_-+:@%,".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_is_told_how_to_do_it_by_hand() {
        let of =
            |kind| failed(Failure::new(kind, "transfer_failed", "no such table"), "web/db", Path::new("it\'s a dump"));
        let failure = of(Kind::Failed);
        assert_eq!((failure.kind, failure.code.as_str()), (Kind::AddonFailed, "transfer_failed"));
        assert_eq!(failure.detail, "the initial data of `web/db` were not loaded: no such table");
        assert!(failure.advice.unwrap().contains("`larder addon import web/db 'it'\\''s a dump'`"));
        for kind in [Kind::Unreachable, Kind::TimedOut, Kind::Unauthorized] {
            assert_eq!(of(kind).kind, kind);
        }
    }
}
