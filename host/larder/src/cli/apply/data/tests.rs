//! Files that are there, and those that are not.

use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::cli::apply::plan::AppPlan;
use crate::cli::apply::wanted::{InitialData, WantedAddon};

/// A folder with a file of each name, the later ones written later.
fn folder(names: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (n, name) in names.iter().enumerate() {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "data").unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + n as u64);
        File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    }
    folder
}

/// What is found at a source, below the folder.
fn chosen(folder: &TempDir, source: &str) -> Result<String, String> {
    let initial_data = Some(InitialData { line: 7, source: source.to_owned(), file: None });
    let addon = WantedAddon { name: "db".to_owned(), initial_data, ..WantedAddon::default() };
    let mut plan = Plan { apps: vec![AppPlan { create: vec![addon], ..AppPlan::default() }] };
    let mut mistakes = Mistakes::default();
    choose(&mut plan, folder.path(), &mut mistakes);
    let below = |text: String| text.replace(&format!("{}/", folder.path().display()), "");
    mistakes.or("f.yml", ()).map_err(|failure| {
        assert_eq!(failure.code, "no_initial_data");
        below(failure.detail)
    })?;
    let file = plan.apps[0].create[0].initial_data.as_ref().unwrap().file.as_ref().unwrap();
    Ok(below(file.display().to_string()))
}

#[test]
fn a_file_is_taken_and_of_a_directory_the_newest() {
    let folder = folder(&["dumps/b.sql", "dumps/c.sql", "dumps/a.sql.gz", "dumps/.hidden", "dumps/below/d.sql"]);
    assert_eq!(chosen(&folder, "dumps/b.sql").unwrap(), "dumps/b.sql");
    assert_eq!(chosen(&folder, "dumps").unwrap(), "dumps/a.sql.gz");
    let whole = folder.path().join("dumps/c.sql");
    assert_eq!(chosen(&folder, whole.to_str().unwrap()).unwrap(), "dumps/c.sql");
    // What is named is taken, hidden or not.
    assert_eq!(chosen(&folder, "dumps/.hidden").unwrap(), "dumps/.hidden");
    let links = folder.path().join("links");
    fs::create_dir(&links).unwrap();
    std::os::unix::fs::symlink("/nowhere", links.join("z.sql")).unwrap();
    std::os::unix::fs::symlink("../dumps/b.sql", links.join("latest.sql")).unwrap();
    assert_eq!(chosen(&folder, "links").unwrap(), "links/latest.sql");
}

#[test]
fn what_is_missing_or_empty_is_told_with_its_line() {
    let folder = folder(&["dumps/.keep", "full/old.sql"]);
    fs::write(folder.path().join("full/new.sql"), "").unwrap();
    let no = |source: &str, why: &str| {
        assert_eq!(chosen(&folder, source).unwrap_err(), format!("f.yml:7: the initial data of the addon `db`: {why}"));
    };
    no("nosuch", "`nosuch`: No such file or directory (os error 2)");
    no("dumps", "the directory `dumps` has no file in it");
    // An older one would be a surprise.
    no("full", "the file `full/new.sql` is empty");
    no("/dev/null", "`/dev/null` is neither a file nor a directory");
}
