//! The names that fit in a place of the command line.

use std::ffi::OsString;
use std::time::Duration;

use clap_complete::CompletionCandidate;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::cli::api::Api;
use crate::cli::api::call::Call;
use crate::cli::args::Global;
use crate::cli::failure::Result;
use crate::cli::model::{self, Addon, App, Provider, Service};
use crate::cli::settings::Settings;
use crate::cli::text;

/// Nobody waits longer for a suggestion.
const PATIENCE: Duration = Duration::from_secs(1);
const CANDIDATES_MAX: &str = "500";

/// The apps.
pub(crate) fn apps() -> Vec<CompletionCandidate> {
    ask(async |api, _| {
        let answer = api.call(Call::get(&["v1", "apps"]).query("limit", CANDIDATES_MAX)).await?.body;
        let apps: Vec<App> = model::read_list(&answer, "apps")?;
        Ok(apps.into_iter().map(|app| candidate(&app.name, &text::count(app.addons, "addon"))).collect())
    })
}

/// The experiments of the apps that are on the command line already; of all apps if none is.
pub(crate) fn experiments() -> Vec<CompletionCandidate> {
    ask(async |api, words| {
        let answer = api.call(Call::get(&["v1", "apps"]).query("limit", CANDIDATES_MAX)).await?.body;
        let apps: Vec<App> = model::read_list(&answer, "apps")?;
        Ok(experiments_of(&apps, words).map(|(app, name)| candidate(name, &text::count(app.addons, "addon"))).collect())
    })
}

fn experiments_of<'a>(apps: &'a [App], words: &[OsString]) -> impl Iterator<Item = (&'a App, &'a str)> {
    let split = apps.iter().filter_map(|app| Some((app, app.name.split_once('.')?)));
    let split: Vec<_> = split.map(|(app, (base, name))| (app, name, words.iter().any(|word| word == base))).collect();
    let is_one_named = split.iter().any(|(.., is_named)| *is_named);
    split.into_iter().filter(move |(.., is_named)| *is_named || !is_one_named).map(|(app, name, _)| (app, name))
}

/// The providers.
pub(crate) fn providers() -> Vec<CompletionCandidate> {
    ask(async |api, _| {
        let answer = api.call(Call::get(&["v1", "providers"])).await?.body;
        let providers: Vec<Provider> = model::read_list(&answer, "providers")?;
        Ok(providers.into_iter().map(|provider| candidate(&provider.name, &provider.state)).collect())
    })
}

/// The services.
pub(crate) fn services() -> Vec<CompletionCandidate> {
    ask(async |api, _| {
        let answer = api.call(Call::get(&["v1", "catalog"])).await?.body;
        let services: Vec<Service> = model::read_list(&answer, "services")?;
        let help = |service: &Service| service.description.clone().unwrap_or_default();
        Ok(services.into_iter().map(|service| candidate(&service.name, &help(&service))).collect())
    })
}

/// The addons: by name where `--app` is given, else as `APP/NAME`.
pub(crate) fn addons() -> Vec<CompletionCandidate> {
    ask(async |api, words| {
        let app = option(words, "--app");
        let path = match &app {
            Some(app) => vec!["v1", "apps", app, "addons"],
            None => vec!["v1", "addons"],
        };
        let answer = api.call(Call::get(&path).query("limit", CANDIDATES_MAX)).await?.body;
        let addons: Vec<Addon> = model::read_list(&answer, "addons")?;
        let shown = |addon: &Addon| {
            if app.is_some() { addon.name.clone() } else { addon.label() }
        };
        Ok(addons.into_iter().map(|addon| candidate(&shown(&addon), &addon.state)).collect())
    })
}

/// The deleted addons that can be had back: by name where that tells which one is meant, and by their ids.
pub(crate) fn kept_addons() -> Vec<CompletionCandidate> {
    ask(async |api, words| {
        let call = Call::get(&["v1", "addons"]).query("kept", "true").query("limit", CANDIDATES_MAX);
        let addons: Vec<Addon> = model::read_list(&api.call(call).await?.body, "addons")?;
        let named = kept_names(&addons, option(words, "--app").as_deref());
        Ok(named.into_iter().map(|(name, until)| candidate(&name, &format!("kept until {until}"))).collect())
    })
}

