//! A host under a steady load for a while: addons come and go, somebody listens and hangs up, somebody uploads what is no provider or
//! hangs up in the middle of it. What it takes of the machine stays the same: memory, descriptors, threads, the database's log and the
//! uploads. Only its history grows, by what each addon leaves.
//!
//! `LARDER_SOAK_MINUTES` makes it longer; in the end one line of JSON says what it amounted to.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{join, join_all, join3};
use reqwest::{Body, Method};
use serde_json::json;

use crate::support::{Host, Length, Tally, guest};

/// How long it goes on, if nobody says otherwise, in minutes: a quarter of one.
const MINUTES: f64 = 0.25;
/// The first part of it, in which a host comes to what it takes, and is not compared.
const WARM_UP: f64 = 0.34;
/// How often it is looked what a host takes.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How many make addons at once, and how long each rests between two.
const MAKERS: usize = 4;
const REST: Duration = Duration::from_millis(20);
/// How often somebody uploads, and listens.
const VISIT_EVERY: Duration = Duration::from_millis(50);

/// How much more than before may be taken later: a share of that, and what one more request under way may take.
const SHARE_MAX: f64 = 1.05;
const RSS_KIB_MORE: f64 = 8.0 * 1024.0;
/// What of the database each of its connections keeps in memory at most, in KiB, and how many there are: as long as it has not
/// grown to that, they keep all of it.
const CACHE_KIB_MAX: f64 = 8.0 * 1024.0;
const CONNECTIONS: f64 = 5.0;
const DESCRIPTORS_MORE: f64 = 12.0;
const THREADS_MORE: f64 = 6.0;
const WAL_BYTES_MORE: f64 = 4.0 * 1024.0 * 1024.0;
const UPLOADS_BYTES_MORE: f64 = 1024.0 * 1024.0;
/// The longest log that a database has whatever is asked of it, in bytes.
const WAL_BYTES_MAX: f64 = 64.0 * 1024.0 * 1024.0;
/// What one addon that has come and gone leaves in the database at most, in bytes. How much more later than before is only known of many,
/// since a database grows in steps.
const ADDON_BYTES_MAX: f64 = 24.0 * 1024.0;
const ADDON_SHARE_MAX: f64 = 1.25;
const ADDONS_TO_COMPARE: f64 = 1_000.0;

/// What a host takes at a moment.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    rss_kib: f64,
    descriptors: f64,
    threads: f64,
    wal_bytes: f64,
    uploads_bytes: f64,
    /// The database without its log.
    database_bytes: f64,
    /// How many addons have come and gone by then.
    addons: f64,
}

/// Something of that: its name, what has to hold of it, how it is read, and how much more of it there may be.
type Kind = (&'static str, &'static str, fn(&Taken) -> f64, f64);

