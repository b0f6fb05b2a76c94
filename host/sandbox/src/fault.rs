//! Says what went wrong with a call: which limit, what was found and what is allowed, and the guest's last words.
//!
//! The engine reports limits of its own as texts, not as types; [`PHRASES`] lists those that are understood, and the
//! tests of this crate reach each of them, so an engine that words them otherwise does not go unnoticed.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

use larder_domain::failure::{Fault, FaultCode, bounded_text};
use larder_domain::limits::CallLimits;
use larder_domain::ports::runtime::LogLine;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::capability::log::{last_words, printable};
use crate::lease::LeaseLost;
use crate::memory::Refused;
use crate::meter::{CpuSpent, Over};

/// The longest detail of a fault, in bytes.
const DETAIL_BYTES_MAX: usize = 2 * 1024;
/// How much of a detail the engine's own words may be, in bytes.
const SHORT_BYTES_MAX: usize = 600;

/// The engine's words for limits that it does not report as types.
const PHRASES: [(&str, Limit); 3] = [
    ("fuel allocated for hostcalls has been exhausted", Limit::Hostcall),
    ("store handle limit exceeded", Limit::Handles),
    ("instance count too high", Limit::Instances),
];

/// What is known of a call that broke down.
pub(crate) struct Circumstances<'a> {
    pub(crate) limits: CallLimits,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// Why the guest did not get all the memory that it wanted.
    pub(crate) memory_refused: Option<Refused>,
    pub(crate) log: &'a [LogLine],
}

/// A limit that was passed.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Cpu,
    Wall,
    /// So many bytes were wanted.
    Memory(usize),
    Stack,
    Instances,
    Hostcall,
    Handles,
}

impl Circumstances<'_> {
    /// The call was ended because its time was used up.
    pub(crate) fn over(&self, over: Over) -> Fault {
        match over {
            Over::Cpu => self.passed(Limit::Cpu),
            Over::Wall => self.passed(Limit::Wall),
            // Nobody gets to see it: what came of the call is not stored.
            Over::Lease => host(&LeaseLost.to_string()),
        }
    }

    /// The engine ended the call.
    pub(crate) fn error(&self, error: &wasmtime::Error) -> Fault {
        if error.is::<LeaseLost>() {
            return self.over(Over::Lease);
        }
        if let Some(limit) = self.limit(error) {
            return self.passed(limit);
        }
        if self.memory_refused == Some(Refused::HostHasNone) {
            return host("all guests together hold as much memory as the host gives them");
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return host(&format!("the sandbox has no room: {}", short(error)));
        }
        // Errors within a guest carry a trap or a backtrace; without either it was the answer that could not be read.
        if error.is::<Trap>() || error.is::<WasmBacktrace>() {
            return self.fault(FaultCode::Trap, trapped(error));
        }
        self.fault(FaultCode::InvalidAnswer, format!("its answer breaks the contract: {}", short(error)))
    }

    fn limit(&self, error: &wasmtime::Error) -> Option<Limit> {
        if error.is::<CpuSpent>() {
            return Some(Limit::Cpu);
        }
        if error.downcast_ref() == Some(&Trap::StackOverflow) {
            return Some(Limit::Stack);
        }
        // A guest that did not get its memory breaks down in one way or another; one that copes never comes here.
        if let Some(Refused::TooMuch(wanted)) = self.memory_refused {
            return Some(Limit::Memory(wanted));
        }
        if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
            return Some(Limit::Handles);
        }
        let cause = error.root_cause().to_string();
        PHRASES.iter().find(|(phrase, _)| cause.contains(phrase)).map(|(_, limit)| *limit)
    }

    fn passed(&self, limit: Limit) -> Fault {
        let limits = &self.limits;
        let (code, said) = match limit {
            Limit::Cpu => {
                (FaultCode::CpuLimit, format!("used {} of CPU; {} are allowed", seconds(self.cpu), seconds(limits.cpu)))
            }
            Limit::Wall => (
                FaultCode::WallLimit,
                format!("took {}, waits included; {} are allowed", seconds(self.wall), seconds(limits.wall)),
            ),
            Limit::Memory(wanted) => (
                FaultCode::MemoryLimit,
                format!("wanted {wanted} bytes of memory in all; {} are allowed", limits.memory_bytes),
            ),
            Limit::Stack => (FaultCode::StackLimit, "recursed too deeply: its stack is used up".to_owned()),
            Limit::Instances => (
                FaultCode::InstanceLimit,
                format!("is made of more core instances than the {} that are allowed", limits.instances),
            ),
            Limit::Hostcall => (
                FaultCode::HostcallLimit,
                format!("handed over more at once than the {} bytes that are allowed", limits.hostcall_bytes),
            ),
            Limit::Handles => (
                FaultCode::HandleLimit,
                format!("held more resources at once than the {} that are allowed", limits.handles),
            ),
        };
        self.fault(code, said)
    }

    fn fault(&self, code: FaultCode, mut detail: String) -> Fault {
        if let Some(words) = last_words(self.log) {
            detail.push_str("\nits last words: ");
            detail.push_str(&words);
        }
        Fault { code, detail: cut(detail) }
    }
}

/// The host is at fault.
pub(crate) fn host(why: &str) -> Fault {
    Fault { code: FaultCode::Host, detail: cut(why.to_owned()) }
}

/// The host's own code panicked while the guest ran.
pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Fault {
    let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("without a message");
    tracing::error!(panic = text, "the host's code panicked under a guest");
    host(&format!("the host's own code panicked: {text}"))
}

/// The answer is one that no provider may give.
pub(crate) fn invalid_answer(why: String) -> Fault {
    Fault { code: FaultCode::InvalidAnswer, detail: cut(why) }
}

/// An error of the engine's and its causes, on one line, within bounds.
pub(crate) fn short(error: &wasmtime::Error) -> String {
    let mut text = Bounded::new(SHORT_BYTES_MAX);
    // An error here means that the bound was reached, which is what it is for.
    let _ = write!(text, "{error:#}");
    bounded_text(printable(&text.0.replace('\n', " ")).into_owned())
}

fn trapped(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return format!("exited with status {} instead of answering", exit.0);
    }
    let mut text = Bounded::new(SHORT_BYTES_MAX);
    let _ = write!(text, "trapped: {}", printable(&error.root_cause().to_string()));
    let mut frames = Bounded::new(SHORT_BYTES_MAX);
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>().filter(|backtrace| is_harmless(backtrace)) {
        let _ = write!(frames, "{backtrace}");
    }
    // The first line is a heading; functions that have lost their names say nothing.
    for frame in frames.0.lines().skip(1).filter(|frame| !frame.contains("<wasm function ")) {
        text.0.push('\n');
        text.0.push_str(frame.trim());
    }
    text.0
}

/// Whether all names in it can be shown: what strangers call their functions could command a terminal, or look like a line of ours.
fn is_harmless(backtrace: &WasmBacktrace) -> bool {
    let mut names = backtrace.frames().iter().flat_map(|frame| [frame.func_name(), frame.module().name()]).flatten();
    names.all(|name| matches!(printable(name), Cow::Borrowed(_)))
}

fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn cut(mut detail: String) -> String {
    detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
    bounded_text(detail)
}

/// A text that takes no more than so many bytes. What guests named themselves may be megabytes long.
struct Bounded(String, usize);

impl Bounded {
    fn new(bytes_max: usize) -> Self {
        Self(String::new(), bytes_max)
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.1 - self.0.len();
        self.0.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}
