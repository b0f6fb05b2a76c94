//! The protocol against scripted servers, honest and other.

mod server;

use self::server::{NATIVE, SHA2, Server, eof, error, ok, packet};
use super::*;
use crate::testing::{Peer, for_garbage};

const LOGIN: Login<'_> = Login { user: "admin", password: "correct horse", tls: false };
const WRONG: Login<'_> = Login { password: "wrong horse", ..LOGIN };

/// Logs in to a server, and says whether the password was ever to be read on the way.
fn log_in(server: &mut Server, login: &Login<'_>) -> (Result<(), Error>, bool) {
    let greeting = server.greeting();
    let has_tls = server.has_tls;
    let mut peer = Peer::new(&greeting, |bytes, is_secure| server.hear(bytes, is_secure));
    peer.has_tls = has_tls;
    let result = Session::connect(peer, login).and_then(|mut session| session.ping());
    (result, server.shown_in_the_clear)
}

/// A session whose server answers a statement with this.
fn ask(answer: &[u8]) -> Result<Rows, Error> {
    let mut server = Server::new([NATIVE, NATIVE]);
    server.answer = answer.to_vec();
    let greeting = server.greeting();
    let peer = Peer::new(&greeting, |bytes, is_secure| server.hear(bytes, is_secure));
    Session::connect(peer, &LOGIN)?.query(&Sql::new("SELECT 1"))
}

/// An answer with one column.
fn answer(rows: &[&[u8]]) -> Vec<u8> {
    let mut answer = [packet(1, &[1]), packet(2, b"\x03def"), eof(3)].concat();
    for (row, number) in rows.iter().zip(4..) {
        answer.extend(packet(number, row));
    }
    answer.extend(eof(4 + u8::try_from(rows.len()).unwrap()));
    answer
}

#[test]
fn a_password_that_the_server_remembers_is_proven_in_the_clear() {
    for favourite in [SHA2, NATIVE] {
        let server = || Server::new([favourite, SHA2]).remembering();
        assert!(matches!(log_in(&mut server(), &LOGIN), (Ok(()), false)), "{favourite}");
        // It wants to see a wrong one, perhaps it was changed; that takes TLS.
        assert!(matches!(log_in(&mut server(), &WRONG), (Err(Error::Insecure(_)), false)), "{favourite}");
    }
}

#[test]
fn a_password_that_the_server_wants_to_see_is_shown_only_in_tls() {
    for favourite in [SHA2, NATIVE] {
        let (refused, shown) = log_in(&mut Server::new([favourite, SHA2]), &LOGIN);
        assert!(refused.unwrap_err().to_string().contains("takes TLS"));
        assert!(!shown);
        let secured = || Server::new([favourite, SHA2]).with_tls();
        assert!(matches!(log_in(&mut secured(), &Login { tls: true, ..LOGIN }), (Ok(()), false)));
        let (refused, shown) = log_in(&mut secured(), &Login { tls: true, ..WRONG });
        assert_eq!((refused.unwrap_err().code(), shown), (Some("1045"), false));
    }
}

#[test]
fn native_passwords_are_proven() {
    for favourite in [SHA2, NATIVE, "client_ed25519"] {
        // One that we don't know, we leave out, and are told what the user has.
        let mut server = Server::new([favourite, NATIVE]);
        assert!(matches!(log_in(&mut server, &LOGIN), (Ok(()), false)), "{favourite}");
        let (refused, _) = log_in(&mut Server::new([favourite, NATIVE]), &WRONG);
        assert_eq!(refused.unwrap_err().code(), Some("1045"));
    }
}

#[test]
fn a_server_without_tls_is_not_told_anything() {
    let mut said = 0;
    let greeting = Server::new([SHA2, SHA2]).greeting();
    let mut peer = Peer::new(&greeting, |_, _| {
        said += 1;
        vec![]
    });
    peer.has_tls = true;
    assert!(matches!(Session::connect(peer, &Login { tls: true, ..LOGIN }), Err(Error::NoTls)));
    assert_eq!(said, 0);
}

#[test]
fn words_that_were_slipped_in_before_tls_are_noticed() {
    let server = Server::new([SHA2, SHA2]).with_tls();
    let greeting = [server.greeting(), ok(2)].concat();
    let mut peer = Peer::saying(&greeting);
    peer.has_tls = true;
    assert!(matches!(Session::connect(peer, &Login { tls: true, ..LOGIN }), Err(Error::Insecure(_))));
}

#[test]
fn a_server_cannot_talk_us_into_showing_the_password() {
    let greeting = Server::new([NATIVE, NATIVE]).greeting();
    for word in [
        packet(2, b"\xfemysql_clear_password\0"),
        packet(2, b"\xfe"),
        packet(2, b"\xfesha256_password\0abcdefghijklmnopqrst\0"),
        packet(2, b"\xfecaching_sha2_password\0short"),
        packet(2, &[1, 4]),
        packet(2, &[1]),
        packet(2, b""),
        packet(3, &[0]),
    ] {
        let mut said = vec![];
        let mut words = vec![word.clone()];
        let peer = Peer::new(&greeting, |bytes, _| {
            said.extend_from_slice(bytes);
            words.pop().unwrap_or_default()
        });
        assert!(Session::connect(peer, &LOGIN).is_err(), "{word:?}");
        assert!(!said.windows(5).any(|part| part == b"horse"), "{word:?}");
    }
}

