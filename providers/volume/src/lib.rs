//! A directory for an app: a volume on the engine that the app's own containers run on.
//!
//! Nothing runs but while data are exported or imported (`transfer`): the host makes the volume, and removes it with the addon. All there is to tell is its name.
//! The engine knows an addon's object as `larder-<id of the addon>-<name of the object>`, which is told here so that whatever
//! starts the app's containers can mount it, as in `docker run --mount type=volume,src=$VOLUME_NAME,dst=/data`.

mod transfer;

use larder_sdk::docker::{self, Volume};
use larder_sdk::{Addon, Config, Failure, Manifest, Options, Plan, Progress, Provider, Request, Service, json};

const DATA: &str = "data";

struct Directory;

impl Provider for Directory {
    fn manifest(options: &Options) -> Result<Manifest, String> {
        let service = Service::new("volume", "A directory that outlives an app's containers")
            .tag("files")
            .variable("VOLUME_NAME")
            .plan(Plan::new("default", "As large as the engine's disk has room"));
        let image = json!({ "type": "string", "description": "An image with tar, for exports and imports" });
        let properties = json!({ "image": image });
        Ok(Manifest::new(env!("CARGO_PKG_VERSION"), "Directories as volumes of a Docker engine")
            .service(service)
            .options(json!({ "type": "object", "additionalProperties": false, "properties": properties }))
            .request(transfer::request(options)?)
            .request(Request::required("docker", "volumes=1", "To make the volumes")))
    }

    fn begin_provision(_addon: &Addon) -> Result<String, Failure> {
        docker::ensure(Volume::new(DATA))?;
        Ok("A volume is being made".to_owned())
    }

    fn provision_complete(_addon: &Addon) -> Result<Progress, Failure> {
        match docker::inspect(DATA)?.running() {
            Ok(_) => Ok(Progress::Done),
            Err(why) => why.into_progress(),
        }
    }

    fn get_config(addon: &Addon) -> Result<Config, Failure> {
        let name = format!("larder-{}-{DATA}", addon.id());
        Ok(Config::new().variable("VOLUME_NAME", &name).credential("volume", name))
    }

    // There is nothing to deprovision: the host removes the volume.
}

larder_sdk::export!(Directory: transfer);
