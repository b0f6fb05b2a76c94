//! Every limit is reached, named, and survived.

use std::sync::Arc;
use std::time::{Duration, Instant};

use larder_domain::failure::FaultCode;
use larder_domain::limits::LogAllowance;
use larder_domain::ports::{Export, ProviderRuntime, Reply};
use larder_domain::secret::SecretString;

use crate::guest::{Guest, LOOP, ZEROES};
use crate::host::{Store, call, call_with, code, limits, load, reply, sandbox, try_one};

fn looping(part: impl Fn(&mut Guest) -> &mut String) -> Guest {
    let mut guest = Guest::default();
    *part(&mut guest) = LOOP.to_owned();
    guest
}

#[tokio::test]
async fn a_guest_that_does_nothing_wrong_answers() {
    let sandbox = sandbox();
    let digest = load(&sandbox, &Guest::default()).await;
    let begun = sandbox.call(call(digest, Export::BeginProvision)).await;
    assert!(begun.cpu > Duration::ZERO && begun.wall >= begun.cpu);
    assert_eq!(reply(begun), Reply::Begun("made".to_owned()));
    assert_eq!(reply(sandbox.call(call(digest, Export::ProvisionComplete)).await), Reply::Done);
    assert_eq!(reply(sandbox.call(call(digest, Export::GetConfig)).await), Reply::Config(Default::default()));
    assert_eq!(reply(sandbox.call(call(digest, Export::Deprovision)).await), Reply::Done);
    let manifest = sandbox.describe(digest, &SecretString::new("{}"), limits()).await;
    assert_eq!(manifest, Ok(Ok("{}".to_owned())));
}

#[tokio::test]
async fn no_loop_outlives_its_cpu_time_wherever_it_is() {
    let start = Guest { start: LOOP.to_owned(), ..Guest::default() };
    let realloc = Guest { realloc: LOOP.to_owned(), begin: ask_for_parameters(), ..Guest::default() };
    let cases = [
        (looping(|guest| &mut guest.begin), Export::BeginProvision),
        (looping(|guest| &mut guest.complete), Export::ProvisionComplete),
        (looping(|guest| &mut guest.config), Export::GetConfig),
        (looping(|guest| &mut guest.deprovision), Export::Deprovision),
        (looping(|guest| &mut guest.post_return), Export::BeginProvision),
        (start, Export::GetConfig),
        (realloc, Export::BeginProvision),
    ];
    for (guest, export) in cases {
        let report = try_one(&guest, export).await;
        assert_eq!(code(&report), FaultCode::CpuLimit);
        assert!(report.cpu >= limits().cpu && report.cpu < limits().cpu * 4, "used {:?}", report.cpu);
        assert!(report.outcome.unwrap_err().detail.ends_with("ms of CPU; 60 ms are allowed"));
    }
}

#[tokio::test]
async fn describe_is_limited_like_all_others() {
    for guest in [looping(|guest| &mut guest.describe), looping(|guest| &mut guest.realloc)] {
        let sandbox = sandbox();
        let digest = load(&sandbox, &guest).await;
        let answer = sandbox.describe(digest, &SecretString::new("{}"), limits()).await;
        assert_eq!(answer.unwrap_err().code, FaultCode::CpuLimit);
    }
}

#[tokio::test]
async fn bulk_operations_do_not_hide_a_loop() {
    let begin =
        "(loop $for-ever (memory.fill (i32.const 0) (i32.const 0) (i32.const 131072)) (br $for-ever)) (unreachable)";
    let report = try_one(&Guest { begin: begin.to_owned(), ..Guest::default() }, Export::BeginProvision).await;
    assert_eq!(code(&report), FaultCode::CpuLimit);
}

#[tokio::test]
async fn waiting_costs_no_cpu_time_and_ends_with_the_wall_limit() {
    let guest = Guest { begin: read_state(), ..Guest::default() };
    let sandbox = sandbox();
    let digest = load(&sandbox, &guest).await;
    let slow = Arc::new(Store { delay: Duration::from_millis(300), ..Store::default() });

    let waited = sandbox.call(call_with(digest, Export::BeginProvision, slow.clone())).await;
    assert!(waited.wall >= Duration::from_millis(300) && waited.cpu < limits().cpu);
    assert_eq!(reply(waited), Reply::Begun("made".to_owned()));

    let mut hasty = call_with(digest, Export::BeginProvision, slow);
    hasty.limits.wall = Duration::from_millis(40);
    let began = Instant::now();
    let report = sandbox.call(hasty).await;
    assert_eq!(code(&report), FaultCode::WallLimit);
    assert!(began.elapsed() < Duration::from_millis(290));
}

