//! What a new object is for the engine. Beside what the provider wants stands what every container gets, and nothing that is
//! wanted can take it away: no powers but those granted, bounds for memory, CPU, processes, open files and logs, no files of the machine,
//! no namespace of the machine.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions, PortBinding, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum, VolumeCreateRequest,
};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use larder_domain::docker::ContainerSpec;
use larder_domain::ports::engine::{EngineError, NewContainer, Owner};

use crate::engine::check_name;
use crate::error::Trouble;
use crate::labels;
use crate::wire::Session;

const LOG_FILE_SIZE: &str = "10m";
const LOG_FILES: &str = "2";
/// Files that a process may have open. Some engines give no bound, and some servers set aside memory for as many as they may have; an
/// engine that may not raise its own bound can't give more than that.
const OPEN_FILES_MAX: i64 = 16_384;
const NANOS_PER_MILLI: i64 = 1_000_000;

/// Names of networks that are none of ours: the machine's own, the one that all containers share, and none.
pub(crate) const NO_NETWORKS: [&str; 4] = ["host", "bridge", "default", "none"];

/// Makes a volume.
pub(crate) async fn volume(session: Session, full_name: &str, owner: &Owner) -> Result<(), Trouble> {
    let wanted = VolumeCreateRequest {
        name: Some(full_name.to_owned()),
        driver: Some("local".to_owned()),
        labels: Some(labels::write(owner, &Default::default())),
        ..VolumeCreateRequest::default()
    };
    // An engine answers with the volume that it has, be it older than the request.
    let there = session.docker.create_volume(wanted).await?;
    let who = |owner: &Owner| (owner.installation, owner.addon, owner.name.clone());
    if labels::read(&there.labels).as_ref().map(who) == Some(who(owner)) {
        return Ok(());
    }
    Err(EngineError::Conflict(format!("there is a volume {full_name}, and it is another's")).into())
}

/// Makes a container.
pub(crate) async fn container(session: Session, container: &NewContainer<'_>) -> Result<(), Trouble> {
    let options = CreateContainerOptionsBuilder::default().name(&container.full_name).build();
    let made = session.docker.create_container(Some(options), body(container)?).await.map_err(Trouble::from);
    match made {
        Ok(_) => Ok(()),
        Err(Trouble::Status(404, text)) if text.contains("network") && !text.contains("image") => {
            Err(EngineError::Failed(text).into())
        }
        Err(Trouble::Status(404, text)) => Err(EngineError::NoImage(text).into()),
        Err(trouble) => Err(trouble),
    }
}

fn body(container: &NewContainer<'_>) -> Result<ContainerCreateBody, EngineError> {
    let (spec, network) = (container.spec, container.network.as_str());
    check_name(network)?;
    let stream = container.stream.as_ref();
    let beside = stream.and_then(|stream| stream.beside.as_deref());
    beside.map_or(Ok(()), check_name)?;
    let mut labels = labels::write(&container.owner, &container.labels);
    labels.extend(stream.map(|stream| (labels::TRANSFER.to_owned(), stream.operation.to_string())));
    let has_input = stream.is_some_and(|stream| stream.has_input);
    if NO_NETWORKS.contains(&network) {
        return Err(EngineError::Refused(format!("{network} is no network for containers of addons")));
    }
    let command = spec.command.iter().map(|word| word.reveal().to_owned());
    let env = spec.env.iter().map(|(name, value)| format!("{name}={}", value.reveal()));
    Ok(ContainerCreateBody {
        image: Some(spec.image.to_string()),
        cmd: some(command.collect()),
        entrypoint: some(spec.entrypoint.clone()),
        env: some(env.collect()),
        // The same for each revision: some servers find their data by it. Data only flow through the others, which are not to
        // take themselves for somebody whom they know by that name.
        hostname: stream.is_none().then(|| container.owner.name.to_string()),
        user: spec.user.clone(),
        exposed_ports: some(container.published.keys().map(|port| tcp(*port)).collect()),
        labels: Some(labels),
        // How its servers are doing is asked by providers; what an image would have run for that, as often as it likes, is not.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        stop_timeout: Some(i64::from(spec.stop_s)),
        tty: Some(false),
        attach_stdin: has_input.then_some(true),
        open_stdin: Some(has_input),
        // Its input ends with that of whoever feeds it.
        stdin_once: has_input.then_some(true),
        host_config: Some(host_config(container)?),
        ..ContainerCreateBody::default()
    })
}

