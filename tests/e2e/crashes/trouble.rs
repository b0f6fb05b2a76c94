//! What a database server does to its clients at the worst moment.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Postgres, Random};

/// How long sessions stand still at most, in milliseconds.
const PAUSE_MS_MAX: usize = 400;
/// All sessions of the host.
const ITS_SESSIONS: &str = "FROM pg_stat_activity WHERE application_name = 'larder'";

/// What happens before the host is killed.
pub(super) enum Trouble {
    /// The server ends all its sessions.
    SessionsEnd(Command),
    /// They stand still for a while, and go on without it.
    SessionsPause(Command, Duration),
}

impl Trouble {
    pub(super) fn by_chance(server: Option<&Postgres>, random: &mut Random) -> Option<Self> {
        let server = server?;
        match random.below(4) {
            0 => {
                Some(Self::SessionsEnd(server.asks(&format!("SELECT count(pg_terminate_backend(pid)) {ITS_SESSIONS}"))))
            }
            1 => {
                let pause = Duration::from_millis(1 + random.below(PAUSE_MS_MAX) as u64);
                Some(Self::SessionsPause(server.asks(&format!("SELECT pid {ITS_SESSIONS}")), pause))
            }
            _ => None,
        }
    }

    pub(super) const fn fault(&self) -> &'static str {
        match self {
            Self::SessionsEnd(_) => "sessions_end",
            Self::SessionsPause(..) => "sessions_pause",
        }
    }

    pub(super) fn strike(self) {
        match self {
            Self::SessionsEnd(mut ask) => assert!(ask.output().unwrap().status.success()),
            Self::SessionsPause(mut ask, pause) => {
                let told = String::from_utf8(ask.output().unwrap().stdout).unwrap();
                let sessions: Vec<i32> = told.lines().filter_map(|pid| pid.parse().ok()).collect();
                let all = |signal: Signal| {
                    // One that has ended by now needs none.
                    for pid in &sessions {
                        let _gone = kill_process(Pid::from_raw(*pid).unwrap(), signal);
                    }
                };
                all(Signal::STOP);
                // Somebody may be waiting for this process, and nobody for these.
                let (_keep, never) = std::sync::mpsc::channel::<()>();
                let _later = never.recv_timeout(pause);
                all(Signal::CONT);
            }
        }
    }
}
