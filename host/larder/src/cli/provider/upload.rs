//! `larder provider upload`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueHint};
use reqwest::Method;
use serde_json::Value;
use tokio::fs::File;
use tokio::time::{Instant, sleep};

use crate::cli::api::call::Call;
use crate::cli::api::upload::pieces;
use crate::cli::context::Context;
use crate::cli::duration;
use crate::cli::failure::{Failure, Kind, Result};
use crate::cli::model::{self, Version};
use crate::cli::progress::Spinner;
use crate::cli::spelling::short_digest;
use crate::cli::text;

/// For how long the server is to hold back its answer to the upload itself, in seconds.
const WAIT_S: u64 = 30;
const POLL: Duration = Duration::from_millis(500);

/// What to upload.
#[derive(Debug, Args)]
pub(crate) struct UploadArgs {
    /// The component, a .wasm file.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The provider's name [default: the file's, without ending and with `-` for `_`].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Return once it is uploaded, without waiting until it is checked.
    #[arg(long)]
    no_wait: bool,

    /// How long to wait for the check at most.
    #[arg(long, value_name = "DURATION", default_value = "5m", conflicts_with = "no_wait")]
    #[arg(value_parser = duration::parse)]
    timeout: Duration,
}

pub(crate) async fn run(context: &Context, args: &UploadArgs) -> Result<()> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(&args.file)?,
    };
    let spinner = Spinner::start(context.out, &format!("uploading `{}`", args.file.display()));
    let deadline = Instant::now() + args.timeout;
    // Who looks on is told soon that it has come.
    let wait_s = if spinner.is_seen() { 1 } else { WAIT_S };
    let mut answer = upload(context, args, &name, wait_s).await?;
    let mut version: Version = model::read(&answer)?;
    while version.state == "checking" && !args.no_wait && Instant::now() < deadline {
        spinner.say(&format!("checking version {} of `{name}`: {}", short_digest(&version.digest), version.check));
        sleep(POLL).await;
        let call = Call::get(&["v1", "providers", &name, "versions", &version.digest]);
        answer = context.api.call(call).await?.body;
        version = model::read(&answer)?;
    }
    drop(spinner);
    if context.out.json {
        context.out.json(&answer)?;
    }
    let told = outcome(&name, &version, args)?;
    context.out.done(&told)
}

/// Cargo names the file `my_provider.wasm` that a package `my-provider` makes.
fn name_of(file: &Path) -> Result<String> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).filter(|stem| !stem.is_empty());
    let stem = stem.ok_or_else(|| Failure::usage("the file's name makes no name").or_help("pass one with --name"))?;
    Ok(stem.to_ascii_lowercase().replace('_', "-"))
}

async fn upload(context: &Context, args: &UploadArgs, name: &str, wait_s: u64) -> Result<Value> {
    let unreadable =
        |error: std::io::Error| Failure::new(Kind::Failed, "unreadable", format!("`{}`: {error}", args.file.display()));
    let file = File::open(&args.file).await.map_err(unreadable)?;
    let metadata = file.metadata().await.map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Failure::usage(format!("`{}` is no file", args.file.display())));
    }
    let body = pieces(file, |_| {});
    let call = Call::new(Method::POST, &["v1", "providers"]).query("name", name).wasm(body, metadata.len());
    let wait_s = wait_s.min(args.timeout.as_secs());
    let call = if args.no_wait || wait_s == 0 { call } else { call.wait(wait_s) };
    Ok(context.api.call(call).await?.body)
}

/// What there is to say when the check has ended well or goes on.
fn outcome(name: &str, version: &Version, args: &UploadArgs) -> Result<String> {
    let digest = short_digest(&version.digest);
    match (version.state.as_str(), &version.refusal) {
        ("refused", refusal) => {
            let refusal = refusal.clone().unwrap_or_default();
            let code = if refusal.code.is_empty() { "refused" } else { &refusal.code };
            Err(Failure::new(
                Kind::Failed,
                code,
                format!("version {digest} of `{name}` was refused: {}", refusal.message),
            )
            .or_help("mend the provider and upload it again"))
        }
        ("checking", _) if !args.no_wait => {
            let timeout = duration::show(args.timeout);
            let detail = format!("version {digest} of `{name}` is still being checked after {timeout}");
            Err(Failure::new(Kind::TimedOut, "timeout", detail).or_help(format!("see `larder provider show {name}`")))
        }
        ("checking", _) => Ok(format!("uploaded `{name}`, version {digest}; it is being checked")),
        ("waiting_for_approval", _) => Ok(format!(
            "uploaded `{name}`, version {digest}; it requires more than was granted and waits for it:\n{}",
            missing(name, version)
        )),
        (state, _) => {
            let size = text::bytes(version.size_bytes);
            Ok(format!("uploaded `{name}`, version {digest}, {size}, state `{state}`: {}", version.services.join(", ")))
        }
    }
}

/// What it waits for, and the command that grants it.
fn missing(name: &str, version: &Version) -> String {
    let missing = version.requests.iter().filter(|request| request.required && !request.granted);
    let (reasons, values): (Vec<String>, Vec<String>) = missing
        .map(|r| {
            (format!("  {}, {}", text::line(&r.value), text::line(&r.reason)), format!("'{}'", text::line(&r.value)))
        })
        .unzip();
    format!("{}\nto grant it: larder provider grant {name} {}", reasons.join("\n"), values.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::Refusal;

    fn end(state: &str, no_wait: bool) -> Result<String> {
        let args = UploadArgs { file: "x".into(), name: None, no_wait, timeout: Duration::from_secs(300) };
        let refusal = Some(Refusal { code: "unknown_import".into(), message: "it imports `x`".into() });
        let version = Version { digest: "a".repeat(64), state: state.into(), refusal, ..Version::default() };
        outcome("redis", &version, &args)
    }

    #[test]
    fn a_refusal_is_told_with_its_own_code() {
        let failure = end("refused", false).unwrap_err();
        assert_eq!((failure.kind.exit_code(), failure.code.as_str()), (1, "unknown_import"));
        assert!(failure.detail.ends_with("version aaaaaaaaaaaa of `redis` was refused: it imports `x`"));
    }

    #[test]
    fn only_who_waits_can_wait_too_long() {
        assert_eq!(end("checking", false).unwrap_err().kind.exit_code(), 5);
        assert!(end("checking", true).is_ok());
        assert!(end("active", false).is_ok() && end("waiting_for_approval", false).is_ok());
    }

    #[test]
    fn a_file_names_its_provider() {
        assert_eq!(name_of(Path::new("/x/My_Provider.wasm")).unwrap(), "my-provider");
        assert_eq!(name_of(Path::new("/")).unwrap_err().kind, Kind::Usage);
    }
}
