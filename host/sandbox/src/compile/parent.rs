//! The parent's side of a compile: starts the child, feeds it, and judges how it ended.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use larder_domain::failure::bounded_text;
use larder_domain::provider::Refusal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::child::{CODE, COMPILE_COMMAND, CPU_S_MAX, NO_MEMORY, REFUSED, UNFIT};
use super::{gave_up, memory, refused};

/// The longest that a compile may take. On a busy machine it has its CPU time to itself only now and then.
const WALL_MAX: Duration = Duration::from_secs(240);
/// The most machine code that one component may become, in bytes.
const CODE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Threads that one compile uses, so that two cores are not all taken.
const THREADS: &str = "2";
/// What the compiler's allocator is to set aside of its address space at a time: less than its least, which it takes then (64 MiB).
const ARENA_BYTES: &str = "65536";

/// Has the component compiled by a child.
pub(super) async fn compile(program: &Path, wasm: &[u8]) -> Result<Vec<u8>, Refusal> {
    let memory_bytes = memory::for_compiling();
    let child = start(program, memory_bytes).map_err(|error| {
        tracing::error!(%error, program = %program.display(), "the compiler can't be started");
        gave_up("the host can't start its compiler")
    })?;
    match timeout(WALL_MAX, converse(child, wasm)).await {
        Ok(Ok((status, answer))) => judge(status, answer, memory_bytes),
        Ok(Err(error)) => {
            tracing::error!(%error, "the compiler could not be talked to");
            Err(gave_up("the host lost its compiler"))
        }
        // The child went with the future.
        Err(_) => Err(too_costly(&format!("{} s", WALL_MAX.as_secs()))),
    }
}

fn start(program: &Path, memory_bytes: u64) -> std::io::Result<Child> {
    Command::new(program)
        .arg(COMPILE_COMMAND)
        .args([u64::from(std::process::id()).to_string(), memory_bytes.to_string()])
        .env_clear()
        // The allocator would have more address space set aside at once than the child may have at all.
        .env("MIMALLOC_ARENA_RESERVE", ARENA_BYTES)
        .env("RAYON_NUM_THREADS", THREADS)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Signals from a terminal are for the server, which ends its children itself.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn converse(mut child: Child, wasm: &[u8]) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A child that has died reads no more; how it died is what counts.
            let _ = stdin.write_all(wasm).await;
        }
    };
    let read = async {
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(CODE_BYTES_MAX + 1).read_to_end(&mut answer).await?;
        }
        Ok::<_, std::io::Error>(answer)
    };
    let ((), answer) = tokio::join!(feed, read);
    Ok((child.wait().await?, answer?))
}

fn judge(status: ExitStatus, mut answer: Vec<u8>, memory_bytes: u64) -> Result<Vec<u8>, Refusal> {
    let words = |answer: &[u8]| bounded_text(String::from_utf8_lossy(answer).into_owned());
    if answer.len() as u64 > CODE_BYTES_MAX {
        return Err(too_costly(&format!("{CODE_BYTES_MAX} bytes of machine code")));
    }
    match answer.split_first() {
        Some((&CODE, _)) if status.success() => {
            // In place: it may be large.
            answer.remove(0);
            Ok(answer)
        }
        Some((&REFUSED, why)) if status.success() => Err(refused(&words(why))),
        Some((&NO_MEMORY, _)) => Err(too_much_memory(memory_bytes)),
        Some((&UNFIT, why)) => {
            tracing::error!(why = words(why), "the compiler could not begin");
            Err(gave_up("the host's compiler could not begin"))
        }
        _ => Err(died(status, memory_bytes)),
    }
}

fn died(status: ExitStatus, memory_bytes: u64) -> Refusal {
    tracing::info!(%status, "a compile was ended");
    match status.signal() {
        Some(libc::SIGXCPU) => too_costly(&format!("{CPU_S_MAX} s of CPU time")),
        // An allocation that fails aborts the process.
        Some(libc::SIGABRT | libc::SIGSEGV) => too_much_memory(memory_bytes),
        // Nobody else kills it: the child is the first that the kernel takes when there is no memory left. Trying again by
        // itself would make that a habit.
        Some(libc::SIGKILL) => Refusal::new(
            "compile_limit",
            "the system ended the compiler, as it does when memory runs out; give the host more memory, or make the \
             component smaller, and upload it again",
        ),
        _ => gave_up("the compiler crashed"),
    }
}

fn too_much_memory(memory_bytes: u64) -> Refusal {
    too_costly(&format!("{} MiB of memory", memory_bytes / (1024 * 1024)))
}

fn too_costly(what: &str) -> Refusal {
    Refusal::new(
        "compile_limit",
        format!(
            "compiling the component takes more than {what}; make it smaller: optimise it for size, strip it, and leave \
             out what it does not use"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: ExitStatus, answer: &[u8]) -> &'static str {
        judge(status, answer.to_vec(), 64 << 20).unwrap_err().code
    }

    #[test]
    fn how_the_child_ended_says_what_is_wrong() {
        let (ended_well, failed) = (ExitStatus::from_raw(0), ExitStatus::from_raw(1 << 8));
        assert_eq!(judge(ended_well, b"ccode".to_vec(), 1).unwrap(), b"code");
        assert_eq!(code(ended_well, b"rtoo many types"), "invalid_component");
        assert_eq!(code(ended_well, b"m"), "compile_limit");
        assert_eq!(code(ended_well, b""), "compile_failed");
        assert_eq!(code(failed, b"ccode"), "compile_failed", "half an answer is none");
        assert_eq!(code(ended_well, b"uno limits"), "compile_failed");
        for signal in [libc::SIGABRT, libc::SIGXCPU] {
            assert_eq!(code(ExitStatus::from_raw(signal), b"cco"), "compile_limit");
        }
        let aborted = judge(ExitStatus::from_raw(libc::SIGABRT), vec![], 64 << 20).unwrap_err();
        assert!(aborted.message.contains("64 MiB of memory"), "{aborted}");
        // Its share of memory was larger than what there was.
        let killed = judge(ExitStatus::from_raw(libc::SIGKILL), vec![], 64 << 20).unwrap_err();
        assert!(killed.code == "compile_limit" && killed.message.contains("more memory"), "{killed}");
    }

    #[tokio::test]
    async fn a_program_that_is_no_compiler_is_the_hosts_mistake() {
        let refused = compile(Path::new("/nonexistent/larder"), b"").await.unwrap_err();
        assert_eq!(refused.code, "compile_failed");
        let refused = compile(Path::new("/bin/true"), &[0; 1 << 20]).await.unwrap_err();
        assert_eq!(refused.code, "compile_failed");
    }
}