#[tokio::test]
async fn a_loop_ends_with_the_wall_limit_if_that_is_nearer() {
    let sandbox = sandbox();
    let digest = load(&sandbox, &looping(|guest| &mut guest.begin)).await;
    let mut call = call(digest, Export::BeginProvision);
    call.limits.wall = Duration::from_millis(20);
    call.limits.cpu = Duration::from_secs(60);
    assert_eq!(code(&sandbox.call(call).await), FaultCode::WallLimit);
}

#[tokio::test]
async fn growth_beyond_the_limit_fails_and_does_not_kill() {
    // Grows until it can't, and answers well nevertheless.
    let begin = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))".to_owned();
    let good = Guest::default().begin;
    let report = try_one(&Guest { begin: format!("{begin} {good}"), ..Guest::default() }, Export::BeginProvision).await;
    assert_eq!(reply(report), Reply::Begun("made".to_owned()));

    let report =
        try_one(&Guest { begin: format!("{begin} (unreachable)"), ..Guest::default() }, Export::BeginProvision).await;
    assert_eq!(code(&report), FaultCode::MemoryLimit);
    let detail = report.outcome.unwrap_err().detail;
    assert_eq!(detail, "wanted 4198400 bytes of memory in all; 4194304 are allowed");
}

#[tokio::test]
async fn memories_and_tables_count_against_one_sum() {
    let too_large = Guest { pages: 65, ..Guest::default() };
    assert_eq!(code(&try_one(&too_large, Export::BeginProvision).await), FaultCode::MemoryLimit);

    // Three memories, each of which would fit.
    let many = Guest {
        lowered: r#"(core module $big (memory 25))
            (core instance (instantiate $big)) (core instance (instantiate $big)) (core instance (instantiate $big))"#
            .to_owned(),
        ..Guest::default()
    };
    assert_eq!(code(&try_one(&many, Export::BeginProvision).await), FaultCode::MemoryLimit);

    // What the host keeps is 8 pages and a little, so that 55 leave less than the table would take.
    let table = Guest {
        fields: "(table 1 funcref)".to_owned(),
        pages: 55,
        begin: "(drop (table.grow (ref.null func) (i32.const 8000))) (unreachable)".to_owned(),
        ..Guest::default()
    };
    assert_eq!(code(&try_one(&table, Export::BeginProvision).await), FaultCode::MemoryLimit);
}

#[tokio::test]
async fn recursion_ends_at_the_stack() {
    let guest = Guest {
        fields: "(func $deeper (param i64 i64 i64 i64) (call $deeper (local.get 3) (local.get 2) (local.get 1) (local.get 0)) (call $drop-addon (i32.const 99)))".to_owned(),
        begin: "(call $deeper (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)) (unreachable)".to_owned(),
        ..Guest::default()
    };
    assert_eq!(code(&try_one(&guest, Export::BeginProvision).await), FaultCode::StackLimit);
}

#[tokio::test]
async fn answers_and_host_calls_are_bounded_in_bytes() {
    let huge = Guest {
        pages: 10,
        begin: "(i32.store (i32.const 20) (i32.const 0)) (i32.store (i32.const 24) (i32.const 300000)) (i32.const 16)"
            .to_owned(),
        complete: format!("(call $log (i32.const 1) (i32.const 0) (i32.const 300000)) {ZEROES}"),
        // 20,000 variables of nothing, which are 28 bytes each in the guest and more in the host.
        config: "(i32.store (i32.const 20) (i32.const 0)) (i32.store (i32.const 24) (i32.const 20000)) (i32.const 16)"
            .to_owned(),
        ..Guest::default()
    };
    let sandbox = sandbox();
    let digest = load(&sandbox, &huge).await;
    for export in [Export::BeginProvision, Export::ProvisionComplete, Export::GetConfig] {
        let report = sandbox.call(call(digest, export)).await;
        assert_eq!(code(&report), FaultCode::HostcallLimit, "{export}");
    }
}