/// What the last one of each name is called, and the ids of the others.
fn kept_names(addons: &[Addon], app: Option<&str>) -> Vec<(String, String)> {
    let is_wanted = |addon: &&Addon| app.is_none_or(|app| addon.app.as_deref() == Some(app));
    let wanted: Vec<&Addon> = addons.iter().filter(is_wanted).collect();
    let name = |(at, addon): (usize, &&Addon)| {
        let is_last = !wanted[at + 1..].iter().any(|later| later.label() == addon.label());
        let name = match app {
            _ if !is_last => addon.id.clone(),
            Some(_) => addon.name.clone(),
            None => addon.label(),
        };
        (name, text::seconds(addon.kept_until.as_deref().unwrap_or_default()))
    };
    wanted.iter().enumerate().map(name).collect()
}

fn candidate(name: &str, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(name).help(Some(text::cut(&text::line(help), 60).into()))
}

/// Asks the server that the command line being completed means; every failure is just no answer.
fn ask(question: impl AsyncFnOnce(&Api, &[OsString]) -> Result<Vec<CompletionCandidate>>) -> Vec<CompletionCandidate> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let answer = runtime.block_on(async {
        let api = Api::new(&Settings::find(&global(&words))?)?;
        timeout(PATIENCE, question(&api, &words)).await.unwrap_or_else(|_| Ok(Vec::new()))
    });
    answer.unwrap_or_default()
}

/// The options that say where the server is, as far as they are typed already. The environment is asked as
/// the real command will ask it.
fn global(words: &[OsString]) -> Global {
    let find = |name: &str, variable: &str| option(words, name).or_else(|| std::env::var(variable).ok());
    Global {
        url: find("--url", "LARDER_URL"),
        token: find("--token", "LARDER_TOKEN"),
        data_dir: find("--data-dir", "LARDER_DATA_DIR").map(Into::into),
        ..Global::default()
    }
}

/// The value of an option, in either of its forms.
fn option(words: &[OsString], name: &str) -> Option<String> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let apart = words.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
    let joined = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    apart.or(joined).filter(|value| !value.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_are_those_of_the_app_that_was_typed() {
        let app = |name: &str| App { name: name.into(), addons: 1, ..App::default() };
        let apps = [app("web"), app("web.blue"), app("web.green"), app("api.blue2")];
        let of = |words: &str| {
            let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
            experiments_of(&apps, &words).map(|(_, name)| name.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(of("larder experiment show web"), ["blue", "green"]);
        assert_eq!(of("larder experiment show api"), ["blue2"]);
        assert_eq!(of("larder experiment show"), ["blue", "green", "blue2"]);
    }

    #[test]
    fn of_deleted_addons_the_last_one_has_the_name() {
        let addon = |id: &str, app: &str| Addon {
            id: id.into(),
            app: Some(app.into()),
            name: "db".into(),
            kept_until: Some("2026-01-02T03:04:05.678Z".into()),
            ..Addon::default()
        };
        let kept = [addon("1", "web"), addon("2", "api"), addon("3", "web")];
        let names = |app| kept_names(&kept, app).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(None), ["1", "api/db", "web/db"]);
        assert_eq!(names(Some("web")), ["1", "db"]);
        assert_eq!(kept_names(&kept, Some("api")), [("db".to_owned(), "2026-01-02T03:04:05Z".to_owned())]);
    }

    #[test]
    fn options_are_found_in_both_forms() {
        let words: Vec<OsString> =
            ["larder", "--url", "http://h", "addon", "show", "--app=web", "--token"].map(OsString::from).to_vec();
        assert_eq!(option(&words, "--url").as_deref(), Some("http://h"));
        assert_eq!(option(&words, "--app").as_deref(), Some("web"));
        assert_eq!(option(&words, "--token"), None);
        assert_eq!(option(&words, "--data-dir"), None);
    }
}
