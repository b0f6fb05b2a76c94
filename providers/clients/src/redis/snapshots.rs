//! What a server has written of its data to its disk.
//!
//! How that went it knows only since it was started: one that has just been started says that all is well, and has written nothing.

use super::{Session, Value};
use crate::{Error, Stream};

/// How far a snapshot has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snapshot {
    /// It is being written, by the server in this life of its. Ask again with that.
    Begun(String),
    /// Not yet: the server writes something else. Ask again.
    Later(String),
    /// It was written since it was begun.
    Written,
    /// It could not be written.
    Failed,
}

/// Has the server write a snapshot, unless it has begun one in its present life: what [`Snapshot::Begun`] told.
///
/// # Errors
/// The server refuses, or does not tell.
pub fn write_snapshot<S: Stream>(session: &mut Session<S>, begun: Option<&str>) -> Result<Snapshot, Error> {
    let server = About::of(session, "server")?;
    let life = server.told("run_id").ok_or_else(|| Error::protocol("the server does not tell its run_id"))?;
    if begun != Some(life) {
        // Should it fail, the server is to go on all the same: what it holds is in the log.
        session.command(&[b"CONFIG", b"SET", b"stop-writes-on-bgsave-error", b"no"])?;
        // It refuses while it writes another one, or the log.
        return match session.command(&[b"BGSAVE"]) {
            Ok(_) => Ok(Snapshot::Begun(life.to_owned())),
            Err(Error::Refused(why)) => Ok(Snapshot::Later(why.to_string())),
            Err(error) => Err(error),
        };
    }
    let how = About::of(session, "persistence")?;
    Ok(match (how.told("rdb_bgsave_in_progress"), how.told("rdb_last_bgsave_status")) {
        (Some("0"), Some("ok")) => Snapshot::Written,
        (Some("0"), _) => Snapshot::Failed,
        _ => Snapshot::Begun(life.to_owned()),
    })
}

/// Has the server write the log of what it holds, which goes on beside everything else. Whether it is done: ask until it is.
///
/// # Errors
/// The server refuses, or does not tell.
pub fn write_log<S: Stream>(session: &mut Session<S>) -> Result<bool, Error> {
    session.command(&[b"CONFIG", b"SET", b"appendonly", b"yes"])?;
    let how = About::of(session, "persistence")?;
    let is = |line, value| how.told(line) == Some(value);
    Ok(is("aof_rewrite_in_progress", "0") && is("aof_rewrite_scheduled", "0") && is("aof_last_bgrewrite_status", "ok"))
}

/// What a server tells of itself, in lines.
struct About(String);

impl About {
    fn of<S: Stream>(session: &mut Session<S>, section: &str) -> Result<Self, Error> {
        match session.command(&[b"INFO", section.as_bytes()])? {
            Value::Bytes(about) => Ok(Self(String::from_utf8_lossy(&about).into_owned())),
            _ => Err(Error::protocol("what the server tells of itself is no text")),
        }
    }

    fn told(&self, name: &str) -> Option<&str> {
        let pairs = self.0.lines().filter_map(|line| line.trim_end().split_once(':'));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Peer;
    use crate::wire::Wire;

    fn info(lines: &[&str]) -> Vec<u8> {
        let text = format!("# Section\r\n{}\r\n", lines.join("\r\n"));
        format!("${}\r\n{text}\r\n", text.len()).into_bytes()
    }

    /// What comes of it, and what the server was told beside the questions.
    fn asked(begun: Option<&str>, life: &str, then: Vec<Vec<u8>>) -> (Result<Snapshot, Error>, Vec<String>) {
        let mut answers = [info(&["redis_version:7.0.15", &format!("run_id:{life}")])].into_iter().chain(then);
        let mut said = vec![];
        let peer = Peer::new(b"", |message, _| {
            let words: Vec<String> =
                String::from_utf8_lossy(message).split("\r\n").skip(2).step_by(2).map(str::to_owned).collect();
            if words[0] != "INFO" {
                said.push(words.join(" "));
            }
            answers.next().unwrap_or_default()
        });
        let snapshot = write_snapshot(&mut Session { wire: Wire::new(peer) }, begun);
        (snapshot, said)
    }

    /// What a server says that has just been started, or has written a snapshot.
    fn at_rest() -> Vec<u8> {
        info(&["loading:0", "rdb_bgsave_in_progress:0", "rdb_last_bgsave_status:ok"])
    }

    #[test]
    fn a_server_that_was_started_anew_has_written_no_snapshot() {
        let fine = || vec![b"+OK\r\n".to_vec(), b"+Background saving started\r\n".to_vec(), at_rest()];
        for begun in [None, Some("life-1"), Some("begun")] {
            let (snapshot, said) = asked(begun, "life-2", fine());
            assert_eq!(snapshot.unwrap(), Snapshot::Begun("life-2".to_owned()), "{begun:?}");
            assert_eq!(said, ["CONFIG SET stop-writes-on-bgsave-error no", "BGSAVE"], "{begun:?}");
        }
        let (snapshot, said) = asked(Some("life-2"), "life-2", vec![at_rest()]);
        assert_eq!((snapshot.unwrap(), said), (Snapshot::Written, vec![]));
    }

    #[test]
    fn a_snapshot_is_waited_for_and_its_failure_told() {
        let of = |lines: &[&str]| asked(Some("life"), "life", vec![info(lines)]).0.unwrap();
        let begun = Snapshot::Begun("life".to_owned());
        assert_eq!(of(&["rdb_bgsave_in_progress:1", "rdb_last_bgsave_status:ok"]), begun);
        assert_eq!(of(&["rdb_bgsave_in_progress:0", "rdb_last_bgsave_status:err"]), Snapshot::Failed);
        let busy = b"-ERR Background save already in progress\r\n".to_vec();
        let (later, _) = asked(None, "life", vec![b"+OK\r\n".to_vec(), busy]);
        assert!(matches!(later.unwrap(), Snapshot::Later(why) if why.contains("already in progress")));
        let silent = write_snapshot(&mut Session { wire: Wire::new(Peer::answering(b"", vec![info(&[])])) }, None);
        assert!(matches!(silent, Err(Error::Protocol(_))));
    }

    #[test]
    fn a_log_is_written_when_nothing_of_it_is_left_to_do() {
        let written = |progress: u8, scheduled: u8, status: &str| {
            let [progress, scheduled] = [("in_progress", progress), ("scheduled", scheduled)]
                .map(|(name, is)| format!("aof_rewrite_{name}:{is}"));
            let how = info(&[&progress, &scheduled, &format!("aof_last_bgrewrite_status:{status}")]);
            let peer = Peer::answering(b"", vec![b"+OK\r\n".to_vec(), how]);
            write_log(&mut Session { wire: Wire::new(peer) }).unwrap()
        };
        assert!(written(0, 0, "ok"));
        assert!(!written(1, 0, "ok") && !written(0, 1, "ok") && !written(0, 0, "err"));
    }
}
