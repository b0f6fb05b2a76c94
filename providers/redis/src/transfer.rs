//! All keys of a server as the commands that restore them, with the time that each has left to live.
//!
//! A file of Redis's own (`redis-cli --rdb`) could only be taken in by a server that starts with it; these commands are taken in by
//! any that runs, `redis-cli --pipe`. They are collected a few keys at a time, each as it is then: an export is no snapshot.
//!
//! While the server hands something out, it has it twice, and there is only so much room beside its data. So it is asked for about a
//! MiB at a time, for a larger key by itself, and for one that might be too large not at all: the export fails, and the server goes on.

use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure, Role, Stream, Transfer};
use larder_servers::Size as _;

use crate::offer::{IMAGE, Size};
use crate::server::Server;
use crate::{Kind, Redis};

/// How much of its memory a server gives at a time, unless it is one key.
const BATCH_BYTES: u64 = 1024 * 1024;
/// What a key may take at most is this part of what a server may use beside its data: it is there twice more, and as much is left.
const ROOM_FOR_KEYS: u64 = 4;

/// In the server: the commands for keys from a place on, and the next place. A place is a cursor and, if the cursor stands for several
/// keys, the hash of the last one that is done; keys may come and go meanwhile, and are taken in the order of their hashes. What an
/// earlier batch has left in the interpreter goes first.
const COLLECT: &str = "collectgarbage(); local at, done = ARGV[1], ARGV[2]; \
    local batch, most, look = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5] == 'look'; local bytes, out = 0, {''}; \
    for _ = 1, 1000 do local r = redis.call('SCAN', at, 'COUNT', 1); local keys = {}; \
    for _, k in ipairs(r[2]) do keys[#keys+1] = {redis.sha1hex(k), k} end; table.sort(keys, function(a, b) return a[1] < b[1] end); \
    for _, key in ipairs(keys) do local hash, k = key[1], key[2]; \
    local size = hash > done and redis.call('MEMORY', 'USAGE', k, 'SAMPLES', 0); if size then \
    if size > most then return redis.error_reply('ERR a key takes '..size..' bytes, and this plan exports at most '..most) end; \
    if not look then if bytes > 0 and bytes + size > batch then out[1] = at..' '..done..'\\n'; return out end; \
    local d = redis.call('DUMP', k); if d then local t = redis.call('PTTL', k); \
    if t == 0 then t = 1 elseif t < 0 then t = 0 end; t = string.format('%.0f', t); \
    out[#out+1] = '*5\\r\\n$7\\r\\nRESTORE\\r\\n$'..#k..'\\r\\n'..k..'\\r\\n$'..#t..'\\r\\n'..t..'\\r\\n$'..#d..'\\r\\n'; \
    out[#out+1] = d; out[#out+1] = '\\r\\n$7\\r\\nREPLACE\\r\\n'; bytes = bytes + size; done = hash end end end end; \
    at, done = r[1], '-'; if at == '0' then out[1] = 'end -\\n'; return out end; if bytes >= batch then break end end; \
    out[1] = at..' -\\n'; return out";

/// In the container: from place to place, through all databases. An answer's first line is the place, the rest goes out. That is done
/// twice, and at first nothing goes out: a key that is too large is to be found before half of the others are on their way.
const EXPORT: &str = "set -e; for pass in look write; do db=0; while [ $db -lt 16 ]; do \
    [ $pass = look ] || printf '*2\\r\\n$6\\r\\nSELECT\\r\\n$%d\\r\\n%d\\r\\n' ${#db} $db; \
    at=0; after=-; while :; do redis-cli -h 127.0.0.1 -n $db --raw -d '' EVAL \"$COLLECT\" 0 $at $after $BATCH $MOST $pass | \
    { IFS= read -r at; printf %s \"$at\" > /tmp/at; if [ $pass = look ]; then cat > /dev/null; else cat; fi; }; \
    read -r at after < /tmp/at || :; case $at in end) break;; ''|*[!0-9]*) echo \"redis: $(cat /tmp/at)\" >&2; exit 1;; esac; \
    done; db=$((db+1)); done; done";
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
    let size = Size::of(addon)?;
    let most_bytes = (size.memory_mib() - size.data_mib) / ROOM_FOR_KEYS * 1024 * 1024;
    let container = Container::new("transfer", &IMAGE.kept()?)
        .user("999:999")
        // The client has a key several times, too.
        .memory_mib(size.memory_mib())
        .pids(16)
        .read_only()
        .tmpfs("/tmp", 1)
        .entrypoint(["sh", "-c", script])
        .env("REDISCLI_AUTH", &Server::of(addon)?.newest_password()?)
        .env("COLLECT", COLLECT)
        .env("BATCH", &BATCH_BYTES.to_string())
        .env("MOST", &most_bytes.to_string());
    Ok(Stream::through(container).of_type("application/vnd.redis.commands", "resp"))
}
