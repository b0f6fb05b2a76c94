//! A directory's files as a tar archive, by whatever image has `tar`.

use larder_sdk::docker::Container;
use larder_sdk::{Addon, Failure, Options, Request, Stream, Transfer, secrets};
use serde::Deserialize;

use crate::{DATA, Directory};

/// The image that is taken unless the operator sets another.
const IMAGE: &str = "busybox:1.37";
/// What reads, and gives away, files of any owner.
const CAPABILITIES: [&str; 3] = ["CHOWN", "DAC_OVERRIDE", "FOWNER"];
const MEMORY_MIB: u64 = 64;

/// What the operator sets.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    image: Option<String>,
}

impl Settings {
    fn image(self) -> String {
        self.image.unwrap_or_else(|| IMAGE.to_owned())
    }
}

/// What an operator may grant: without it there are directories, and no exports.
pub(crate) fn request(options: &Options) -> Result<Request, String> {
    let image = options.to::<Settings>()?.image();
    let value = format!("{image} memory={MEMORY_MIB}MiB capabilities={}", CAPABILITIES.join(","));
    Ok(Request::optional("docker", &value, "To export and import directories by its tar"))
}

impl Transfer for Directory {
    fn begin_export(_addon: &Addon) -> Result<Stream, Failure> {
        stream(&["-c", "-f", "-", "-C", "/data", "."])
    }

    fn begin_import(_addon: &Addon) -> Result<Stream, Failure> {
        stream(&["-x", "-p", "-f", "-", "-C", "/data"])
    }
}

fn stream(words: &[&str]) -> Result<Stream, Failure> {
    let container = Container::new("transfer", &secrets::options::<Settings>()?.image())
        .user("0:0")
        .memory_mib(MEMORY_MIB)
        .pids(16)
        .read_only()
        .entrypoint(["tar"])
        .command(words.iter().copied())
        .mount(DATA, "/data");
    let container = CAPABILITIES.iter().fold(container, |container, name| container.capability(name));
    Ok(Stream::through(container).of_type("application/x-tar", "tar"))
}
