//! A server in a container, with its messages in a volume, and where it is.

use std::time::{Duration, Instant};

use larder_sdk::docker::{self, Container, NotRunning, Volume};
use larder_sdk::{Addon, Config, Failure, Progress, secrets};
use larder_servers::{Size as _, told, told_port};

use crate::amqp;
use crate::management;
use crate::offer::{IMAGE, Size};

const SERVER: &str = "server";
const DATA: &str = "data";
const AMQP: u16 = 5672;
const MANAGEMENT: u16 = 15672;
/// The administrator, who is made at the first start.
pub(crate) const ADMIN: &str = "larder";
/// The virtual host that every server has.
const DEFAULT_VHOST: &str = "/";
/// How long one call may talk to a server, all in all: less than it may take. One that is slower is asked again in the next call.
const CALL_MAX: Duration = Duration::from_secs(20);
/// What there is always time for, or there would be no answer that says that there is none.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// How long to wait for a server that starts; it takes it some seconds.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A server, as its addon has it.
pub(crate) struct Server(Container);

impl Server {
    pub(crate) fn of(addon: &Addon) -> Result<Self, Failure> {
        let size = Size::of(addon)?;
        // It sees the machine's memory and processors, not the container's.
        let memory_bytes = size.memory_mib() * 1024 * 1024;
        let memory = format!("-rabbit total_memory_available_override_value {memory_bytes}");
        let machine = format!("+S 2:2 +SDcpu 2:2 {memory} -rabbit vm_memory_high_watermark 0.6");
        let container = Container::new(SERVER, &IMAGE.kept()?)
            .user("999:999")
            .env("RABBITMQ_DEFAULT_USER", ADMIN)
            .env("RABBITMQ_DEFAULT_PASS", &admin_password()?)
            // Its data lies under this name, which would else be the container's and another after each change.
            .env("RABBITMQ_NODENAME", "rabbit@localhost")
            // It would not start if it had a log in a file, which the container's root does not take. What it says of upgrades has one by itself.
            .env("RABBITMQ_LOGS", "-")
            .env("RABBITMQ_UPGRADE_LOG", "-")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", &machine)
            .memory_mib(size.memory_mib())
            .pids(size.pids())
            .mount(DATA, "/var/lib/rabbitmq")
            .tmpfs("/tmp", 16)
            .read_only()
            .port(AMQP)
            .port(MANAGEMENT)
            .stop_s(30);
        Ok(Self(container))
    }

    /// Has the container made, or made anew if it differs. Its messages stay.
    pub(crate) fn ensure(self) -> Result<(), Failure> {
        docker::ensure(Volume::new(DATA))?;
        Ok(docker::ensure(self.0)?)
    }
}

/// The same whenever the addon is called.
fn admin_password() -> Result<String, Failure> {
    secrets::password("administrator", 0, 40)
}

/// Where a server is, and how its administrator logs in.
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) amqp: u16,
    pub(crate) management: u16,
    pub(crate) password: String,
    /// When the call has talked to it for long enough.
    pub(crate) until: Until,
}

/// The end of a call's time.
#[derive(Clone, Copy)]
pub(crate) struct Until(Instant);

impl Until {
    pub(crate) fn after(wait: Duration) -> Self {
        Self(Instant::now() + wait)
    }

    /// How long it may wait now.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now()).max(WAIT_MIN)
    }
}

impl Place {
    /// Of the server that this addon made itself, once that runs.
    pub(crate) fn made() -> Result<Result<Self, NotRunning>, Failure> {
        let status = docker::inspect(SERVER)?;
        let password = admin_password()?;
        let place = status.clone().endpoint(AMQP).and_then(|amqp| {
            let management = status.endpoint(MANAGEMENT)?.published;
            Ok(Self { host: amqp.host, amqp: amqp.published, management, password, until: Until::after(CALL_MAX) })
        });
        Ok(place)
    }

    /// Of the common server, as it said itself.
    pub(crate) fn told_to(addon: &Addon) -> Result<Self, Failure> {
        let (amqp, management) = (told_port(addon, "port")?, told_port(addon, "management_port")?);
        let (host, password, until) = (told(addon, "hostname")?, told(addon, "password")?, Until::after(CALL_MAX));
        Ok(Self { host, amqp, management, password, until })
    }

    /// Whether it takes both of the administrator's logins.
    pub(crate) fn answers(&self) -> Result<(), String> {
        management::answers(self)?;
        amqp::log_in(self, DEFAULT_VHOST, ADMIN, &self.password)
    }

    /// What to answer if it does not yet.
    pub(crate) fn not_yet(&self) -> Option<Progress> {
        let why = self.answers().err()?;
        Some(Progress::pending(AGAIN_AFTER, format!("The server runs, and is not ready yet: {why}")))
    }

    /// What is handed to those who share it.
    pub(crate) fn config(self) -> Config {
        Config::new()
            .credential("protocol", "amqp")
            .credential("hostname", self.host)
            .credential("port", self.amqp.to_string())
            .credential("management_port", self.management.to_string())
            .credential("username", ADMIN)
            .secret_credential("password", self.password)
    }
}
