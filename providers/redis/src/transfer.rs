//! All keys of a server as the commands that restore them, with the time that each has left to live.
//!
//! A file of Redis's own (`redis-cli --rdb`) could only be taken in by a server that starts with it; these commands are taken in by
//! any that runs, `redis-cli --pipe`. They are collected a few keys at a time, each as it is then: an export is no snapshot.

use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure, Role, Stream, Transfer};

use crate::offer::IMAGE;
use crate::server::Server;
use crate::{Kind, Redis};

/// In the server: the next place to go on from, and the commands for the keys from this one on.
const COLLECT: &str = "local r = redis.call('SCAN', ARGV[1], 'COUNT', 100); local out = {}; \
    for _, k in ipairs(r[2]) do local d = redis.call('DUMP', k); if d then \
    local t = redis.call('PTTL', k); if t == 0 then t = 1 elseif t < 0 then t = 0 end; t = string.format('%.0f', t); \
    out[#out+1] = '*5\\r\\n$7\\r\\nRESTORE\\r\\n$'..#k..'\\r\\n'..k..'\\r\\n$'..#t..'\\r\\n'..t..'\\r\\n$'..#d..'\\r\\n'..d..'\\r\\n$7\\r\\nREPLACE\\r\\n' \
    end end; return {r[1], table.concat(out)}";

/// In the container: from place to place, through all databases. An answer's first line is the place, the rest goes out.
const EXPORT: &str = "set -e; db=0; while [ $db -lt 16 ]; do printf '*2\\r\\n$6\\r\\nSELECT\\r\\n$%d\\r\\n%d\\r\\n' ${#db} $db; \
    at=0; while :; do redis-cli -h 127.0.0.1 -n $db --raw EVAL \"$COLLECT\" 0 $at | { IFS= read -r at; printf %s \"$at\" > /tmp/at; cat; }; \
    at=$(cat /tmp/at); case $at in ''|*[!0-9]*) echo \"redis: $at\" >&2; exit 1;; esac; \
    [ \"$at\" = 0 ] && break; done; db=$((db+1)); done";
const IMPORT: &str = "exec redis-cli -h 127.0.0.1 --pipe";

impl Transfer for Redis {
    fn begin_export(addon: &Addon) -> Result<Stream, Failure> {
        stream(addon, EXPORT)
    }

    fn begin_import(addon: &Addon) -> Result<Stream, Failure> {
        stream(addon, IMPORT)
    }
}

fn stream(addon: &Addon, script: &str) -> Result<Stream, Failure> {
    if !matches!((Kind::of(addon), addon.role()), (Kind::Server, Role::User)) {
        return Err(Failure::rejected(
            "only a server of an app's own can be exported and imported: a part of a common one may not run what it takes",
        ));
    }
    let container = Container::new("transfer", &IMAGE.now()?)
        .user("999:999")
        .memory_mib(64)
        .pids(16)
        .read_only()
        .tmpfs("/tmp", 1)
        .entrypoint(["sh", "-c", script])
        .env("REDISCLI_AUTH", &Server::of(addon)?.newest_password()?)
        .env("COLLECT", COLLECT);
    Ok(Stream::through(container).of_type("application/vnd.redis.commands", "resp"))
}
