//! The protocol against scripted servers, honest and other.

use super::*;
use crate::testing::{Peer, for_garbage};

/// A session that is not logged in, with a server that answers this.
fn session(reply: &[u8]) -> Session<Peer<'static>> {
    Session { wire: Wire::new(Peer::answering(b"", vec![reply.to_vec()])) }
}

fn ask(reply: &[u8]) -> Result<Value, Error> {
    session(reply).command(&[b"GET", b"key"])
}

#[test]
fn every_kind_of_value_is_read() {
    assert_eq!(ask(b"+OK\r\n").unwrap(), Value::Simple("OK".to_owned()));
    assert_eq!(ask(b":-7\r\n").unwrap().as_integer(), Some(-7));
    assert_eq!(ask(b"$4\r\na\r\nb\r\n").unwrap(), Value::Bytes(b"a\r\nb".to_vec()));
    assert_eq!(ask(b"$-1\r\n").unwrap(), Value::Nil);
    assert_eq!(ask(b"*-1\r\n").unwrap(), Value::Nil);
    let nested = ask(b"*3\r\n:1\r\n*0\r\n-ERR no\r\n").unwrap();
    let error = Value::Error(crate::Refusal::new("ERR", "no"));
    assert_eq!(nested, Value::Array(vec![Value::Integer(1), Value::Array(vec![]), error]));
}

#[test]
fn a_reply_may_come_a_byte_at_a_time() {
    let mut peer = Peer::answering(b"", vec![b"*2\r\n$5\r\nhello\r\n+world\r\n".to_vec()]);
    peer.portion = 1;
    let value = Session { wire: Wire::new(peer) }.command(&[b"X"]).unwrap();
    let Value::Array(values) = value else { panic!("{value:?}") };
    assert_eq!(values.iter().map(|value| value.as_text().unwrap()).collect::<Vec<_>>(), ["hello", "world"]);
}

#[test]
fn commands_are_said_as_they_are() {
    let mut said = vec![];
    let peer = Peer::new(b"", |bytes, _| {
        said.extend_from_slice(bytes);
        b"+OK\r\n".to_vec()
    });
    Session { wire: Wire::new(peer) }.command(&[b"SET", b"k\r\n", b""]).unwrap();
    assert_eq!(said, b"*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n");
}

#[test]
fn a_refusal_is_typed_and_the_session_goes_on() {
    let replies = vec![b"-NOPERM this user has no permissions\r\n".to_vec(), b"+PONG\r\n".to_vec()];
    let mut session = Session { wire: Wire::new(Peer::answering(b"", replies)) };
    let error = session.command(&[b"KEYS", b"*"]).unwrap_err();
    assert_eq!(error.code(), Some("NOPERM"));
    assert!(error.to_string().contains("has no permissions"), "{error}");
    session.ping().unwrap();
}

#[test]
fn what_is_not_understood_ends_the_session() {
    let replies = vec![b"HTTP/1.1 400 Bad Request\r\n".to_vec(), b"+PONG\r\n".to_vec()];
    let mut session = Session { wire: Wire::new(Peer::answering(b"", replies)) };
    assert!(matches!(session.ping(), Err(Error::Protocol(_))));
    assert!(matches!(session.ping(), Err(Error::Io(_))));
}

