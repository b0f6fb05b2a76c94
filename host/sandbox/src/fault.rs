//! Says what went wrong with a call: which limit, what was found and what is allowed, and the guest's last words.
//!
//! The engine reports limits of its own as texts, not as types; [`PHRASES`] lists those that are understood, and the
//! tests of this crate reach each of them, so an engine that words them otherwise does not go unnoticed.

use std::any::Any;
use std::fmt::{self, Write};
use std::time::Duration;

use larder_domain::failure::{Fault, FaultCode, bounded_text};
use larder_domain::limits::CallLimits;
use larder_domain::ports::runtime::LogLine;
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::capability::log::last_words;
use crate::meter::{CpuSpent, Over};

/// The longest detail of a fault, in bytes.
const DETAIL_BYTES_MAX: usize = 2 * 1024;
/// How much of a detail the engine's own words may be, in bytes.
const SHORT_BYTES_MAX: usize = 600;

/// The engine's words for limits that it does not report as types.
const PHRASES: [(&str, FaultCode); 2] = [
    ("fuel allocated for hostcalls has been exhausted", FaultCode::HostcallLimit),
    ("store handle limit exceeded", FaultCode::HandleLimit),
];

/// What is known of a call that broke down.
pub(crate) struct Circumstances<'a> {
    pub(crate) limits: CallLimits,
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// What the guest would hold, had its last refused wish for memory been granted.
    pub(crate) memory_refused: Option<usize>,
    pub(crate) log: &'a [LogLine],
}

impl Circumstances<'_> {
    /// The call was ended because its time was used up.
    pub(crate) fn over(&self, over: Over) -> Fault {
        self.of(match over {
            Over::Cpu => FaultCode::CpuLimit,
            Over::Wall => FaultCode::WallLimit,
        })
    }

    /// The engine ended the call.
    pub(crate) fn error(&self, error: &wasmtime::Error) -> Fault {
        match self.code(error) {
            FaultCode::Trap => self.fault(FaultCode::Trap, trapped(error)),
            FaultCode::Host => host(&format!("the sandbox could not run it: {}", short(error))),
            FaultCode::InvalidAnswer => {
                self.fault(FaultCode::InvalidAnswer, format!("its answer breaks the contract: {}", short(error)))
            }
            code => self.of(code),
        }
    }

    fn code(&self, error: &wasmtime::Error) -> FaultCode {
        let trap = error.downcast_ref::<Trap>();
        if error.is::<CpuSpent>() {
            return FaultCode::CpuLimit;
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return FaultCode::Host;
        }
        if trap == Some(&Trap::StackOverflow) {
            return FaultCode::StackLimit;
        }
        if self.memory_refused.is_some() {
            return FaultCode::MemoryLimit;
        }
        if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) {
            return FaultCode::HandleLimit;
        }
        let cause = error.root_cause().to_string();
        if let Some((_, code)) = PHRASES.iter().find(|(phrase, _)| cause.contains(phrase)) {
            return *code;
        }
        // Errors within a guest carry a trap or a backtrace; without either it was the answer that could not be read.
        if trap.is_some() || error.is::<WasmBacktrace>() { FaultCode::Trap } else { FaultCode::InvalidAnswer }
    }

    fn of(&self, code: FaultCode) -> Fault {
        let limits = &self.limits;
        let said = match code {
            FaultCode::CpuLimit => {
                format!("used {} of CPU; {} are allowed", seconds(self.cpu), seconds(limits.cpu))
            }
            FaultCode::WallLimit => {
                format!("took {}, waits included; {} are allowed", seconds(self.wall), seconds(limits.wall))
            }
            FaultCode::MemoryLimit => format!(
                "wanted {} bytes of memory in all; {} are allowed",
                self.memory_refused.unwrap_or_default(),
                limits.memory_bytes
            ),
            FaultCode::HostcallLimit => {
                format!("handed over more at once than the {} bytes that are allowed", limits.hostcall_bytes)
            }
            FaultCode::HandleLimit => {
                format!("held more resources at once than the {} that are allowed", limits.handles)
            }
            FaultCode::StackLimit => "recursed too deeply: its stack is used up".to_owned(),
            FaultCode::Trap | FaultCode::InvalidAnswer | FaultCode::Host => String::new(),
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
    bounded_text(text.0.replace('\n', " "))
}

fn trapped(error: &wasmtime::Error) -> String {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return format!("exited with status {} instead of answering", exit.0);
    }
    let mut text = Bounded::new(SHORT_BYTES_MAX);
    let _ = write!(text, "trapped: {}", error.root_cause());
    let mut frames = Bounded::new(SHORT_BYTES_MAX);
    if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
        let _ = write!(frames, "{backtrace}");
    }
    // The first line is a heading; functions that have lost their names say nothing.
    for frame in frames.0.lines().skip(1).filter(|frame| !frame.contains("<wasm function ")) {
        text.0.push('\n');
        text.0.push_str(frame.trim());
    }
    text.0
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
