//! Every secret that the host knows of an addon, to be blotted out of whatever is said of it: by its provider, and by what runs in
//! its containers. A password is known from the call on in which the provider got it, so that a container that tells it days
//! later tells dots.

use larder_domain::config::AddonConfig;
use larder_domain::docker::Wanted;
use larder_domain::ports::StoreError;
use larder_domain::ports::store::ISSUED_MAX;
use larder_domain::redact::redact;
use larder_domain::{AddonId, AddonRecord, AddonState, SecretString};

use crate::Control;

/// What is known before a call.
#[derive(Default)]
pub(super) struct Known {
    /// The passwords that earlier calls have got.
    pub(super) issued: Vec<SecretString>,
    /// These and all others: of what the addon gives, of its server, of its containers' environment, of the operator's options.
    pub(super) all: Vec<SecretString>,
}

/// What whoever asks has read already.
pub(super) struct AtHand<'a> {
    /// The passwords that earlier calls have got.
    pub(super) issued: &'a [SecretString],
    /// The secrets among the operator's options.
    pub(super) options: &'a [SecretString],
    /// What its server gives.
    pub(super) server: Option<&'a AddonConfig>,
    /// Whether it may have any. A look costs every call of those that have none.
    pub(super) may_have_objects: bool,
}

impl Known {
    /// Of an addon.
    pub(super) async fn of(control: &Control, record: &AddonRecord, at_hand: AtHand<'_>) -> Result<Self, StoreError> {
        let (id, AtHand { issued, options, server, may_have_objects }) = (record.spec.id, at_hand);
        let mut all = [issued, options].concat();
        all.extend(server.iter().flat_map(|config| config.secrets()).cloned());
        // One that is had back is configured anew, and has what it was configured with until then.
        if record.addon.state != AddonState::WaitingForProvision || record.addon.grace.is_some() {
            let config = control.store.addon_config(id).await?;
            all.extend(config.iter().flat_map(AddonConfig::secrets).cloned());
        }
        if may_have_objects {
            let objects = control.store.objects(id).await?;
            all.extend(objects.iter().filter_map(|object| object.wanted.as_ref()).flat_map(Wanted::secrets).cloned());
        }
        Ok(Self { issued: issued.to_vec(), all })
    }
}

/// All secrets of an addon.
pub(crate) async fn all(control: &Control, record: &AddonRecord) -> Result<Vec<SecretString>, StoreError> {
    let offers = control.offers.get(&*control.store).await?;
    let options = offers.0.get(&record.spec.provider).map(|offer| offer.secrets.as_slice());
    let server = match record.spec.parent {
        Some(parent) => control.store.addon_config(parent).await?,
        None => None,
    };
    let issued = control.store.issued(record.spec.id).await?;
    let at_hand = AtHand {
        issued: &issued,
        // Of a provider that is gone there are none.
        options: options.unwrap_or_default(),
        server: server.as_ref(),
        may_have_objects: true,
    };
    Ok(Known::of(control, record, at_hand).await?.all)
}

/// What is to be logged of an addon, without its secrets: an engine may quote what it was asked for.
pub(super) async fn blotted(control: &Control, addon: AddonId, text: String) -> String {
    let known = async {
        match control.store.addon(addon).await? {
            Some(record) => all(control, &record).await,
            None => Ok(vec![]),
        }
    };
    match known.await {
        Ok(known) => redact(text, &known),
        Err(error) => format!("not shown, since its secrets can't be read: {error}"),
    }
}

/// The passwords known so far with those that a call has got, if there are new ones.
pub(super) fn united(known: Vec<SecretString>, issued: Vec<SecretString>) -> Option<Vec<SecretString>> {
    let before = known.len();
    let mut united = known;
    for secret in issued {
        if !united.contains(&secret) {
            united.push(secret);
        }
    }
    let is_new = united.len() > before;
    united.drain(..united.len().saturating_sub(ISSUED_MAX));
    is_new.then_some(united)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(numbers: std::ops::Range<usize>) -> Vec<SecretString> {
        numbers.map(|number| SecretString::new(number.to_string())).collect()
    }

    #[test]
    fn the_newest_passwords_stay_known() {
        assert_eq!(united(numbered(0..3), numbered(1..2)), None);
        assert_eq!(united(numbered(0..3), numbered(2..4)), Some(numbered(0..4)));
        assert_eq!(united(numbered(0..ISSUED_MAX), numbered(0..ISSUED_MAX + 2)), Some(numbered(2..ISSUED_MAX + 2)));
    }
}
