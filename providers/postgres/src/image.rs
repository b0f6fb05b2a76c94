//! Which images a server can be run from, as far as their names tell: better to hear that from the options than from a server that never
//! starts.

use std::ops::RangeInclusive;

/// The releases whose images keep their data elsewhere. What has a higher number is no release, but a date perhaps.
const ELSEWHERE: RangeInclusive<u32> = 18..=99;

/// Whether a server can be run from it; if not, why.
pub(crate) fn check(image: &str) -> Result<(), String> {
    let tag = image.split('@').next().and_then(|image| image.rsplit_once(':')).map_or("", |(_, tag)| tag);
    if tag.contains("alpine") {
        return Err(format!("{image} can't be run: its user ids are other ones than those of the images on Debian"));
    }
    let release =
        tag.split(|character: char| !character.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    if release.is_some_and(|release| ELSEWHERE.contains(&release)) {
        return Err(format!(
            "{image} can't be run: from PostgreSQL 18 on, images keep their data elsewhere; take 14 to 17"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_start_is_refused() {
        for fit in ["postgres:16", "postgres:17.2-bookworm", "here:5000/postgres:16", "larder-test/postgres:1"] {
            assert_eq!(check(fit), Ok(()));
        }
        assert!(check("postgres:16-alpine").unwrap_err().contains("user ids"));
        for unfit in ["postgres:18", "here:5000/postgres:18.1-trixie@sha256:00"] {
            assert!(check(unfit).unwrap_err().contains("14 to 17"));
        }
    }
}
