//! The protocol against scripted servers, honest and other.

use super::*;
use crate::testing::{Peer, for_garbage};

const LOGIN: Login<'_> = Login { user: "admin", password: "correct horse", database: "postgres", tls: false };
const SECURE: Login<'_> = Login { tls: true, ..LOGIN };
const READY: &[u8] = b"Z\0\0\0\x05I";

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

fn authentication(kind: u32, body: &[u8]) -> Vec<u8> {
    message(b'R', &[&kind.to_be_bytes()[..], body].concat())
}

fn welcome() -> Vec<u8> {
    welcome_of("15.18 (Debian)")
}

fn welcome_of(version: &str) -> Vec<u8> {
    let version = message(b'S', format!("server_version\0{version}\0").as_bytes());
    [authentication(0, b""), version, message(b'K', &[0; 8]), READY.to_vec()].concat()
}

fn error(severity: &str, code: &str, text: &str) -> Vec<u8> {
    message(b'E', format!("S{severity}\0V{severity}\0C{code}\0M{text}\0\0").as_bytes())
}

fn row(values: &[Option<&str>]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        body.extend(value.map_or(-1, |value| i32::try_from(value.len()).unwrap()).to_be_bytes());
        body.extend(value.unwrap_or_default().as_bytes());
    }
    message(b'D', &body)
}

fn connect(answers: Vec<Vec<u8>>) -> Result<Session<Peer<'static>>, Error> {
    Session::connect(Peer::answering(b"", answers), &LOGIN)
}

/// A session whose server answers a statement with this.
fn ask(answer: &[u8]) -> Result<Rows, Error> {
    connect(vec![welcome(), answer.to_vec()])?.query(&Sql::new("SELECT 1"))
}