#[test]
fn a_server_with_too_many_connections_says_so_at_once() {
    // All of them, or those of a user.
    for code in [1040_u16, 1203, 1226] {
        let greeting = packet(0, &[&[0xff], &code.to_le_bytes()[..], b"Too many connections"].concat());
        let Err(error) = Session::connect(Peer::saying(&greeting), &LOGIN) else { panic!("logged in") };
        assert!(error.code() == Some(&code.to_string()) && error.is_transient(), "{code}");
    }
}

#[test]
fn rows_are_read_as_text() {
    let long = [&[0xfc, 0x2c, 0x01][..], &[b'x'; 300]].concat();
    let rows = ask(&answer(&[b"\x01a", &[0xfb], b"\x00", &long])).unwrap();
    assert_eq!(rows.column().collect::<Vec<_>>(), ["a", "", &"x".repeat(300)]);
    assert_eq!(rows.all()[1], [None]);
}

#[test]
fn an_error_is_typed() {
    let refused = ask(&error(1, 1007, "Can't create database; database exists")).unwrap_err();
    assert_eq!(refused.code(), Some("1007"));
    let late = [packet(1, &[1]), packet(2, b"\x03def"), eof(3), error(4, 1317, "interrupted")].concat();
    assert_eq!(ask(&late).unwrap_err().code(), Some("1317"));
}

#[test]
fn what_is_no_answer_is_not_believed() {
    for wrong in [
        // A file is wanted.
        packet(1, b"\xfb/etc/passwd"),
        packet(1, &[0xfc, 0xff, 0xff]),
        packet(1, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        packet(1, b""),
        packet(7, &[0, 0, 0, 0, 2, 0, 0]),
        // More results, which nobody asked for.
        packet(1, &[0, 0, 0, 8, 2, 0, 0]),
        vec![0xff, 0xff, 0xff, 1],
        [packet(1, &[2]), packet(2, b"x"), packet(3, b"x"), eof(4), packet(5, b"\x01a")].concat(),
        [packet(1, &[1]), packet(2, b"x"), eof(3), packet(4, b"\xfd\xff\xff\xff")].concat(),
        [packet(1, &[1]), packet(2, b"x"), packet(3, b"x")].concat(),
    ] {
        assert!(matches!(ask(&wrong), Err(Error::Protocol(_))), "{wrong:?}");
    }
    let mut endless = [packet(1, &[1]), packet(2, b"x"), eof(3)].concat();
    (0..200_000).for_each(|number: u32| endless.extend(packet((number + 4).to_le_bytes()[0], b"\x00")));
    assert!(matches!(ask(&endless), Err(Error::Protocol(_))));
    assert!(matches!(
        Session::connect(Peer::saying(b"SSH-2.0-OpenSSH\r\n"), &LOGIN),
        Err(Error::Io(_) | Error::Protocol(_))
    ));
}

#[test]
fn nothing_gets_out_of_its_quotes() {
    let sql = Sql::new("DROP USER ").literal("it's \\").then("@").literal("%").then(" ON ").name("a`b");
    assert_eq!(sql.as_str(), r"DROP USER 'it''s \'@'%' ON `a``b`");
    let mut server = Server::new([NATIVE, NATIVE]);
    let greeting = server.greeting();
    let peer = Peer::new(&greeting, |bytes, is_secure| server.hear(bytes, is_secure));
    let mut session = Session::connect(peer, &LOGIN).unwrap();
    assert!(matches!(session.query(&Sql::new("").literal("a\0")), Err(Error::BadInput(_))));
    for name in ["", "a_b", "a%", "A", "1a", "a.b", "mysql", "root", "a\0", &"x".repeat(33)] {
        let tenant = Tenant { name, password: "x", connections_max: None };
        assert!(matches!(create_user_and_database(&mut session, &tenant), Err(Error::BadInput(_))), "{name}");
        assert!(matches!(drop_user_and_database(&mut session, name), Err(Error::BadInput(_))), "{name}");
    }
}

#[test]
fn garbage_is_an_error_and_no_panic() {
    let server = Server::new([SHA2, SHA2]);
    for_garbage(&server.greeting(), |bytes| {
        let _whatever = Session::connect(Peer::saying(bytes), &LOGIN);
    });
    for_garbage(&packet(2, b"\xfecaching_sha2_password\0abcdefghijklmnopqrst\0"), |bytes| {
        let words = vec![bytes.to_vec(), ok(4), ok(1), ok(1)];
        let _whatever = Session::connect(Peer::answering(&server.greeting(), words), &LOGIN);
    });
    for_garbage(&answer(&[b"\x01a", &[0xfb], b"\x00"]), |bytes| {
        let _whatever = ask(bytes);
    });
}
