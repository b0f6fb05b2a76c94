//! Which image an addon's server runs from. A server can't read the files of any other release, or could not be taken back: so an addon
//! keeps the release that it was made with, whatever the options name by now, and takes another image of that with its next update.

use larder_sdk::{Addon, Failure, Options, ProvisionType, Role, state};

use super::{Database, Kind};
use crate::Image;

/// Where the image is remembered that the addon's server was last wanted from; a common server tells it under this name, too.
pub(super) const IMAGE: &str = "image";

/// The images that these options name, that of new addons first: where those are on a server elsewhere, it only has the client programs.
pub(super) fn images<D: Database>(options: &Options, is_external: bool) -> Result<Vec<String>, String> {
    let earlier_images = Image::earlier_under(options)?;
    let image = D::KIND.image.under(options)?;
    if !is_external {
        D::check_image(&image)?;
        check_release(&image, D::KIND)?;
    }
    earlier_images.iter().try_for_each(|image| D::check_image(image))?;
    Ok([image].into_iter().chain(earlier_images).collect())
}

/// A name that goes on to another release one day would take the addons along. Those that were made from one already keep it, as one of
/// the earlier images.
fn check_release(image: &str, kind: &Kind) -> Result<(), String> {
    if image.contains('@') || Release::of(image, kind).is_some() {
        return Ok(());
    }
    let (count, usual) = (kind.release_numbers, kind.image.usual);
    Err(format!(
        "{image} can't be run: it may come to mean another release, which could not read the addons' data; take a tag that begins with the \
        version's first numbers ({count} or more), as {usual} does, or add a digest"
    ))
}

/// The image that the addon's server is to run from, which is remembered.
pub(super) fn choose(kind: &Kind) -> Result<String, Failure> {
    let image = match (kept()?, kind.image.of_new_servers()?) {
        // The image that the options name now is for programs only.
        (Some(kept), None) => kept,
        (kept, Some(set)) => chosen(kind, kept, set),
        (None, None) => kind.image.now()?,
    };
    let image = kind.image.named(image)?;
    state::set(IMAGE, &image)?;
    Ok(image)
}

/// The image that the addon's own server was last wanted from.
pub(super) fn kept() -> Result<Option<String>, Failure> {
    Ok(state::get_text(IMAGE)?)
}

/// The image whose client programs fit the server: its own release's, or of a server elsewhere those of the image for new addons.
pub(super) fn of_clients(addon: &Addon, kind: &Kind) -> Result<String, Failure> {
    let of_server = match (addon.provision_type(), addon.role()) {
        (ProvisionType::Communal, Role::User) => addon.server_value(IMAGE),
        _ => kept()?,
    };
    let now = kind.image.now()?;
    match chosen(kind, of_server, now.clone()) {
        // With a server elsewhere, too, it is asked for, if only for its programs.
        image if image == now => Ok(image),
        image => kind.image.named(image),
    }
}

fn chosen(kind: &Kind, kept: Option<String>, set: String) -> String {
    match kept {
        Some(kept) if Release::of(&kept, kind).is_none_or(|release| Release::of(&set, kind) != Some(release)) => kept,
        _ => set,
    }
}

/// What images have in common that can take over one another's data: the name, the first numbers of the version, and the system below,
/// which decides how text is sorted.
#[derive(Debug, PartialEq, Eq)]
struct Release<'a> {
    name: &'a str,
    numbers: Vec<u32>,
    flavour: &'a str,
}

impl<'a> Release<'a> {
    /// None if the image does not tell.
    fn of(image: &'a str, kind: &Kind) -> Option<Self> {
        let image = image.split('@').next()?;
        let (name, tag) = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
        let end = tag.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(tag.len());
        let (version, flavour) = tag.split_at(end);
        let numbers = version.split('.').map(|number| number.parse().ok()).take(kind.release_numbers);
        let numbers = numbers.collect::<Option<Vec<u32>>>()?;
        (numbers.len() == kind.release_numbers).then_some(Self { name, numbers, flavour })
    }
}

#[cfg(test)]
mod tests;
