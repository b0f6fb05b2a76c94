//! Networks that are made for one transfer each: its container reaches one other container there, and nothing else.
//!
//! Containers in the installation's network can't reach one another, and into the namespace of a server that others use as well
//! no program of one of them may come: servers trust what comes from themselves. Here it comes from outside, like everybody.

use std::collections::HashMap;

use bollard::models::{EndpointSettings, NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};
use larder_domain::ids::InstallationId;
use larder_domain::ports::engine::Passage;

use crate::engine::filters;
use crate::error::Trouble;
use crate::labels::{self, INSTALLATION, TRANSFER};
use crate::wire::Session;

const DRIVER: &str = "bridge";

/// Makes the network, and has a container be in it under this name.
pub(crate) async fn open(
    session: Session,
    installation: InstallationId,
    passage: &Passage,
    to: &str,
    known_as: &str,
) -> Result<(), Trouble> {
    let labels = [(INSTALLATION, installation.to_string()), (TRANSFER, passage.operation.to_string())];
    let wanted = NetworkCreateRequest {
        name: passage.name.clone(),
        driver: Some(DRIVER.to_owned()),
        // Nothing leads out of it, so the way out of the container that joins stays what it was.
        internal: Some(true),
        labels: Some(HashMap::from(labels.map(|(name, value)| (name.to_owned(), value)))),
        ..NetworkCreateRequest::default()
    };
    let made = session.docker.create_network(wanted).await?;
    session.go_on();
    let endpoint = EndpointSettings { aliases: Some(vec![known_as.to_owned()]), ..EndpointSettings::default() };
    let request = NetworkConnectRequest { container: to.to_owned(), endpoint_config: Some(endpoint) };
    Ok(session.docker.connect_network(&made.id, request).await?)
}

/// All such networks of the installation.
pub(crate) async fn list(session: Session, installation: InstallationId) -> Result<Vec<Passage>, Trouble> {
    let labels = vec![format!("{INSTALLATION}={installation}"), TRANSFER.to_owned()];
    let options = ListNetworksOptionsBuilder::default().filters(&filters([("label", labels)])).build();
    let found = session.docker.list_networks(Some(options)).await?;
    let passages = found.into_iter().filter_map(|network| {
        let its_labels = network.labels?;
        // Filters have been read in more than one way.
        let is_ours = its_labels.get(INSTALLATION) == Some(&installation.to_string());
        let operation = labels::operation(&its_labels).filter(|_| is_ours)?;
        Some(Passage { name: network.name?, operation })
    });
    Ok(passages.collect())
}

/// Removes the network. Whoever is still in it leaves it first, also if it does not run: a container that is in a network that is gone
/// can't be started any more.
pub(crate) async fn close(session: Session, name: &str) -> Result<(), Trouble> {
    let filters = filters([("network", vec![name.to_owned()])]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    for container in session.docker.list_containers(Some(options)).await?.into_iter().filter_map(|found| found.id) {
        session.go_on();
        let request = NetworkDisconnectRequest { container, force: Some(true) };
        gone(session.docker.disconnect_network(name, request).await.map_err(Trouble::from))?;
    }
    session.go_on();
    gone(session.docker.remove_network(name).await.map_err(Trouble::from))
}

fn gone(done: Result<(), Trouble>) -> Result<(), Trouble> {
    match done {
        Err(trouble) if trouble.is_missing() => Ok(()),
        done => done,
    }
}
