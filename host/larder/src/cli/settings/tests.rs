//! Which address and token are taken, place by place.

use tempfile::TempDir;

use super::*;

/// A config file and a data directory, each with a server of its own.
struct Places {
    folder: TempDir,
}

impl Places {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.json")
    }

    fn with_config(self, json: &str) -> Self {
        fs::write(self.config(), json).unwrap();
        self
    }

    fn with_server(self, url: &str) -> Self {
        fs::write(self.folder.path().join(SERVER_FILE), format!(r#"{{"url":"{url}","pid":1}}"#)).unwrap();
        fs::write(self.folder.path().join(TOKEN_FILE), "local-token\n").unwrap();
        self
    }

    fn find(&self, global: &Global) -> Result<Settings> {
        Settings::find_in(global, Some(&self.config()), self.folder.path())
    }

    fn named(&self) -> Global {
        Global { data_dir: Some(self.folder.path().to_owned()), ..Global::default() }
    }
}

fn url(url: &str) -> Global {
    Global { url: Some(url.to_owned()), ..Global::default() }
}

const REMOTE: &str = r#"{"url": "https://larder.example", "token": "remote-token"}"#;
const LOCAL: &str = "http://127.0.0.1:40001";

fn summary(settings: &Settings) -> (&str, Option<&str>) {
    (settings.url.as_str(), settings.token.as_deref())
}

#[test]
fn with_nothing_at_all_the_default_address_is_tried_without_a_token() {
    let found = Places::new().find(&Global::default()).unwrap();
    assert_eq!(summary(&found), ("http://127.0.0.1:7117/", None));
    assert_eq!(found.source, Source::Default);
}

#[test]
fn a_local_server_is_found_with_its_token() {
    let places = Places::new().with_server(LOCAL);
    let found = places.find(&Global::default()).unwrap();
    assert_eq!(summary(&found), ("http://127.0.0.1:40001/", Some("local-token")));
    assert_eq!(found.source, Source::DataDir(places.folder.path().to_owned()));
}

#[test]
fn the_config_file_comes_before_the_usual_data_directory_and_after_a_named_one() {
    let places = Places::new().with_server(LOCAL).with_config(REMOTE);
    assert_eq!(summary(&places.find(&Global::default()).unwrap()), ("https://larder.example/", Some("remote-token")));
    assert_eq!(summary(&places.find(&places.named()).unwrap()), ("http://127.0.0.1:40001/", Some("local-token")));
}

#[test]
fn a_token_goes_only_where_it_belongs() {
    let places = Places::new().with_server(LOCAL).with_config(REMOTE);
    let token = |address: &str| places.find(&url(address)).unwrap().token;
    assert_eq!(token("https://elsewhere.example"), None);
    assert_eq!(token("http://127.0.0.1:40002"), None);
    assert_eq!(token("http://larder.example"), None);
    assert_eq!(token("localhost:40001").as_deref(), Some("local-token"));
    assert_eq!(token("http://[::1]:40001").as_deref(), Some("local-token"));
    assert_eq!(token("https://larder.example:443/").as_deref(), Some("remote-token"));
    let explicit = Global { token: Some("mine".into()), ..url("https://elsewhere.example") };
    assert_eq!(places.find(&explicit).unwrap().token.as_deref(), Some("mine"));
}

#[test]
fn empty_variables_count_as_unset() {
    let places = Places::new().with_server(LOCAL);
    let global = Global { token: Some(String::new()), data_dir: Some(PathBuf::new()), ..url(" ") };
    assert_eq!(summary(&places.find(&global).unwrap()), ("http://127.0.0.1:40001/", Some("local-token")));
}

#[test]
fn a_named_data_directory_without_a_server_is_no_reason_to_ask_another() {
    let places = Places::new().with_config(REMOTE);
    let failure = places.find(&places.named()).unwrap_err();
    assert_eq!((failure.kind, failure.code.as_str()), (Kind::Unreachable, "no_server"));
}

#[test]
fn wrong_addresses_and_files_are_usage_errors() {
    for address in ["ftp://x", "http://ann:secret@x", "http://x/?q", "http://", "http://x:99999"] {
        assert_eq!(Places::new().find(&url(address)).unwrap_err().kind, Kind::Usage, "{address}");
    }
    for config in ["[]", "{\"adress\": \"x\"}", "{"] {
        let failure = Places::new().with_config(config).find(&Global::default()).unwrap_err();
        assert_eq!(failure.kind, Kind::Usage, "{config}");
    }
}

#[test]
fn a_config_file_that_others_can_read_is_worth_a_warning() {
    let places = Places::new().with_config(REMOTE);
    fs::set_permissions(places.config(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(places.find(&Global::default()).unwrap().warning.unwrap().contains("chmod 600"));
    fs::set_permissions(places.config(), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(places.find(&Global::default()).unwrap().warning, None);
}
