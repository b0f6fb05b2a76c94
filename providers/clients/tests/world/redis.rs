//! Two users of one real Redis: what each can do, and that it sees nothing of the other.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use larder_clients::Error;
use larder_clients::redis::{
    Kept, Scripts, Session, User, Value, acl_delete_user, acl_set_user, delete_keys, end_sessions, leave_only,
    lets_anybody_in, login, set_passwords,
};
use tempfile::TempDir;

use crate::support::{Server, free_port, program};

const ADMIN: &str = "correct horse";

type Client = Session<TcpStream>;

fn start(test: &str, has_file: bool) -> Option<Server> {
    let redis = program(test, "redis-server")?;
    let (dir, port) = (TempDir::new().unwrap(), free_port());
    let mut command = Command::new(redis);
    if has_file {
        fs::write(dir.path().join("users"), format!("user default on >{} ~* &* +@all\n", ADMIN.replace(' ', "_")))
            .unwrap();
        command.args(["--aclfile", "users"]);
    } else {
        command.args(["--requirepass", ADMIN]);
    }
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(dir.path());
    command.args(["--enable-debug-command", "yes", "--enable-module-command", "yes"]).current_dir(dir.path());
    Some(Server::start(dir, port, &mut command, "Ready to accept connections", "-TERM"))
}

fn user(server: &Server, name: &str) -> Client {
    login(server.connect(), Some(name), Some("secret")).unwrap()
}

fn make(admin: &mut Client, name: &str, scripts: Scripts) {
    let user = User { name, passwords: &["secret"], prefix: name, scripts };
    assert_eq!(acl_set_user(admin, &user).unwrap(), Kept::InMemory);
}

fn ask(client: &mut Client, line: &str) -> Result<Value, Error> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    client.command(&words)
}

/// Two users, `ann` and `bob`; bob has a key of each kind.
fn two_users(test: &str, scripts: Scripts) -> Option<(Server, Client, Client)> {
    let server = start(test, false)?;
    let mut admin = login(server.connect(), None, Some(ADMIN)).unwrap();
    make(&mut admin, "ann", scripts);
    make(&mut admin, "bob", scripts);
    let mut bob = user(&server, "bob");
    let kinds =
        ["SET bob:s 1", "HSET bob:h f 1", "LPUSH bob:l 1", "SADD bob:set 1", "ZADD bob:z 1 a", "XADD bob:x * f 1"];
    for line in kinds {
        ask(&mut bob, line).unwrap();
    }
    let ann = user(&server, "ann");
    Some((server, admin, ann))
}

