//! Objects that are there: listed, started, looked at, heard and removed.

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::models::{
    ContainerStateStatusEnum as Status, ContainerSummary, ContainerSummaryStateEnum, EndpointSettings,
};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListVolumesOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, StopContainerOptionsBuilder,
};
use futures_util::StreamExt as _;
use larder_domain::docker::ObjectKind;
use larder_domain::ids::{AddonId, InstallationId};
use larder_domain::ports::engine::{ContainerState, EngineError, Found, Owner};
use tokio::time::sleep;

use crate::engine::filters;
use crate::error::Trouble;
use crate::labels;
use crate::wire::Session;

/// What engines say of a published address that is taken. It comes as a failure like any other.
const TAKEN: [&str; 2] = ["port is already allocated", "address already in use"];

/// What engines say of a network that has no address left.
pub(crate) const FULL: &str = "no available IP";

/// How a container ends that is killed, also by the system for want of memory (128 and SIGKILL's number).
const KILLED: i64 = 137;

/// How long an engine may take to hear that it was for want of memory: word of that comes on a way of its own.
const REASON_WAIT: Duration = Duration::from_millis(250);

/// All objects of an installation, or of an addon.
pub(crate) async fn list(
    session: Session,
    installation: InstallationId,
    addon: Option<AddonId>,
    count_max: usize,
) -> Result<Vec<Found>, Trouble> {
    let filters = filters([("label", labels::filter(installation, addon))]);
    let of_containers = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    let of_volumes = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let (containers, volumes) = tokio::join!(
        session.docker.list_containers(Some(of_containers)),
        session.docker.list_volumes(Some(of_volumes))
    );
    // Engines say `null` where there are no volumes.
    let (containers, volumes) = (containers?, volumes?.volumes.unwrap_or_default());
    if containers.len() + volumes.len() > count_max {
        // Half a list would say of the other half that it is gone.
        return Err(EngineError::Failed(format!("it has more than {count_max} objects of this installation")).into());
    }
    let volumes = volumes.into_iter().filter_map(|volume| {
        let owner = labels::read(&volume.labels)?;
        let networks = BTreeSet::new();
        Some(Found {
            kind: ObjectKind::Volume,
            full_name: volume.name,
            owner,
            running: false,
            networks,
            operation: None,
        })
    });
    let is_asked_for =
        |owner: &Owner| owner.installation == installation && addon.is_none_or(|addon| owner.addon == addon);
    let all = containers.into_iter().filter_map(found).chain(volumes);
    Ok(all.filter(|found| is_asked_for(&found.owner)).collect())
}

fn found(container: ContainerSummary) -> Option<Found> {
    let its_labels = container.labels?;
    let (owner, operation) = (labels::read(&its_labels)?, labels::operation(&its_labels));
    let full_name = container.names?.first()?.trim_start_matches('/').to_owned();
    let running = container.state == Some(ContainerSummaryStateEnum::RUNNING);
    let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    // What runs may be listed with a network in which there was no room for it.
    let is_in =
        |endpoint: &EndpointSettings| !running || endpoint.endpoint_id.as_ref().is_some_and(|id| !id.is_empty());
    let networks = networks.into_iter().filter(|(_, endpoint)| is_in(endpoint)).map(|(name, _)| name).collect();
    Some(Found { kind: ObjectKind::Container, full_name, owner, running, networks, operation })
}

/// Starts a container. One that runs is answered with 304, which is fine.
pub(crate) async fn start(session: Session, full_name: &str) -> Result<(), Trouble> {
    let started = session.docker.start_container(full_name, None).await.map_err(Trouble::from);
    started.map_err(|trouble| match trouble {
        Trouble::Status(_, text) if TAKEN.iter().any(|words| text.contains(words)) => {
            EngineError::AddressTaken(text).into()
        }
        Trouble::Status(404, text) if text.contains("network") && !text.contains("No such container") => {
            EngineError::NetworkGone(text).into()
        }
        Trouble::Status(_, text) if text.contains(FULL) => EngineError::NetworkFull(text).into(),
        trouble => trouble,
    })
}

