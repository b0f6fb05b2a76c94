//! A server with a thief on it, who does what is possible between any two of our messages.

use std::cell::RefCell;

use super::*;
use crate::testing::Peer;
use crate::wire::Wire;

const RIGHT: &str = "battery staple";

/// What a server knows, and who is on it besides us.
struct Robbed {
    users: Vec<String>,
    /// What lets in the user `default`.
    passwords: Vec<String>,
    /// As whom the thief is logged in.
    thief: Vec<String>,
    makes_users: bool,
    made: u32,
    collected: Option<Vec<Vec<String>>>,
    rounds: u32,
    has_saved: bool,
}

impl Robbed {
    fn by(makes_users: bool) -> RefCell<Self> {
        let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        RefCell::new(Self {
            users: all(&["default", "x"]),
            passwords: all(&["the old one", "evil"]),
            thief: all(&["default", "x"]),
            makes_users,
            made: 0,
            collected: None,
            rounds: 0,
            has_saved: false,
        })
    }

    fn hears(&mut self, message: &[u8]) -> Vec<u8> {
        self.is_robbed();
        let text = String::from_utf8(message.to_vec()).unwrap();
        let words: Vec<String> = text.split("\r\n").skip(2).step_by(2).map(str::to_owned).collect();
        let first = words[0].as_str();
        match (first, &mut self.collected) {
            ("MULTI", None) => {
                self.collected = Some(vec![]);
                b"+OK\r\n".to_vec()
            }
            ("EXEC", Some(all)) => {
                let all = std::mem::take(all);
                self.collected = None;
                self.rounds += 1;
                let answers = all.iter().map(|words| self.does(words)).collect::<Vec<_>>().concat();
                [format!("*{}\r\n", all.len()).into_bytes(), answers].concat()
            }
            (_, Some(all)) => {
                all.push(words);
                b"+QUEUED\r\n".to_vec()
            }
            (_, None) => self.does(&words),
        }
    }

    /// Whoever is there gives `default` another password, and comes by it; and makes a user, if that is what they do, and comes as that.
    fn is_robbed(&mut self) {
        if self.thief.is_empty() {
            return;
        }
        self.passwords.push("evil".to_owned());
        self.thief.push("default".to_owned());
        if self.makes_users {
            self.made += 1;
            let fresh = format!("x{}", self.made);
            self.users.push(fresh.clone());
            self.thief.push(fresh);
        }
    }

    fn does(&mut self, words: &[String]) -> Vec<u8> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["ACL", "SETUSER", "default", "resetpass", digest] => {
                self.passwords = vec![digest.to_owned()];
                b"+OK\r\n".to_vec()
            }
            ["CLIENT", "KILL", "USER", "default", "SKIPME", "yes"] => {
                self.thief.retain(|user| user != "default");
                b":1\r\n".to_vec()
            }
            ["ACL", "DELUSER", ref gone @ ..] => {
                let stays = |user: &String| !gone.contains(&user.as_str());
                self.users.retain(stays);
                self.thief.retain(stays);
                b":1\r\n".to_vec()
            }
            ["ACL", "USERS"] => {
                let names = self.users.iter().map(|name| format!("${}\r\n{name}\r\n", name.len()));
                format!("*{}\r\n{}", self.users.len(), names.collect::<String>()).into_bytes()
            }
            ["ACL", "SAVE"] => {
                self.has_saved = true;
                b"+OK\r\n".to_vec()
            }
            _ => panic!("{words:?}"),
        }
    }
}

fn left_only(robbed: &RefCell<Robbed>) -> Result<Kept, Error> {
    let peer = Peer::new(b"", |message, _| robbed.borrow_mut().hears(message));
    leave_only(&mut Session { wire: Wire::new(peer) }, "default", RIGHT)
}

#[test]
fn a_password_that_is_slipped_in_between_two_messages_is_gone_in_the_end() {
    let robbed = Robbed::by(false);
    assert_eq!(left_only(&robbed).unwrap(), Kept::OnDisk);
    let robbed = robbed.into_inner();
    assert_eq!(robbed.passwords, [format!("#{}", digest(RIGHT))]);
    assert_eq!((robbed.users, robbed.thief), (vec!["default".to_owned()], vec![]));
    assert!(robbed.has_saved);
}

#[test]
fn who_makes_users_as_fast_as_they_are_removed_is_not_followed_for_ever() {
    let robbed = Robbed::by(true);
    let why = left_only(&robbed).unwrap_err().to_string();
    assert!(why.contains("as fast as they are removed"), "{why}");
    let robbed = robbed.into_inner();
    assert_eq!((robbed.rounds, robbed.has_saved), (ROUNDS_MAX, false));
}

#[test]
fn what_the_server_does_not_let_us_do_is_told_and_collected_no_more() {
    let refused = b"-NOPERM no permissions to run 'acl|users'\r\n".to_vec();
    let (fine, queued, pong) = (b"+OK\r\n".to_vec(), b"+QUEUED\r\n".to_vec(), b"+PONG\r\n".to_vec());
    let says = vec![fine.clone(), queued.clone(), queued, refused, fine, pong];
    let mut session = Session { wire: Wire::new(Peer::answering(b"", says)) };
    assert_eq!(leave_only(&mut session, "default", RIGHT).unwrap_err().code(), Some("NOPERM"));
    session.ping().unwrap();
}

#[test]
fn a_list_of_users_that_is_none_is_an_error() {
    for answer in ["+OK\r\n", "*0\r\n", "*1\r\n*1\r\n:1\r\n", "*1\r\n-ERR no\r\n", "*-1\r\n"] {
        let said = [b"+OK\r\n".to_vec()].into_iter().chain(vec![b"+QUEUED\r\n".to_vec(); 3]);
        let peer = Peer::answering(b"", said.chain([answer.as_bytes().to_vec()]).collect());
        assert!(leave_only(&mut Session { wire: Wire::new(peer) }, "default", RIGHT).is_err(), "{answer}");
    }
}
