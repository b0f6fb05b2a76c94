//! The network of an installation's containers: reached from outside by what they publish, and not from one another.

use std::collections::HashMap;

use bollard::models::{Network, NetworkCreateRequest};
use bollard::query_parameters::ListNetworksOptionsBuilder;
use larder_domain::ids::InstallationId;
use larder_domain::ports::engine::EngineError;

use crate::engine::filters;
use crate::error::Trouble;
use crate::labels::INSTALLATION;
use crate::wire::Session;

/// Whether containers of a bridge reach one another.
const ENABLE_ICC: &str = "com.docker.network.bridge.enable_icc";
const DRIVER: &str = "bridge";

/// Sees to it that the network is there, once.
///
/// Older engines make a second network of the same name without a word, and then find neither by it. So whoever has made one
/// looks again; of several, the first that was made stays, and everybody removes their own.
pub(crate) async fn ensure(session: Session, installation: InstallationId, name: &str) -> Result<(), Trouble> {
    let there = named(&session, name).await?;
    if let [_first, more @ ..] = there.as_slice() {
        there.iter().try_for_each(|network| check(network, installation))?;
        for id in more.iter().filter_map(|network| network.id.as_deref()) {
            // Left by those who did not see one another. One that is used can't be removed, and then it is the name's.
            session.go_on();
            let _used = session.docker.remove_network(id).await;
        }
        return Ok(());
    }
    let made = match session.docker.create_network(wanted(installation, name)).await.map_err(Trouble::from) {
        Ok(made) => Some(made.id),
        // Another was quicker; newer engines say so.
        Err(Trouble::Status(409, _)) => None,
        Err(trouble) => return Err(trouble),
    };
    session.go_on();
    let there = named(&session, name).await?;
    let first = there.first().ok_or_else(|| EngineError::Failed("it made a network and has it not".into()))?;
    if let Some(made) = made.filter(|made| first.id.as_ref() != Some(made)) {
        session.docker.remove_network(&made).await?;
    }
    check(first, installation)
}

/// Removes the networks of that name that are the installation's.
pub(crate) async fn remove(session: Session, installation: InstallationId, name: &str) -> Result<(), Trouble> {
    for network in named(&session, name).await?.iter().filter(|network| is_of(network, installation)) {
        session.go_on();
        match session.docker.remove_network(network.id.as_deref().unwrap_or(name)).await.map_err(Trouble::from) {
            // Engines call it forbidden that containers are in it.
            Err(Trouble::Status(403, text)) => return Err(EngineError::Conflict(text).into()),
            Err(trouble) if !trouble.is_missing() => return Err(trouble),
            _ => {}
        }
    }
    Ok(())
}

/// The networks of exactly this name, the oldest first.
async fn named(session: &Session, name: &str) -> Result<Vec<Network>, Trouble> {
    let filters = filters([("name", vec![name.to_owned()])]);
    let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let mut found = session.docker.list_networks(Some(options)).await?;
    // The filter finds names that hold this one.
    found.retain(|network| network.name.as_deref() == Some(name));
    found.sort_by_cached_key(|network| {
        let created = network.created.clone().unwrap_or_default();
        // Trailing zeros are left out, and `Z` comes after every digit.
        (created.trim_end_matches('Z').to_owned(), network.id.clone())
    });
    Ok(found)
}

fn wanted(installation: InstallationId, name: &str) -> NetworkCreateRequest {
    NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some(DRIVER.to_owned()),
        options: Some(HashMap::from([(ENABLE_ICC.to_owned(), "false".to_owned())])),
        labels: Some(HashMap::from([(INSTALLATION.to_owned(), installation.to_string())])),
        ..NetworkCreateRequest::default()
    }
}

fn value<'a>(map: &'a Option<HashMap<String, String>>, name: &str) -> Option<&'a str> {
    map.as_ref()?.get(name).map(String::as_str)
}

fn is_of(network: &Network, installation: InstallationId) -> bool {
    value(&network.labels, INSTALLATION) == Some(installation.to_string().as_str())
}

fn check(network: &Network, installation: InstallationId) -> Result<(), Trouble> {
    let conflict = |what: &str| {
        let name = network.name.as_deref().unwrap_or_default();
        Err(EngineError::Conflict(format!("the network {name} {what}: remove it, or have another name used")).into())
    };
    if !is_of(network, installation) {
        return conflict("is not this installation's");
    }
    if network.driver.as_deref() != Some(DRIVER) || value(&network.options, ENABLE_ICC) != Some("false") {
        return conflict("lets containers reach one another");
    }
    Ok(())
}
