//! Networks that somebody else has made for containers of an app: addons' containers join them, and leave them.
//!
//! A container joins under a name that says whose it is. So what has joined can be told from what a person has connected, which stays.

use bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest, NetworkInspect};
use larder_domain::NetworkName;
use larder_domain::ports::engine::EngineError;

use crate::create::NO_NETWORKS;
use crate::error::Trouble;
use crate::labels::INSTALLATION;
use crate::objects::FULL;
use crate::wire::Session;

/// Whether there is such a network, for containers of addons.
pub(crate) async fn is_fit(session: Session, name: &NetworkName) -> Result<bool, Trouble> {
    look(&session, name).await.map(|id| id.is_some())
}

/// Puts a container into a network, unless it is in it.
pub(crate) async fn join(
    session: Session,
    full_name: &str,
    network: &NetworkName,
    known_as: &str,
) -> Result<(), Trouble> {
    if let Some(names) = names_in(&session, full_name, network.as_str()).await? {
        let is_ours = names.iter().any(|name| name == known_as);
        return if is_ours { Ok(()) } else { Err(connected_by_others(full_name, network).into()) };
    }
    let Some(id) = look(&session, network).await? else {
        return Err(EngineError::NoNetwork(network.clone()).into());
    };
    session.go_on();
    let endpoint = EndpointSettings { aliases: Some(vec![known_as.to_owned()]), ..EndpointSettings::default() };
    let request = NetworkConnectRequest { container: full_name.to_owned(), endpoint_config: Some(endpoint) };
    match session.docker.connect_network(&id, request).await.map_err(Trouble::from) {
        Err(Trouble::Status(_, text)) if text.contains(FULL) => {
            Err(EngineError::NetworkFull(format!("{network} has no address left")).into())
        }
        joined => joined,
    }
}

/// A person's connection is theirs, and a container can't be in a network twice.
pub(crate) fn connected_by_others(full_name: &str, network: &NetworkName) -> EngineError {
    EngineError::Refused(format!(
        "somebody has connected the container to the network {network}, in which it can't have its name so; it joins by itself \
         after `docker network disconnect {network} {full_name}`"
    ))
}

/// Takes a container out of a network that it joined under this name.
pub(crate) async fn leave(session: Session, full_name: &str, network: &str, known_as: &str) -> Result<(), Trouble> {
    let joined = names_in(&session, full_name, network).await?;
    if !joined.is_some_and(|names| names.iter().any(|name| name == known_as)) {
        return Ok(());
    }
    let request = NetworkDisconnectRequest { container: full_name.to_owned(), force: Some(true) };
    match session.docker.disconnect_network(network, request).await.map_err(Trouble::from) {
        Err(trouble) if trouble.is_missing() => Ok(()),
        Err(Trouble::Status(_, text)) if text.contains("is not connected to") => Ok(()),
        left => left,
    }
}

/// The id of the network, if there is one and containers of addons may be in it.
async fn look(session: &Session, name: &NetworkName) -> Result<Option<String>, Trouble> {
    let refused = |why: &str| Err(EngineError::Refused(format!("the network {name} {why}")).into());
    if NO_NETWORKS.contains(&name.as_str()) {
        return refused("is the machine's own: make one for the app");
    }
    let found: NetworkInspect = match session.docker.inspect_network(name.as_str(), None).await.map_err(Trouble::from) {
        Ok(found) => found,
        Err(trouble) if trouble.is_missing() => return Ok(None),
        Err(trouble) => return Err(trouble),
    };
    session.go_on();
    if found.labels.as_ref().is_some_and(|labels| labels.contains_key(INSTALLATION)) {
        return refused("is one of Larder's own, in which containers can't reach one another");
    }
    if found.ingress == Some(true) || found.config_only == Some(true) {
        return refused("is none that containers can be in");
    }
    if found.scope.as_deref() == Some("swarm") && found.attachable != Some(true) {
        return refused("is a swarm's, and only its services can be in it: make one with `--attachable`");
    }
    match (found.id, found.name) {
        // Engines look by the beginnings of ids as well.
        (Some(id), Some(found)) if found == name.as_str() => Ok(Some(id)),
        _ => Ok(None),
    }
}

/// The names by which a container is known in a network; none if it isn't in it.
async fn names_in(session: &Session, full_name: &str, network: &str) -> Result<Option<Vec<String>>, Trouble> {
    let container = session.docker.inspect_container(full_name, None).await?;
    session.go_on();
    let runs = container.state.as_ref().and_then(|state| state.running).unwrap_or_default();
    let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    // One that does not run has no endpoint anywhere. For one that runs and has none there was no room.
    let is_in = |endpoint: &&EndpointSettings| !runs || endpoint.endpoint_id.as_ref().is_some_and(|id| !id.is_empty());
    let endpoint = networks.get(network).filter(is_in);
    Ok(endpoint.map(|endpoint| endpoint.aliases.clone().unwrap_or_default()))
}