#[test]
fn rows_are_read_as_text() {
    let rows = ask(&[row(&[Some("a"), None]), row(&[Some("b"), Some("")]), READY.to_vec()].concat()).unwrap();
    assert_eq!(rows.all(), [[Some("a".to_owned()), None], [Some("b".to_owned()), Some(String::new())]]);
    assert_eq!(rows.value(), Some("a"));
    assert_eq!(rows.column().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn the_version_is_known_after_the_login() {
    assert_eq!(connect(vec![welcome()]).unwrap().major_version().unwrap(), 15);
}

#[test]
fn an_error_is_typed_and_the_session_goes_on() {
    let no = [error("ERROR", "42P04", "database exists\u{7}"), READY.to_vec()].concat();
    let mut session = connect(vec![welcome(), no, [row(&[Some("1")]), READY.to_vec()].concat()]).unwrap();
    let error = session.query(&Sql::new("x")).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (Some("42P04"), "the server refuses: database exists  (42P04)")
    );
    assert_eq!(session.query(&Sql::new("x")).unwrap().value(), Some("1"));
}

#[test]
fn a_last_word_ends_the_session_and_is_told() {
    let mut session = connect(vec![welcome(), error("FATAL", "57P01", "going down")]).unwrap();
    let error = session.query(&Sql::new("x")).unwrap_err();
    assert!(error.code() == Some("57P01") && error.is_transient());
    assert!(matches!(session.query(&Sql::new("x")), Err(Error::Io(_))));
}

#[test]
fn md5_proves_the_password_without_saying_it() {
    let mut said = vec![];
    let mut answers = vec![welcome(), authentication(5, b"salt")];
    let peer = Peer::new(b"", |bytes, _| {
        said.push(bytes.to_vec());
        answers.pop().unwrap()
    });
    Session::connect(peer, &LOGIN).map(drop).unwrap();
    let proof = String::from_utf8_lossy(&said[1]).into_owned();
    assert!(proof.starts_with('p') && proof.contains("md5") && !proof.contains("horse"), "{proof}");
}

#[test]
fn a_password_is_said_as_it_is_only_in_tls() {
    let wants = || authentication(3, b"");
    assert!(matches!(connect(vec![wants(), welcome()]), Err(Error::Insecure(_))));
    let mut peer = Peer::answering(b"", vec![b"S".to_vec(), wants(), welcome()]);
    peer.has_tls = true;
    Session::connect(peer, &SECURE).map(drop).unwrap();
}

#[test]
fn a_server_without_tls_is_not_told_anything() {
    for answer in [&b"N"[..], b"E", b""] {
        let mut said = 0;
        let mut peer = Peer::new(b"", |_, _| {
            said += 1;
            answer.to_vec()
        });
        peer.has_tls = true;
        assert!(Session::connect(peer, &SECURE).is_err());
        assert_eq!(said, 1);
    }
}

#[test]
fn words_that_were_slipped_in_before_tls_are_noticed() {
    let mut peer = Peer::answering(b"", vec![[b"S".to_vec(), welcome()].concat()]);
    peer.has_tls = true;
    assert!(matches!(Session::connect(peer, &SECURE), Err(Error::Insecure(_))));
}

/// What a client says first in SCRAM ends in its nonce.
fn challenge(client_first: &[u8], rounds: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(client_first);
    let nonce = text.rsplit_once("r=").unwrap().1;
    authentication(11, format!("r={nonce}more,s=c2FsdA==,i={rounds}").as_bytes())
}

/// What a server says instead of a proof.
type Lie = fn(&[u8]) -> Vec<u8>;

#[test]
fn a_server_must_prove_that_it_knows_the_password() {
    let offer = || authentication(10, b"SCRAM-SHA-256\0\0");
    let lies: [Lie; 6] = [
        // Leaves out the proof.
        |_| welcome(),
        // Proves something else.
        |_| [authentication(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), welcome()].concat(),
        |_| [authentication(12, b"e=other-error"), welcome()].concat(),
        // Begins once more.
        |_| authentication(10, b"SCRAM-SHA-256\0\0"),
        |said| challenge(said, "4096"),
        |_| error("FATAL", "28P01", "password authentication failed"),
    ];
    for lie in lies {
        let mut step = 0;
        let peer = Peer::new(b"", |said, _| {
            step += 1;
            match step {
                1 => offer(),
                2 => challenge(said, "4096"),
                _ => lie(b"n,,n=,r=x"),
            }
        });
        let _refused = said_as_it_is_never(peer);
    }
}

fn said_as_it_is_never(peer: Peer<'_>) -> Error {
    let refused = Session::connect(peer, &LOGIN).map(drop).unwrap_err();
    assert!(!refused.to_string().contains("horse"));
    refused
}

#[test]
fn a_server_cannot_have_us_count_for_hours() {
    for rounds in ["4294967295", "100001", "-1", "99999999999999", ""] {
        let mut step = 0;
        let peer = Peer::new(b"", |said, _| {
            step += 1;
            if step == 1 { authentication(10, b"SCRAM-SHA-256\0\0") } else { challenge(said, rounds) }
        });
        assert!(matches!(said_as_it_is_never(peer), Error::Protocol(_)), "{rounds}");
    }
}

#[test]
fn lengths_are_not_believed() {
    for length in [[0xff; 4], [0x7f, 0xff, 0xff, 0xff], [0, 0, 0, 0], [0, 0, 0, 3], [0, 0x20, 0, 0]] {
        let header = [&[b'D'][..], &length].concat();
        assert!(matches!(ask(&header), Err(Error::Protocol(_))), "{length:?}");
        let header = [&[b'R'][..], &length].concat();
        assert!(matches!(connect(vec![header]), Err(Error::Protocol(_))), "{length:?}");
    }
    let notices = message(b'N', b"Mhello\0\0").repeat(200_000);
    assert!(matches!(ask(&notices), Err(Error::Protocol(_))));
    assert!(matches!(connect(vec![notices]), Err(Error::Protocol(_))));
    let many = row(&[Some("x")]).repeat(20_000);
    assert!(matches!(ask(&many), Err(Error::Protocol(_))));
    let wide = row(&vec![None; 60_000]).repeat(3);
    assert!(matches!(ask(&wide), Err(Error::Protocol(_))));
    assert!(matches!(ask(&message(b'G', &[0; 3])), Err(Error::Protocol(_))));
    assert!(matches!(connect(vec![b"HTTP/1.1 400 Bad Request\r\n".to_vec()]), Err(Error::Protocol(_))));
}

/// What is revoked on a server of this version, on which a tenant has let in others.
fn revoked(version: &str) -> Vec<String> {
    let welcome = welcome_of(version);
    let mut revoked = vec![];
    let peer = Peer::new(b"", |bytes, _| {
        let said = String::from_utf8_lossy(bytes).into_owned();
        let rows = match () {
            () if said.contains("client_encoding") => return welcome.clone(),
            () if said.contains("FROM pg_auth_members") => vec![row(&[Some("bob"), Some("ann_2"), Some("ann")])],
            () if said.contains("aclexplode") => {
                vec![row(&[Some("it's"), Some("f")]), row(&[None, Some("f")]), row(&[None, Some("t")])]
            }
            () => vec![],
        };
        revoked.extend(said.find("REVOKE").map(|at| said[at..].trim_end_matches('\0').to_owned()));
        [rows.concat(), READY.to_vec()].concat()
    });
    let mut session = Session::connect(peer, &LOGIN).unwrap();
    let others = others::shut_out_others(&mut session, "ann").unwrap();
    assert_eq!(Vec::from_iter(others), ["PUBLIC", "bob", "it's"]);
    drop(session);
    revoked
}

#[test]
fn whom_a_tenant_has_let_in_is_shut_out_by_the_words_of_the_servers_version() {
    let of_database =
        [r#"REVOKE ALL ON DATABASE "ann" FROM "it's" CASCADE"#, r#"REVOKE ALL ON DATABASE "ann" FROM PUBLIC CASCADE"#];
    for (version, of_role) in [
        ("15.18", r#"REVOKE "ann_2" FROM "bob" CASCADE"#),
        ("16.1", r#"REVOKE "ann_2" FROM "bob" GRANTED BY "ann" CASCADE"#),
    ] {
        assert_eq!(revoked(version), [&[of_role][..], &of_database].concat());
    }
}

#[test]
fn nothing_gets_out_of_its_quotes() {
    let sql = Sql::new("ALTER ROLE ").name("a\"; DROP TABLE x; --").then(" PASSWORD ").literal("it's \\");
    assert_eq!(sql.as_str(), r#"ALTER ROLE "a""; DROP TABLE x; --" PASSWORD  E'it''s \\'"#);
    let zero = connect(vec![welcome()]).unwrap().query(&Sql::new("SELECT ").literal("a\0b"));
    assert!(matches!(zero, Err(Error::BadInput(_))));
    for name in ["", "a\0b", &"x".repeat(64)] {
        let dropped = drop_role_and_database(&mut connect(vec![welcome()]).unwrap(), name);
        assert!(matches!(dropped, Err(Error::BadInput(_))));
    }
}

#[test]
fn garbage_is_an_error_and_no_panic() {
    for_garbage(&welcome(), |bytes| {
        let _whatever = connect(vec![bytes.to_vec()]);
    });
    let answer = [row(&[Some("a"), None]), error("ERROR", "42P04", "no"), READY.to_vec()].concat();
    for_garbage(&answer, |bytes| {
        let _whatever = ask(bytes);
    });
    for_garbage(&authentication(10, b"SCRAM-SHA-256\0\0"), |bytes| {
        let _whatever = connect(vec![bytes.to_vec(), bytes.to_vec(), welcome()]);
    });
}