#[test]
fn world_redis_users_do_what_applications_do() {
    let Some((_server, _, mut ann)) = two_users("world_redis_users_do_what_applications_do", Scripts::Allowed) else {
        return;
    };
    let fine = "SET ann:k v EX 100|GET ann:k|INCR ann:n|DEL ann:n|EXPIRE ann:k 100|TTL ann:k|TYPE ann:k|EXISTS ann:k|\
        RENAME ann:k ann:j|UNLINK ann:j|HSET ann:h f v|HSCAN ann:h 0|HGETALL ann:h|LPUSH ann:l 1|BLPOP ann:l 1|\
        SADD ann:s 1|SSCAN ann:s 0|ZADD ann:z 1 a|ZSCAN ann:z 0|XADD ann:x * f v|XINFO STREAM ann:x|XGROUP CREATE ann:x g $|\
        SETBIT ann:b 7 1|PFADD ann:p 1|GEOADD ann:g 1 1 a|OBJECT ENCODING ann:h|MEMORY USAGE ann:h|PUBLISH ann:c hi|\
        MULTI|SET ann:t 1|EXEC|WATCH ann:t|UNWATCH|SELECT 0|CLIENT SETNAME ann|CLIENT GETNAME|CLIENT ID|CLIENT INFO|HELLO 2|\
        PING|ECHO hi|TIME|COMMAND COUNT|EVAL return{KEYS[1],redis.call('GET',KEYS[1])} 1 ann:t|SCRIPT LOAD return(1)|\
        SUBSCRIBE ann:c";
    for line in fine.split('|') {
        ask(&mut ann, line.trim()).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

/// What must be refused for lack of permission, whatever else may be wrong with it.
const LEAKS: &str = "SCAN 0|SCAN 0 MATCH bob:*|KEYS *|KEYS bob:*|RANDOMKEY|DBSIZE|FLUSHALL|FLUSHDB|SWAPDB 0 1|MOVE ann:k 1|\
    COPY ann:k ann:j DB 1|SELECT 1|DEBUG SLEEP 0|DEBUG OBJECT bob:s|MONITOR|CLIENT LIST|CLIENT KILL ID 1|CLIENT PAUSE 1|\
    CLIENT UNBLOCK 1|CLIENT NO-EVICT on|CLIENT TRACKING on BCAST|CLIENT TRACKING on BCAST PREFIX bob:|\
    CLIENT TRACKING on REDIRECT 1 BCAST|CLIENT CACHING yes|CLIENT TRACKINGINFO|CLIENT GETREDIR|PUBSUB CHANNELS|PUBSUB NUMPAT|\
    PUBSUB NUMSUB bob:c|PUBSUB SHARDCHANNELS|SCRIPT FLUSH|SCRIPT KILL|SCRIPT DEBUG no|FUNCTION LIST|FUNCTION FLUSH|\
    FUNCTION DUMP|FUNCTION STATS|FUNCTION KILL|FUNCTION LOAD x|FUNCTION DELETE x|FUNCTION RESTORE x|FCALL f 0|FCALL_RO f 0|\
    INFO|INFO keyspace|INFO server|LATENCY LATEST|LATENCY DOCTOR|SLOWLOG GET|MEMORY STATS|MEMORY DOCTOR|MEMORY PURGE|\
    MEMORY MALLOC-STATS|SORT ann:l BY bob:* GET bob:*|SORT_RO ann:l BY nosort GET bob:s|CONFIG GET *|CONFIG SET maxmemory 1|\
    CONFIG RESETSTAT|CONFIG REWRITE|ACL LIST|ACL USERS|ACL GETUSER bob|ACL SETUSER ann +@all|ACL DELUSER bob|ACL LOG|ACL WHOAMI|\
    ACL DRYRUN bob GET bob:s|SAVE|BGSAVE|BGREWRITEAOF|LASTSAVE|SHUTDOWN NOSAVE|REPLICAOF no one|SLAVEOF no one|ROLE|SYNC|PSYNC ? -1|\
    REPLCONF capa eof|FAILOVER|CLUSTER INFO|CLUSTER GETKEYSINSLOT 0 9|CLUSTER COUNTKEYSINSLOT 0|MODULE LIST|MODULE LOAD x|\
    MIGRATE 127.0.0.1 1 bob:s 0 1|RESTORE ann:k 0 x|RESTORE-ASKING ann:k 0 x|PFDEBUG ENCODING ann:k|PFSELFTEST|LOLWUT|\
    GET bob:s|SET bob:s 2|APPEND bob:s 2|DEL bob:s|UNLINK bob:s|EXISTS ann:k bob:s|TYPE bob:s|TTL bob:s|DUMP bob:s|TOUCH bob:s|\
    EXPIRE bob:s 1|PERSIST bob:s|RENAME bob:s ann:k|RENAME ann:k bob:s|OBJECT ENCODING bob:s|OBJECT FREQ bob:s|OBJECT IDLETIME bob:s|\
    MEMORY USAGE bob:s|MGET ann:k bob:s|MSET ann:k 1 bob:s 1|STRLEN bob:s|GETRANGE bob:s 0 1|LCS ann:k bob:s|BITOP OR ann:k bob:s|\
    HGETALL bob:h|HSCAN bob:h 0|HRANDFIELD bob:h|LRANGE bob:l 0 1|LMOVE bob:l ann:l LEFT LEFT|BLPOP bob:l 1|RPOPLPUSH bob:l ann:l|\
    SMEMBERS bob:set|SINTERCARD 2 ann:set bob:set|SUNIONSTORE ann:set bob:set|SSCAN bob:set 0|ZRANGE bob:z 0 1|ZSCAN bob:z 0|\
    ZUNIONSTORE ann:z 1 bob:z|ZRANGESTORE ann:z bob:z 0 1|GEOSEARCHSTORE ann:g bob:z FROMLONLAT 1 1 BYRADIUS 1 m|PFMERGE ann:p bob:p|\
    XREAD STREAMS bob:x 0|XRANGE bob:x - +|XINFO STREAM bob:x|XINFO GROUPS bob:x|XGROUP CREATE bob:x g 0|XREADGROUP GROUP g c STREAMS bob:x >|\
    XADD bob:x * f 1|WATCH bob:s|GET bobby|GET ann|SUBSCRIBE bob:c|PSUBSCRIBE *|PSUBSCRIBE bob:*|SSUBSCRIBE bob:c|PUBLISH bob:c x|\
    SPUBLISH bob:c x|SUBSCRIBE __keyspace@0__:bob:s|PSUBSCRIBE __key*__:*|SUBSCRIBE __redis__:invalidate|SET bob:* 1|GET ANN:k";

#[test]
fn world_redis_users_see_nothing_of_each_other() {
    let test = "world_redis_users_see_nothing_of_each_other";
    let Some((server, mut admin, mut ann)) = two_users(test, Scripts::Allowed) else { return };
    for line in LEAKS.split('|') {
        let answer = ask(&mut ann, line.trim());
        assert_eq!(answer.as_ref().err().and_then(Error::code), Some("NOPERM"), "{line}: {answer:?}");
        // In a transaction, too.
        ask(&mut ann, "MULTI").unwrap();
        assert!(ask(&mut ann, line.trim()).is_err(), "{line}");
        ask(&mut ann, "DISCARD").unwrap();
    }
    // Nor through a script, which declares keys or doesn't.
    for script in [
        "return redis.call('GET','bob:s')",
        "return redis.call('SCAN','0')",
        "return redis.call('KEYS','*')",
        "return redis.call('RANDOMKEY')",
        "return redis.call('SELECT','1')",
        "return redis.call('PUBLISH','bob:c','x')",
        "return redis.call('INFO')",
        "return redis.call('COPY','ann:k','ann:j','DB','1')",
        "return loadstring('return redis.call(\"GET\",\"bob:s\")')()",
    ] {
        let answer = ann.command(&[b"EVAL", script.as_bytes(), b"0"]);
        let why = answer.as_ref().map_err(ToString::to_string).map(|_| ()).unwrap_err();
        let is_denied =
            ["NOPERM", "permission", "The user executing the script can't"].iter().any(|word| why.contains(word));
        assert!(is_denied, "{script}: {answer:?}");
    }
    let keys = ann.command(&[b"EVAL", b"return redis.call('GET',KEYS[1])", b"1", b"bob:s"]);
    assert_eq!(keys.unwrap_err().code(), Some("NOPERM"));
    // And nothing was done to bob.
    assert_eq!(ask(&mut user(&server, "bob"), "GET bob:s").unwrap().as_text(), Some("1"));
    assert_eq!(ask(&mut admin, "DBSIZE").unwrap().as_integer(), Some(6));
}

#[test]
fn world_redis_users_have_no_scripts_unless_allowed() {
    let test = "world_redis_users_have_no_scripts_unless_allowed";
    let Some((_server, _, mut ann)) = two_users(test, Scripts::Denied) else { return };
    for line in
        ["EVAL return(1) 0", "EVAL_RO return(1) 0", "EVALSHA x 0", "EVALSHA_RO x 0", "SCRIPT LOAD x", "SCRIPT EXISTS x"]
    {
        assert_eq!(ask(&mut ann, line).unwrap_err().code(), Some("NOPERM"), "{line}");
    }
}

/// Everything that a user may say at all, so that a new version's new commands are noticed.
#[test]
fn world_redis_commands_without_a_key_are_few() {
    let test = "world_redis_commands_without_a_key_are_few";
    let Some((_server, mut admin, _)) = two_users(test, Scripts::Denied) else { return };
    let Value::Array(commands) = ask(&mut admin, "COMMAND").unwrap() else { panic!("no list") };
    let mut without_key = vec![];
    for command in &commands {
        let Value::Array(about) = command else { panic!("{command:?}") };
        let (name, first_key) = (about[0].as_text().unwrap(), about[3].as_integer().unwrap());
        // Of some, only the command itself can tell which words are keys; the server asks it.
        let Value::Array(flags) = &about[2] else { panic!("{about:?}") };
        if first_key != 0 || flags.iter().any(|flag| flag.as_text() == Some("movablekeys")) {
            continue;
        }
        let tried = ask(&mut admin, &format!("ACL DRYRUN ann {name} ann:a ann:b ann:c"));
        if tried.is_ok_and(|tried| tried.as_text() == Some("OK")) {
            without_key.push(name.to_owned());
        }
    }
    without_key.sort();
    let known = "asking auth discard echo exec hello multi ping publish punsubscribe quit readonly readwrite reset \
        subscribe sunsubscribe time unsubscribe unwatch wait";
    let unknown: Vec<_> =
        without_key.iter().filter(|name| !known.split_whitespace().any(|known| known == *name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn world_redis_users_are_made_rotated_and_removed_again() {
    let test = "world_redis_users_are_made_rotated_and_removed_again";
    let Some((server, mut admin, mut ann)) = two_users(test, Scripts::Denied) else { return };
    let rotated = User { name: "ann", passwords: &["secret", "new"], prefix: "ann", scripts: Scripts::Denied };
    for _ in 0..2 {
        assert_eq!(acl_set_user(&mut admin, &rotated).unwrap(), Kept::InMemory);
    }
    ask(&mut ann, "SET ann:k 1").unwrap();
    user(&server, "ann");
    login(server.connect(), Some("ann"), Some("new")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(acl_set_user(&mut admin, &User { passwords: &["new"], ..rotated }).unwrap(), Kept::InMemory);
    let refused = login(server.connect(), Some("ann"), Some("secret")).map(drop);
    assert_eq!(refused.unwrap_err().code(), Some("WRONGPASS"));

    for _ in 0..2 {
        assert_eq!(acl_delete_user(&mut admin, "ann").unwrap(), Kept::InMemory);
    }
    assert!(ask(&mut ann, "PING").is_err());
    assert_eq!(login(server.connect(), Some("ann"), Some("new")).map(drop).unwrap_err().code(), Some("WRONGPASS"));
}

#[test]
fn world_redis_keys_are_swept_by_prefix_in_batches() {
    let test = "world_redis_keys_are_swept_by_prefix_in_batches";
    let Some((_server, mut admin, mut ann)) = two_users(test, Scripts::Allowed) else { return };
    ask(&mut admin, "SET annabel:k 1").unwrap();
    let fill = b"for i=1,5000 do redis.call('SET','ann:'..i,i) end";
    ann.command(&[b"EVAL", fill, b"0"]).unwrap();
    // Longer than a reply may be.
    let huge = [b"ann:".to_vec(), vec![b'x'; 3 * 1024 * 1024]].concat();
    ann.command(&[b"SET", &huge, b"1"]).unwrap();
    let first = delete_keys(&mut admin, "ann", None, 1).unwrap();
    assert!(first.cursor.is_some() && first.deleted < 2000, "{first:?}");
    let rest = delete_keys(&mut admin, "ann", first.cursor.as_deref(), 1000).unwrap();
    assert_eq!((rest.cursor, first.deleted + rest.deleted), (None, 5001));
    assert_eq!(ask(&mut admin, "DBSIZE").unwrap().as_integer(), Some(7));
    assert_eq!(delete_keys(&mut admin, "ann", None, 1000).unwrap().deleted, 0);
}

#[test]
fn world_redis_says_whether_users_are_kept() {
    let test = "world_redis_says_whether_users_are_kept";
    let Some(server) = start(test, true) else { return };
    let mut admin = login(server.connect(), None, Some("correct_horse")).unwrap();
    let ann = User { name: "ann", passwords: &["secret"], prefix: "ann", scripts: Scripts::Denied };
    assert_eq!(acl_set_user(&mut admin, &ann).unwrap(), Kept::OnDisk);
    let users = fs::read_to_string(server.dir.path().join("users")).unwrap();
    assert!(users.contains("user ann ") && !users.contains("secret"), "{users}");
    assert_eq!(acl_delete_user(&mut admin, "ann").unwrap(), Kept::OnDisk);

    let Some(server) = start(test, false) else { return };
    let mut admin = login(server.connect(), Some("default"), Some(ADMIN)).unwrap();
    assert_eq!(acl_set_user(&mut admin, &ann).unwrap(), Kept::InMemory);
    assert_eq!(login(server.connect(), None, Some("wrong")).map(drop).unwrap_err().code(), Some("WRONGPASS"));
    assert_eq!(login(server.connect(), None, None).map(drop).unwrap_err().code(), Some("NOAUTH"));
    assert!(!lets_anybody_in(&mut admin).unwrap());
    ask(&mut admin, "CONFIG SET requirepass ").unwrap();
    assert!(lets_anybody_in(&mut admin).unwrap());
    login(server.connect(), None, None).map(drop).unwrap();
}

#[test]
fn world_redis_a_user_who_stays_gets_other_passwords() {
    let test = "world_redis_a_user_who_stays_gets_other_passwords";
    let Some(server) = start(test, true) else { return };
    let (first, second) = ("correct_horse", "battery_staple");
    let by = |password| login(server.connect(), None, Some(password));
    let mut old = by(first).unwrap();
    assert_eq!(set_passwords(&mut old, "default", &[first, second]).unwrap(), Kept::OnDisk);
    let mut new = by(second).unwrap();
    by(first).map(drop).unwrap();
    for _ in 0..2 {
        assert_eq!(set_passwords(&mut new, "default", &[second]).unwrap(), Kept::OnDisk);
    }
    assert_eq!(by(first).map(drop).unwrap_err().code(), Some("WRONGPASS"));
    let users = fs::read_to_string(server.dir.path().join("users")).unwrap();
    assert!(!users.contains(first) && !users.contains(second), "{users}");
    // Whoever is there stays until told to go, but for who tells it.
    old.ping().unwrap();
    end_sessions(&mut new, "default").unwrap();
    assert!(old.ping().is_err());
    new.ping().unwrap();
    assert!(matches!(set_passwords(&mut new, "a user", &[second]), Err(Error::BadInput(_))));
}

#[test]
fn world_redis_nobody_is_left_but_who_has_the_one_password() {
    let Some(server) = start("world_redis_nobody_is_left_but_who_has_the_one_password", true) else { return };
    let mut admin = login(server.connect(), None, Some("correct_horse")).unwrap();
    for name in ["x", "a:b", "Jürgen"] {
        admin.command(&[b"ACL", b"SETUSER", name.as_bytes(), b"on", b">p", b"+@all"]).unwrap();
    }
    let mut by_old = login(server.connect(), None, Some("correct_horse")).unwrap();
    let mut other = login(server.connect(), Some("x"), Some("p")).unwrap();
    // Whoever is there lets themselves in again until they are cut off.
    let mut thief = login(server.connect(), Some("x"), Some("p")).unwrap();
    let robs = std::thread::spawn(move || while ask(&mut thief, "ACL SETUSER default >evil").is_ok() {});
    for _ in 0..2 {
        assert_eq!(leave_only(&mut admin, "default", "battery_staple").unwrap(), Kept::OnDisk);
    }
    robs.join().unwrap();
    assert!(by_old.ping().is_err() && other.ping().is_err());
    for password in ["correct_horse", "evil"] {
        let refused = login(server.connect(), None, Some(password)).map(drop).unwrap_err();
        assert_eq!(refused.code(), Some("WRONGPASS"));
    }
    login(server.connect(), None, Some("battery_staple")).map(drop).unwrap();
    let users = fs::read_to_string(server.dir.path().join("users")).unwrap();
    assert!(users.lines().count() == 1 && users.starts_with("user default "), "{users}");
    assert_eq!(users.matches('#').count(), 1, "{users}");
}

#[test]
fn world_redis_users_that_can_not_be_written_are_not_kept() {
    let Some(server) = start("world_redis_users_that_can_not_be_written_are_not_kept", true) else { return };
    let mut admin = login(server.connect(), None, Some("correct_horse")).unwrap();
    let ann = User { name: "ann", passwords: &["secret"], prefix: "ann", scripts: Scripts::Denied };
    // The new file can't take the place of a folder.
    let users = server.dir.path().join("users");
    fs::remove_file(&users).unwrap();
    fs::create_dir(&users).unwrap();
    assert_eq!(acl_set_user(&mut admin, &ann).unwrap(), Kept::InMemory);
    assert_eq!(acl_delete_user(&mut admin, "ann").unwrap(), Kept::InMemory);
    fs::remove_dir(&users).unwrap();
    assert_eq!(acl_delete_user(&mut admin, "ann").unwrap(), Kept::OnDisk);
}
