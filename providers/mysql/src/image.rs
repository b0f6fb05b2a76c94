//! Which images a server can be run from, as far as their names tell.

/// Whether a server can be run from it; if not, why. MySQL logs in its users by TLS or not at all, at first, and a container has none.
pub(crate) fn check(image: &str) -> Result<(), String> {
    let name = image.split('@').next().and_then(|image| image.rsplit('/').next()).unwrap_or_default();
    if name.starts_with("mysql") || name.starts_with("percona") {
        return Err(format!("{image} can't be run: servers in containers are MariaDB's, such as mariadb:10.11"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_mysql_are_refused() {
        for fit in ["mariadb:10.11", "here:5000/mysql/mariadb:11.4", "larder-test/mariadb:1.0"] {
            assert_eq!(check(fit), Ok(()));
        }
        for unfit in ["mysql:8", "here:5000/mysql@sha256:00", "percona/percona-server:8.0"] {
            assert!(check(unfit).unwrap_err().contains("MariaDB"));
        }
    }
}
