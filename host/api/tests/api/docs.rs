//! `docs/errors.md` is made from the codes themselves; with `UPDATE_DOCS=1` this writes it anew.

use std::fmt::Write;
use std::path::Path;

use larder_api::error_codes;
use larder_domain::failure::FaultCode;

const PATH: &str = "../../docs/errors.md";

/// Between these two lines the page is made; around them it is written.
const BEGIN: &str = "<!-- made from the code: UPDATE_DOCS=1 cargo test -p larder-api docs -->\n";
const END: &str = "<!-- end -->\n";

fn problems() -> String {
    let mut codes: Vec<_> = error_codes().collect();
    codes.sort_by_key(|code| (code.status, code.code));
    let mut table = String::from("| code | status | what to do |\n|---|---|---|\n");
    for code in codes {
        writeln!(table, "| `{}` | {} | {} |", code.code, code.status, code.advice.replace('|', "\\|")).unwrap();
    }
    table
}

#[test]
fn the_table_of_codes_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH);
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has no beginning of a table");
    let (_, after) = rest.split_once(END).expect("the page has no end of a table");
    let expected = format!("{before}{BEGIN}\n{}\n{END}{after}", problems());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, expected).unwrap();
        return;
    }
    assert!(page == expected, "docs/errors.md is out of date: run this test with UPDATE_DOCS=1");
}

#[test]
fn every_way_of_breaking_down_is_explained() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PATH)).unwrap();
    // A fault of the host's is retried and never becomes an addon's error.
    for code in FaultCode::ALL.iter().filter(|code| **code != FaultCode::Host) {
        assert!(page.contains(&format!("| `{code}` |")), "{code} is not explained");
    }
}