#[tokio::test]
async fn a_host_takes_no_more_after_a_while_than_before() {
    let length = Length::of_minutes("LARDER_SOAK", MINUTES);
    let host = Host::start(&["secret"]).await;
    let (mut tally, addons, mut seen) = (Tally::default(), Cell::new(0_u64), vec![]);
    let makers = join_all((0..MAKERS).map(|maker| make(&host, maker, &length, &addons)));
    let visitors = join3(listen(&host, &length), upload(&host, &length), hang_up(&host, &length));
    let looker = async {
        while length.goes_on(0) {
            seen.push(look(&host, addons.get()));
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    join(looker, join(makers, visitors)).await;
    judge(&seen, &mut tally);
    tally.tell("addons", json!(addons.get()));
    tally.tell("warm_up_seconds", json!(WARM_UP * length.seconds()));
    tally.close("soak", addons.get(), &length, None);
}

/// Makes an addon, looks at what it gives, and deletes it, again and again.
async fn make(host: &Host, maker: usize, length: &Length, addons: &Cell<u64>) {
    while length.goes_on(0) {
        let name = format!("m{maker}");
        let made = host.create_and_wait(json!({ "service": "secret", "name": name, "attach_as": name })).await;
        let id = made.expect(201)["id"].as_str().unwrap().to_owned();
        host.get(&format!("/v1/addons/{id}/config")).await.expect(200);
        host.get("/v1/apps/demo/addons").await.expect(200);
        host.patch("/v1/apps/demo/config", json!({ (format!("OWN_{maker}")): id })).await.expect(200);
        host.delete(&format!("/v1/addons/{id}")).await.expect(202);
        host.cleaned_up(&id).await;
        addons.set(addons.get() + 1);
        tokio::time::sleep(REST).await;
    }
}

/// Listens to what happens, and hangs up after a few words.
async fn listen(host: &Host, length: &Length) {
    while length.goes_on(0) {
        let request = host.request(Method::GET, "/v1/events?after=0").header("accept", "text/event-stream");
        let mut stream = request.send().await.unwrap().bytes_stream();
        for _ in 0..3 {
            stream.next().await.unwrap().unwrap();
        }
        drop(stream);
        tokio::time::sleep(VISIT_EVERY).await;
    }
}

/// Uploads what is no provider.
async fn upload(host: &Host, length: &Length) {
    let broken = [guest("command"), guest("secret").split_at(40_000).0.to_vec(), vec![0; 1 << 20]];
    for wasm in broken.iter().cycle().take_while(|_| length.goes_on(0)) {
        host.upload("nothing", wasm.clone()).await.expect(422);
        tokio::time::sleep(VISIT_EVERY).await;
    }
}

/// Begins to upload, and hangs up.
async fn hang_up(host: &Host, length: &Length) {
    while length.goes_on(0) {
        let begun = futures_util::stream::iter([Ok(vec![7_u8; 1 << 18]), Err(std::io::Error::other("gone"))]);
        let request = host.request(Method::POST, "/v1/providers?name=half").header("content-type", "application/wasm");
        assert!(request.body(Body::wrap_stream(begun)).send().await.is_err());
        tokio::time::sleep(VISIT_EVERY).await;
    }
}

fn look(host: &Host, addons: u64) -> Taken {
    let process = Path::new("/proc").join(host.pid().to_string());
    let status = fs::read_to_string(process.join("status")).unwrap();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
    };
    let bytes = |is: &dyn Fn(&str) -> bool| {
        let entries = fs::read_dir(host.dir()).unwrap().flatten();
        let of = entries.filter(|entry| is(&entry.file_name().to_string_lossy()));
        of.map(|entry| entry.metadata().map_or(0, |data| data.len()) as f64).sum()
    };
    let uploads = fs::read_dir(host.dir().join("uploads")).into_iter().flatten().flatten();
    Taken {
        rss_kib: number("VmRSS:"),
        threads: number("Threads:"),
        descriptors: fs::read_dir(process.join("fd")).unwrap().count() as f64,
        wal_bytes: bytes(&|name| name.ends_with("-wal")),
        uploads_bytes: uploads
            .map(|entry| entry.metadata().map_or(0, |data| data.len()) as f64)
            .fold(0.0, |sum, bytes| sum + bytes),
        database_bytes: bytes(&|name| name.ends_with(".db")),
        addons: addons as f64,
    }
}

/// After the warm-up, the second half takes no more than the first.
fn judge(seen: &[Taken], tally: &mut Tally) {
    let after = &seen[(seen.len() as f64 * WARM_UP) as usize..];
    let (first, second) = after.split_at(after.len() / 2);
    let kinds: [Kind; 5] = [
        ("rss_kib", "memory_is_flat", |taken| taken.rss_kib, RSS_KIB_MORE),
        ("descriptors", "descriptors_are_flat", |taken| taken.descriptors, DESCRIPTORS_MORE),
        ("threads", "threads_are_flat", |taken| taken.threads, THREADS_MORE),
        ("wal_bytes", "the_log_of_the_database_is_flat", |taken| taken.wal_bytes, WAL_BYTES_MORE),
        ("uploads_bytes", "uploads_are_flat", |taken| taken.uploads_bytes, UPLOADS_BYTES_MORE),
    ];
    let cached = |half: &[Taken]| CONNECTIONS * (half[half.len() - 1].database_bytes / 1024.0).min(CACHE_KIB_MAX);
    for (what, invariant, of, more) in kinds {
        let more = if what == "rss_kib" { more + cached(second) - cached(first) } else { more };
        let (before, later) = (level(first, of), level(second, of));
        let at_most = (before * SHARE_MAX + more).round();
        let most = after.iter().map(of).fold(0.0, f64::max);
        tally.tell(what, json!({ "before": before, "later": later, "at_most": at_most, "once": most }));
        let why = || format!("{what}: {before} in the first half, {later} in the second, {most} once");
        tally.holds(invariant, later <= before * SHARE_MAX + more, why);
    }
    let wal = after.iter().map(|taken| taken.wal_bytes).fold(0.0, f64::max);
    tally.holds("the_log_of_the_database_is_bounded", wal <= WAL_BYTES_MAX, || format!("{wal} bytes"));
    let (addons, bytes) = each(after);
    let (_, later) = each(second);
    tally.tell("database_bytes_an_addon", json!({ "before": each(first).1, "later": later }));
    let is_same = bytes <= ADDON_BYTES_MAX && (addons < ADDONS_TO_COMPARE || later <= each(first).1 * ADDON_SHARE_MAX);
    tally.holds("an_addon_leaves_no_more_than_before", is_same, || {
        format!("{} bytes of the database each in the first half, {later} in the second", each(first).1)
    });
}

/// What is taken most of the time: a machine that stands still for a moment has work pile up, and what is done then for it is no leak.
fn level(half: &[Taken], of: fn(&Taken) -> f64) -> f64 {
    let mut all: Vec<f64> = half.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// How many addons came and went meanwhile, and by how many bytes the database grew for each.
fn each(part: &[Taken]) -> (f64, f64) {
    let (from, to) = (part[0], part[part.len() - 1]);
    let addons = (to.addons - from.addons).max(1.0);
    (addons, ((to.database_bytes - from.database_bytes) / addons).round())
}