fn host_config(container: &NewContainer<'_>) -> Result<HostConfig, EngineError> {
    let spec = container.spec;
    // The same number twice: no swap beside it.
    let memory = i64::try_from(spec.memory_bytes).unwrap_or(i64::MAX);
    Ok(HostConfig {
        memory: Some(memory),
        memory_swap: Some(memory),
        nano_cpus: Some(i64::from(spec.cpu_millis).saturating_mul(NANOS_PER_MILLI)),
        pids_limit: Some(i64::from(spec.pids)),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(OPEN_FILES_MAX),
            hard: Some(OPEN_FILES_MAX),
        }]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(spec.capabilities.iter().map(|capability| capability.as_str().to_owned()).collect()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        privileged: Some(false),
        readonly_rootfs: Some(spec.read_only),
        // Whatever the engine's own defaults are.
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        // Somebody must collect the processes that the image's program leaves behind.
        init: Some(true),
        // What runs is decided by the reconciler alone.
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        auto_remove: Some(false),
        log_config: Some(log_config(container.stream.is_some())),
        mounts: Some(mounts(container)?),
        tmpfs: Some(tmpfs(spec)),
        network_mode: Some(network_mode(container)),
        port_bindings: Some(port_bindings(container)),
        publish_all_ports: Some(false),
        ..HostConfig::default()
    })
}

/// Containers in the installation's network can't reach one another, so one that is to reach another is put into its namespace.
fn network_mode(container: &NewContainer<'_>) -> String {
    let beside = container.stream.as_ref().and_then(|stream| stream.beside.as_deref());
    beside.map_or_else(|| container.network.clone(), |beside| format!("container:{beside}"))
}

/// What flows through is not written down beside.
fn log_config(is_stream: bool) -> HostConfigLogConfig {
    if is_stream {
        return HostConfigLogConfig { typ: Some("none".to_owned()), config: None };
    }
    let bounds = [("max-size", LOG_FILE_SIZE), ("max-file", LOG_FILES)];
    let config = bounds.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(config) }
}

/// Volumes by their names. A source that is a name and not a path can't be a directory of the machine.
fn mounts(container: &NewContainer<'_>) -> Result<Vec<Mount>, EngineError> {
    let mount = |mount: &larder_domain::docker::Mount| {
        let source = container.volumes.get(&mount.volume);
        let source = source.ok_or_else(|| EngineError::Refused(format!("nobody named the volume {}", mount.volume)))?;
        check_name(source)?;
        // An engine makes a volume that is missing. It is to be known as ours then.
        let owner = Owner { name: mount.volume.clone(), ..container.owner.clone() };
        let labels = Some(labels::write(&owner, &Default::default()));
        Ok(Mount {
            target: Some(mount.path.clone()),
            source: Some(source.clone()),
            typ: Some(MountType::VOLUME),
            read_only: Some(mount.read_only),
            volume_options: Some(MountVolumeOptions { labels, ..MountVolumeOptions::default() }),
            ..Mount::default()
        })
    };
    container.spec.mounts.iter().map(mount).collect()
}

fn tmpfs(spec: &ContainerSpec) -> HashMap<String, String> {
    let options = |bytes: u64| format!("rw,nosuid,nodev,mode=1777,size={bytes}");
    spec.tmpfs.iter().map(|tmpfs| (tmpfs.path.clone(), options(tmpfs.bytes))).collect()
}

fn port_bindings(container: &NewContainer<'_>) -> HashMap<String, Option<Vec<PortBinding>>> {
    let published = container.published.iter().map(|(port, address)| {
        let (host_ip, host_port) = (Some(address.ip().to_string()), Some(address.port().to_string()));
        (tcp(*port), Some(vec![PortBinding { host_ip, host_port }]))
    });
    published.collect()
}

fn tcp(port: u16) -> String {
    format!("{port}/tcp")
}

/// An empty list would take the place of the image's own.
fn some(list: Vec<String>) -> Option<Vec<String>> {
    if list.is_empty() { None } else { Some(list) }
}