/// How a container is doing.
pub(crate) async fn state(session: Session, full_name: &str) -> Result<Option<ContainerState>, Trouble> {
    let state = state_now(&session, full_name).await?;
    if state != Some(ContainerState::Exited { code: KILLED, out_of_memory: false }) {
        return Ok(state);
    }
    sleep(REASON_WAIT).await;
    state_now(&session, full_name).await
}

async fn state_now(session: &Session, full_name: &str) -> Result<Option<ContainerState>, Trouble> {
    let container = match session.docker.inspect_container(full_name, None).await.map_err(Trouble::from) {
        Ok(container) => container,
        Err(trouble) if trouble.is_missing() => return Ok(None),
        Err(trouble) => return Err(trouble),
    };
    let state = container.state.ok_or_else(|| EngineError::Failed("it tells no state of the container".into()))?;
    Ok(Some(match state.status {
        Some(Status::CREATED) => ContainerState::Created,
        Some(Status::RUNNING) => ContainerState::Running,
        Some(Status::EXITED) => ContainerState::Exited {
            code: state.exit_code.unwrap_or_default(),
            out_of_memory: state.oom_killed.unwrap_or_default(),
        },
        Some(Status::PAUSED) => ContainerState::Paused,
        other => ContainerState::Other(other.map(|status| status.to_string()).unwrap_or_default()),
    }))
}

/// The end of what a container has said, as text that can be shown.
pub(crate) async fn last_words(
    session: Session,
    full_name: &str,
    lines_max: usize,
    bytes_max: usize,
) -> Result<String, Trouble> {
    let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail(&lines_max.to_string()).build();
    let mut said = session.docker.logs(full_name, Some(options));
    let mut kept: Vec<u8> = Vec::new();
    while let Some(piece) = said.next().await {
        session.go_on();
        match piece? {
            LogOutput::StdOut { message } | LogOutput::StdErr { message } => kept.extend_from_slice(&message),
            // Ours have no terminal, so all that they say comes in frames.
            _ => return Err(EngineError::Failed("it broke off in a log".into()).into()),
        }
        kept.drain(..kept.len().saturating_sub(bytes_max));
    }
    Ok(shown(&kept, bytes_max))
}

/// Text that can be shown, of at most so many bytes.
pub(crate) fn shown(bytes: &[u8], bytes_max: usize) -> String {
    let is_fine = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let text: String = String::from_utf8_lossy(bytes).chars().filter(is_fine).collect();
    // A byte that is no text has become three.
    let mut start = text.len().saturating_sub(bytes_max);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

/// Stops a container. One that does not run is answered with 304, which is fine.
pub(crate) async fn stop_container(session: Session, full_name: &str, stop: Duration) -> Result<(), Trouble> {
    gone(stopped(&session, full_name, stop).await)
}

async fn stopped(session: &Session, full_name: &str, stop: Duration) -> Result<(), Trouble> {
    let seconds = stop.as_secs() + u64::from(stop.subsec_nanos() > 0);
    let options = StopContainerOptionsBuilder::default().t(i32::try_from(seconds).unwrap_or(i32::MAX)).build();
    session.docker.stop_container(full_name, Some(options)).await.map_err(Trouble::from)
}

/// Stops a container, and removes it however that went.
pub(crate) async fn remove_container(session: Session, full_name: &str, stop: Duration) -> Result<(), Trouble> {
    match stopped(&session, full_name, stop).await {
        Ok(()) | Err(Trouble::Status(..)) => {}
        Err(trouble) => return Err(trouble),
    }
    let options = RemoveContainerOptionsBuilder::default().v(true).force(true).build();
    gone(session.docker.remove_container(full_name, Some(options)).await.map_err(Trouble::from))
}

/// Removes a volume.
pub(crate) async fn remove_volume(session: Session, full_name: &str) -> Result<(), Trouble> {
    gone(session.docker.remove_volume(full_name, None::<RemoveVolumeOptions>).await.map_err(Trouble::from))
}

fn gone(removed: Result<(), Trouble>) -> Result<(), Trouble> {
    match removed {
        Err(trouble) if trouble.is_missing() => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_text_within_its_bound() {
        assert_eq!(shown("a\u{1b}[1m\tb\r\nc".as_bytes(), 100), "a[1m\tb\nc");
        assert_eq!(shown("aéé".as_bytes(), 3), "é");
        assert!(shown(&[0xff; 100], 100).len() <= 100);
    }
}
