//! The operator's options, and what versions say of themselves under them.

use larder_domain::ProviderName;
use larder_domain::audit::{Action, Actor};
use larder_domain::ids::Digest;
use larder_domain::manifest::Manifest;
use larder_domain::ports::store::RevisionChanged;
use larder_domain::provider::Provider;
use larder_domain::work::WorkKind;
use serde_json::json;

use super::{grants, revision, versions};
use crate::sql::audit;
use crate::sql::error::{Failure, Stop};
use crate::sql::tx::Tx;
use crate::sql::work::plan;

pub(super) fn set(
    tx: &mut Tx<'_>,
    provider: &ProviderName,
    sealed: &[u8],
    manifests: &[(Digest, Manifest)],
    revision: u64,
) -> Result<(), Stop<RevisionChanged>> {
    revision::advance(tx, provider, revision)?;
    // A check that has ended since, or an activation, may have brought in one that knows only the options before these.
    let all = versions::all(tx.conn, provider)?;
    if Provider::under_options(&all).any(|version| !manifests.iter().any(|(digest, _)| *digest == version.digest)) {
        return Err(Stop::Refused(RevisionChanged { is: revision }));
    }
    tx.write("UPDATE provider SET options = ? WHERE name = ?", (sealed, provider.as_str()))?;
    for (digest, manifest) in manifests {
        let text = serde_json::to_string(manifest).map_err(|error| Failure::corrupt(error.to_string()))?;
        let sql = "UPDATE version SET manifest = ? WHERE provider = ? AND digest = ?";
        tx.write(sql, (text, provider.as_str(), &digest.0))?;
    }
    // A check under way has asked under the options before these.
    plan::wish_all(tx, WorkKind::CheckVersion, provider)?;
    audit::note(tx, Actor::Admin, Action::Configured, provider, &json!({}))?;
    Ok(grants::activate_what_waited(tx, provider)?)
}