#[tokio::test]
async fn resources_are_bounded_in_number() {
    // A resource of the guest's own, of which it makes ever more.
    let guest = Guest {
        lowered: r#"(type $thing (resource (rep i32))) (core func $new (canon resource.new $thing))"#.to_owned(),
        arguments: r#"(export "new" (func $new))"#.to_owned(),
        fields: String::new(),
        begin: "(loop $more (drop (call $new (i32.const 1))) (br $more)) (unreachable)".to_owned(),
        ..Guest::default()
    };
    let guest = Guest { fields: r#"(import "host" "new" (func $new (param i32) (result i32)))"#.to_owned(), ..guest };
    assert_eq!(code(&try_one(&guest, Export::BeginProvision).await), FaultCode::HandleLimit);
}

#[tokio::test]
async fn a_flood_of_log_is_cut_and_counted() {
    let guest = Guest {
        begin: format!("(local $n i32)\n(loop $more (call $log (i32.const 2) (i32.const 1024) (i32.const 4))
            (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $more (i32.lt_u (local.get $n) (i32.const 2000)))) {}",
            Guest::default().begin),
        ..Guest::default()
    };
    let sandbox = sandbox();
    let digest = load(&sandbox, &guest).await;
    let mut call = call(digest, Export::BeginProvision);
    call.limits.cpu = Duration::from_secs(5);
    let report = sandbox.call(call).await;
    assert_eq!(report.log.first().map(|line| (line.stream, line.text.as_str())), Some(("warn", "made")));
    let last = report.log.last().unwrap();
    assert_eq!(
        (last.stream, last.text.as_str()),
        ("host", "5905 more bytes were written; 4096 are kept of a call, and 1048576 a minute of a provider")
    );
    assert_eq!(report.log.len(), 819 + 1);
}

#[tokio::test]
async fn calls_of_a_provider_share_what_it_may_log_in_a_minute() {
    let guest = Guest {
        complete: format!("(call $log (i32.const 2) (i32.const 1024) (i32.const 4)) {ZEROES}"),
        ..Guest::default()
    };
    let sandbox = sandbox();
    let digest = load(&sandbox, &guest).await;
    // Three lines of four bytes and their ends, and what storing each costs.
    let allowance = Arc::new(LogAllowance::new(3 * (5 + 64)));
    // In the end not even that there was more.
    for expected in [&["made"][..], &["made"], &["made"], &[]] {
        let mut call = call(digest, Export::ProvisionComplete);
        call.log = Arc::clone(&allowance);
        let report = sandbox.call(call).await;
        assert_eq!(report.log.iter().map(|line| &*line.text).collect::<Vec<_>>(), expected);
        assert_eq!(reply(report), Reply::Done);
    }
    let report = sandbox.call(call(digest, Export::ProvisionComplete)).await;
    assert_eq!(report.log.len(), 1, "another provider has its own");
}

#[tokio::test]
async fn answers_that_no_provider_may_give_are_named_as_such() {
    let cases = [
        // A string beyond the memory's end.
        "(i32.store (i32.const 20) (i32.const 0)) (i32.store (i32.const 24) (i32.const 200000)) (i32.const 16)",
        // A string that is not UTF-8.
        "(i32.store (i32.const 1024) (i32.const 0xfefefefe)) (i32.store (i32.const 20) (i32.const 1024)) (i32.store (i32.const 24) (i32.const 4)) (i32.const 16)",
        // Neither `ok` nor `err`.
        "(i32.store (i32.const 16) (i32.const 7)) (i32.const 16)",
        // An answer that begins beyond the memory's end, and one that is not aligned.
        "(i32.const -4)",
        "(i32.const 17)",
    ];
    for begin in cases {
        let report = try_one(&Guest { begin: begin.to_owned(), ..Guest::default() }, Export::BeginProvision).await;
        assert_eq!(code(&report), FaultCode::InvalidAnswer, "{begin}: {:?}", report.outcome);
    }
}

#[tokio::test]
async fn a_trap_tells_where_it_was() {
    let guest = Guest {
        fields: "(func $make_it (unreachable))".to_owned(),
        begin: "(call $make_it) (unreachable)".to_owned(),
        ..Guest::default()
    };
    let report = try_one(&guest, Export::BeginProvision).await;
    assert_eq!(code(&report), FaultCode::Trap);
    let detail = report.outcome.unwrap_err().detail;
    assert!(detail.starts_with("trapped: wasm trap: wasm `unreachable` instruction executed\n0:"), "{detail}");
    assert!(detail.contains("make_it"), "{detail}");
}

#[tokio::test]
async fn handles_can_neither_be_kept_nor_forged() {
    for (begin, expected) in [
        ("(drop (local.get $addon)) (i32.const 64)", FaultCode::InvalidAnswer),
        ("(call $drop-addon (i32.const 77)) (i32.const 64)", FaultCode::Trap),
    ] {
        let report = try_one(&Guest { begin: begin.to_owned(), ..Guest::default() }, Export::BeginProvision).await;
        assert_eq!(code(&report), expected, "{:?}", report.outcome);
    }
}

/// Asks for the addon's parameters, a text, for which the host calls `realloc`.
fn ask_for_parameters() -> String {
    "(call $parameters (local.get $addon) (i32.const 32)) (call $drop-addon (local.get $addon)) (i32.const 64)"
        .to_owned()
}

/// Reads the state, for which the host waits, and answers well.
fn read_state() -> String {
    format!("(call $get (i32.const 1024) (i32.const 4) (i32.const 32)) {}", Guest::default().begin)
}
