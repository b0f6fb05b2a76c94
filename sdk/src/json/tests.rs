//! What people are told about a document that doesn't fit.

use std::collections::BTreeMap;

use super::read;

type Sizes = BTreeMap<String, Vec<u32>>;

#[test]
fn a_misfit_is_told_with_its_place() {
    let misfit = read::<Sizes>(r#"{"small":[1,"hunter2"]}"#).unwrap_err();
    let expected = "parameters.small[1]: invalid type: string \"hunter2\", expected u32";
    assert_eq!(misfit.in_full("parameters"), expected);
    let expected = "options.small[1]: not what this provider reads";
    assert_eq!(misfit.place("options"), expected);
}

#[test]
fn the_document_itself_may_be_the_place() {
    let misfit = read::<Sizes>("[]").unwrap_err();
    let expected = "parameters: invalid type: sequence, expected a map";
    assert_eq!(misfit.in_full("parameters"), expected);
}
