//! What a function can be told to do.

use std::collections::BTreeMap;
use std::time::Duration;

use larder_sdk::{Config, Failure, Progress, log, state};
use serde::Deserialize;

use crate::entry::{self, Entry};
use crate::harm;

/// One behaviour, written as an object with one member: `{"trap": {}}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Behaviour {
    /// Succeed.
    Ok {},
    /// Succeed with this text.
    Message(String),
    /// Refuse the request.
    Rejected(String),
    /// Give up.
    Failed(String),
    /// Ask for another call.
    Retry { after_ms: u64, reason: String },
    /// Not done yet.
    Pending { after_ms: u64, message: String, percent: Option<u8> },
    /// Execute `unreachable`.
    Trap {},
    /// Panic with this text.
    Panic(String),
    /// Compute for ever.
    Loop {},
    /// Take so much memory and touch it.
    AllocateMib(usize),
    /// Recurse without end.
    Recurse {},
    /// Wait in a host call.
    SleepMs(u64),
    /// Print this line.
    Print(String),
    /// Write so many lines of so many bytes to the log.
    Log {
        bytes: usize,
        #[serde(default = "one")]
        lines: usize,
    },
    /// Write to the state.
    SetState(BTreeMap<String, String>),
    /// Store the state now.
    Checkpoint {},
    /// Give this configuration.
    Config {
        #[serde(default)]
        variables: Vec<Entry>,
        #[serde(default)]
        credentials: Vec<Entry>,
    },
    /// Give these variables and no credentials.
    Variables(Vec<Entry>),
    /// One after the other; the last one answers.
    Do(Vec<Behaviour>),
}

/// How a behaviour ended.
pub(crate) enum Answer {
    /// As the function usually does.
    Plain,
    /// With a text.
    Message(String),
    /// Not done yet.
    Pending(Progress),
    /// With a configuration.
    Config(Config),
}

impl Answer {
    /// For the functions that tell of progress.
    pub(crate) fn into_progress(self) -> Progress {
        match self {
            Self::Pending(progress) => progress,
            _ => Progress::Done,
        }
    }
}

impl Behaviour {
    /// Does it.
    pub(crate) fn act(self) -> Result<Answer, Failure> {
        match self {
            Self::Ok {} => {}
            Self::Message(message) => return Ok(Answer::Message(message)),
            Self::Rejected(reason) => return Err(Failure::rejected(reason)),
            Self::Failed(reason) => return Err(Failure::failed(reason)),
            Self::Retry { after_ms, reason } => {
                return Err(Failure::retry_after(Duration::from_millis(after_ms), reason));
            }
            Self::Pending { after_ms, message, percent } => {
                let after = Duration::from_millis(after_ms);
                return Ok(Answer::Pending(Progress::Pending { after, message, percent }));
            }
            Self::Trap {} => harm::trap(),
            Self::Panic(message) => harm::give_up(&message),
            Self::Loop {} => harm::compute_for_ever(),
            Self::AllocateMib(mib) => harm::allocate(mib),
            Self::Recurse {} => harm::overflow_stack(),
            Self::SleepMs(ms) => harm::sleep(Duration::from_millis(ms)),
            Self::Print(line) => println!("{line}"),
            Self::Log { bytes, lines } => (0..lines).for_each(|_| log::info("x".repeat(bytes))),
            Self::SetState(values) => values.into_iter().try_for_each(|(key, value)| state::set(&key, value))?,
            Self::Checkpoint {} => state::checkpoint()?,
            Self::Variables(variables) => return Ok(Answer::Config(entry::config(variables, vec![]))),
            Self::Config { variables, credentials } => {
                return Ok(Answer::Config(entry::config(variables, credentials)));
            }
            Self::Do(steps) => {
                let answers = steps.into_iter().map(Self::act).collect::<Result<Vec<_>, _>>()?;
                return Ok(answers.into_iter().last().unwrap_or(Answer::Plain));
            }
        }
        Ok(Answer::Plain)
    }
}

fn one() -> usize {
    1
}
