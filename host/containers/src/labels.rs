//! Whose an object is, as labels on it. They are the only proof that the host may touch it, so they are read strictly: an
//! object with a label that is missing or spelt otherwise than we spell it is nobody's.

use std::collections::{BTreeMap, HashMap};

use larder_domain::ids::{AddonId, InstallationId, OperationId};
use larder_domain::ports::engine::Owner;

/// Which installation.
pub(crate) const INSTALLATION: &str = "larder.installation";
/// Which addon.
pub(crate) const ADDON: &str = "larder.addon";
/// The object's name among those of its addon.
const OBJECT: &str = "larder.object";
/// Which of the documents that asked for it.
const REVISION: &str = "larder.revision";
/// The operation whose data flow through a container. On objects it is empty, and not left out: what is left out, an image may say.
pub(crate) const TRANSFER: &str = "larder.transfer";

/// The labels of an owner, and others beside them. None of those can take an owner's place.
pub(crate) fn write(owner: &Owner, others: &BTreeMap<String, String>) -> HashMap<String, String> {
    let owned = [
        (INSTALLATION, owner.installation.to_string()),
        (ADDON, owner.addon.to_string()),
        (OBJECT, owner.name.to_string()),
        (REVISION, owner.revision.to_string()),
        (TRANSFER, String::new()),
    ];
    let others = others.iter().map(|(name, value)| (name.clone(), value.clone()));
    others.chain(owned.map(|(name, value)| (name.to_owned(), value))).collect()
}

/// The owner that labels name, if they name one.
pub(crate) fn read(labels: &HashMap<String, String>) -> Option<Owner> {
    Some(Owner {
        installation: exactly(labels.get(INSTALLATION)?)?,
        addon: exactly(labels.get(ADDON)?)?,
        name: exactly(labels.get(OBJECT)?)?,
        revision: exactly(labels.get(REVISION)?)?,
    })
}

/// The operation whose data flow through the container. One with a label that can't be read is of none that anybody knows, and
/// goes as those do.
pub(crate) fn operation(labels: &HashMap<String, String>) -> Option<OperationId> {
    let label = labels.get(TRANSFER).filter(|label| !label.is_empty())?;
    Some(exactly(label).unwrap_or_else(|| OperationId(Default::default())))
}

/// The addon that an event's attributes name. What happens to a container through which data flow is no matter of its objects.
pub(crate) fn addon_of(installation: InstallationId, attributes: &HashMap<String, String>) -> Option<AddonId> {
    if attributes.get(TRANSFER).is_some_and(|label| !label.is_empty()) {
        return None;
    }
    let named: InstallationId = exactly(attributes.get(INSTALLATION)?)?;
    if named == installation { exactly(attributes.get(ADDON)?) } else { None }
}

/// A value in the one spelling that it is written in.
fn exactly<T: std::str::FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|value: &T| value.to_string() == text)
}

/// The filter of a list or of a stream of events.
pub(crate) fn filter(installation: InstallationId, addon: Option<AddonId>) -> Vec<String> {
    let addon = addon.map(|addon| format!("{ADDON}={addon}"));
    std::iter::once(format!("{INSTALLATION}={installation}")).chain(addon).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        let (installation, addon) = (InstallationId::generate(), AddonId::generate());
        Owner { installation, addon, name: "db".parse().unwrap(), revision: 7 }
    }

    #[test]
    fn what_was_written_is_read() {
        let owner = owner();
        let others = [("larder.provider", "redis"), (ADDON, "another's"), (REVISION, "9")];
        let others = others.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let labels = write(&owner, &others.into_iter().collect());
        assert_eq!((operation(&labels), addon_of(owner.installation, &labels)), (None, Some(owner.addon)));
        assert_eq!(read(&labels), Some(owner));
        assert_eq!((labels.len(), labels["larder.provider"].as_str()), (6, "redis"));
    }

    #[test]
    fn what_is_missing_or_spelt_otherwise_is_nobodys() {
        let owner = owner();
        let whole = write(&owner, &BTreeMap::new());
        for name in [INSTALLATION, ADDON, OBJECT, REVISION] {
            let mut labels = whole.clone();
            labels.remove(name);
            assert_eq!(read(&labels), None, "without {name}");
            for bad in ["", " ", "x/y", "-1", "+7", "07", "7 "] {
                labels.insert(name.into(), bad.into());
                assert_eq!(read(&labels).filter(|_| name != OBJECT || bad != "07"), None, "{name}={bad}");
            }
        }
        let mut shouted = whole;
        shouted.insert(ADDON.into(), owner.addon.to_string().to_uppercase());
        assert_eq!(read(&shouted), None);
    }
}
