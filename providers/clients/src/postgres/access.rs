//! Who may come to a server at all: changed on a server of our own only. On somebody else's it is told, and left to them.

use super::{Session, Sql};
use crate::{Error, Stream};

/// The databases that the public may connect to: whoever has a role reaches those, too.
///
/// # Errors
/// The server refuses.
pub fn open_to_all<S: Stream>(session: &mut Session<S>) -> Result<Vec<String>, Error> {
    const OPEN: &str =
        "SELECT datname FROM pg_database WHERE datallowconn AND has_database_privilege('public', oid, 'CONNECT')";
    Ok(session.query(&Sql::new(OPEN))?.column().map(str::to_owned).collect())
}

/// Keeps the public out of the databases that every server has: tenants would meet others there, and hold up what is copied from a template.
///
/// # Errors
/// The server refuses.
pub fn shut_out_the_public<S: Stream>(session: &mut Session<S>) -> Result<(), Error> {
    const COMMON: [&str; 2] = ["postgres", "template1"];
    for database in open_to_all(session)?.iter().filter(|name| COMMON.contains(&name.as_str())) {
        session.query(&Sql::new("REVOKE CONNECT ON DATABASE ").name(database).then(" FROM PUBLIC"))?;
    }
    Ok(())
}

/// Has a server let nobody in without a password, wherever they come from. Images make servers that trust whoever is within, and a
/// server that was made so goes on; what an app gets to run there would be its administrator.
///
/// # Errors
/// The server refuses.
pub fn demand_passwords<S: Stream>(session: &mut Session<S>) -> Result<(), Error> {
    const TRUSTING: &str = "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust'";
    // The server's programs run in the folder of its data. The file is replaced at once, so that there is always a whole one.
    const REPLACE: &str = "COPY (VALUES ('local all all scram-sha-256'), ('host all all all scram-sha-256')) \
        TO PROGRAM 'cat > pg_hba.new && mv pg_hba.new pg_hba.conf'; SELECT pg_reload_conf()";
    if session.query(&Sql::new(TRUSTING))?.value() != Some("0") {
        session.query(&Sql::new(REPLACE))?;
    }
    Ok(())
}