#[test]
fn lengths_are_not_believed() {
    let too_much: [&[u8]; 10] = [
        b"$536870912\r\n",
        b"$9223372036854775807\r\n",
        b"$-2\r\n",
        b"$99999999999999999999\r\n",
        b"*2147483647\r\n",
        b"*9223372036854775807\r\n",
        b"*-7\r\n",
        b":\r\n",
        b"$1\r\nxyz\r\n",
        b"\r\n",
    ];
    for reply in too_much {
        assert!(matches!(ask(reply), Err(Error::Protocol(_))), "{reply:?}");
    }
    let endless = [b"+".to_vec(), vec![b'x'; 2 * REPLY_BYTES_MAX]].concat();
    assert!(matches!(ask(&endless), Err(Error::Protocol(_))));
    let many = [b"*70000\r\n".to_vec(), b":1\r\n".repeat(70000)].concat();
    assert!(matches!(ask(&many), Err(Error::Protocol(_))));
    // Each array is small, but together they are not.
    let several = [b"*1000\r\n".to_vec(), [b"*100\r\n".to_vec(), b":1\r\n".repeat(100)].concat().repeat(1000)].concat();
    assert!(matches!(ask(&several), Err(Error::Protocol(_))));
    assert!(matches!(ask(&b"*1\r\n".repeat(100_000)), Err(Error::Protocol(_))));
    assert!(matches!(ask(b"$10\r\nshort"), Err(Error::Io(_))));
}

#[test]
fn a_password_that_the_server_repeats_is_not_shown() {
    let reply = b"-ERR unknown command 'AUTH', with args beginning with: 'admin' 'correct horse'\r\n";
    let peer = Peer::answering(b"", vec![reply.to_vec()]);
    let Err(error) = login(peer, Some("admin"), Some("correct horse")) else { panic!("logged in") };
    assert!(!error.to_string().contains("horse"), "{error}");
}

#[test]
fn names_that_mean_something_in_a_pattern_are_refused() {
    for name in ["", "a b", "a*", "a:b", "~x", "a\r\nb", "ä", "default", &"x".repeat(129)] {
        let user = User { name, passwords: &["x"], prefix: "fine", scripts: Scripts::Denied };
        assert!(matches!(acl_set_user(&mut session(b"+OK\r\n"), &user), Err(Error::BadInput(_))), "{name}");
    }
    for prefix in ["", "*", "a:b", "a?"] {
        let user = User { name: "fine", passwords: &["x"], prefix, scripts: Scripts::Denied };
        assert!(matches!(acl_set_user(&mut session(b"+OK\r\n"), &user), Err(Error::BadInput(_))), "{prefix}");
        let swept = delete_keys(&mut session(b"+OK\r\n"), prefix, None, 1);
        assert!(matches!(swept, Err(Error::BadInput(_))), "{prefix}");
    }
}

#[test]
fn users_that_could_not_be_written_to_their_file_are_not_kept_by_another() {
    let not_written =
        b"-ERR There was an error trying to save the ACLs. Please check the server logs for more information\r\n";
    let no_file = b"-ERR This Redis instance is not configured to use an ACL file.\r\n";
    for (says, kept) in [(&not_written[..], Kept::InMemory), (no_file, Kept::OnDisk)] {
        // The last is about the file of settings.
        let replies = vec![b":1\r\n".to_vec(), says.to_vec(), b"+OK\r\n".to_vec()];
        let mut session = Session { wire: Wire::new(Peer::answering(b"", replies)) };
        assert_eq!(acl_delete_user(&mut session, "ann").unwrap(), kept);
    }
}

#[test]
fn a_sweep_goes_on_where_it_stopped() {
    let batch = |cursor: &str| format!("*2\r\n${}\r\n{cursor}\r\n:3\r\n", cursor.len()).into_bytes();
    let peer = Peer::answering(b"", vec![batch("17"), batch("42"), batch("0")]);
    let mut session = Session { wire: Wire::new(peer) };
    let first = delete_keys(&mut session, "app", None, 2).unwrap();
    assert_eq!(first, Sweep { cursor: Some("42".to_owned()), deleted: 6 });
    let last = delete_keys(&mut session, "app", first.cursor.as_deref(), 9).unwrap();
    assert_eq!(last, Sweep { cursor: None, deleted: 3 });
}

#[test]
fn garbage_is_an_error_and_no_panic() {
    for_garbage(b"*4\r\n$5\r\nhello\r\n:12\r\n*1\r\n+OK\r\n-ERR no\r\n", |bytes| {
        let _whatever = ask(bytes);
    });
}
