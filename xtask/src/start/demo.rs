//! The first addon: an app `demo` with an addon `secret`, made with the command line as a person would.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;
use crate::start::server::Server;

const APP: &str = "demo";
const SERVICE: &str = "secret";
const VARIABLE: &str = "SECRET_KEY=";
const PROVISION_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(250);

/// The command line of one server.
pub(crate) struct Demo<'a> {
    /// The binary.
    pub(crate) larder: &'a Path,
    /// How the binary finds its server and token.
    pub(crate) data_dir: &'a Path,
}

impl Demo<'_> {
    /// Makes app and addon unless they are there; returns the app's variables, one a line.
    pub(crate) fn provision(&self, server: &mut Server) -> Result<String> {
        self.do_it(&["app", "create", APP])?;
        if self.addon()?.is_none() {
            let wait = format!("{}s", PROVISION_LIMIT.as_secs());
            let (app, name) = (["--app", APP], ["--name", SERVICE]);
            let create = [&["addon", "create", SERVICE], &app[..], &name, &["--wait", &wait]];
            self.do_it(&create.concat())?;
        }
        self.wait_for_variables(server)
    }

    fn wait_for_variables(&self, server: &mut Server) -> Result<String> {
        let began = Instant::now();
        loop {
            server.check()?;
            let variables = self.tell(&["config", "show", APP, "--format", "env"])?;
            if variables.lines().any(|line| line.starts_with(VARIABLE)) {
                return Ok(variables);
            }
            if began.elapsed() > PROVISION_LIMIT {
                break;
            }
            shell::pause(POLL);
        }
        let state = self.addon()?.unwrap_or(Value::Null);
        let state = state.get("state").and_then(Value::as_str).unwrap_or("gone").to_owned();
        bail!(
            "the addon `{SERVICE}` gave no {VARIABLE}… within {} s (its state is {state}); look with \
             `larder addon events {SERVICE} --app {APP}`, or remove the data directory and start anew",
            PROVISION_LIMIT.as_secs()
        )
    }

    /// The addon's own record, if the app has one of that name.
    fn addon(&self) -> Result<Option<Value>> {
        let listed = self.tell(&["addon", "list", "--app", APP, "--json"])?;
        let listed: Value = serde_json::from_str(&listed)
            .context("`larder addon list --json` printed no JSON; is the binary up to date?")?;
        Ok(named(&listed, SERVICE).cloned())
    }

    fn do_it(&self, words: &[&str]) -> Result<()> {
        shell::run(&mut self.command(words), "the server's log and the message above tell why")
    }

    fn tell(&self, words: &[&str]) -> Result<String> {
        shell::read(&mut self.command(words), "the server's log and the message above tell why")
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.larder);
        command.arg("--data-dir").arg(self.data_dir).args(words);
        // A person's own settings may point at another server.
        for name in ["LARDER_URL", "LARDER_TOKEN", "LARDER_DATA_DIR"] {
            command.env_remove(name);
        }
        command
    }
}

/// The first object called so, be the list bare or inside an envelope.
fn named<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Array(items) => items.iter().find_map(|item| named(item, name)),
        Value::Object(fields) => match fields.get("name").and_then(Value::as_str) {
            Some(found) if found == name => Some(value),
            _ => fields.values().find_map(|field| named(field, name)),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::named;

    #[test]
    fn an_addon_is_found_in_a_bare_list_and_in_an_envelope() {
        let addon = json!({"name": "secret", "state": "provisioned"});
        let bare = json!([{"name": "other"}, addon]);
        let wrapped = json!({"addons": [addon], "next": null});
        assert_eq!(named(&bare, "secret"), Some(&addon));
        assert_eq!(named(&wrapped, "secret"), Some(&addon));
        assert_eq!(named(&json!([]), "secret"), None);
    }
}
