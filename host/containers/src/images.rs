//! Images: whether there is one, and having the engine get one from its registry.

use bollard::errors::Error;
use bollard::query_parameters::{CreateImageOptions, CreateImageOptionsBuilder};
use futures_util::StreamExt as _;
use larder_domain::docker::Image;
use larder_domain::ports::engine::EngineError;

use crate::error::{Trouble, line};
use crate::wire::Session;

/// What registries and engines say of an image that is not there, or not for everybody; they have no codes for it.
const NOT_TO_BE_HAD: [&str; 6] =
    ["not found", "denied", "unauthorized", "manifest unknown", "does not exist", "no matching manifest"];

/// Whether the engine has an image.
pub(crate) async fn has(session: Session, image: &Image) -> Result<bool, Trouble> {
    match session.docker.inspect_image(&image.to_string()).await.map_err(Trouble::from) {
        Ok(_) => Ok(true),
        Err(trouble) if trouble.is_missing() => Ok(false),
        Err(trouble) => Err(trouble),
    }
}

/// Has the engine get an image.
pub(crate) async fn pull(session: Session, image: &Image) -> Result<(), Trouble> {
    let mut progress = session.docker.create_image(Some(options(image)), None, None);
    while let Some(step) = progress.next().await {
        step.map_err(of_pull)?;
        session.go_on();
    }
    drop(progress);
    // What breaks off cleanly looks like an end.
    session.go_on();
    if has(session, image).await? {
        Ok(())
    } else {
        Err(EngineError::Failed("it pulled the image and has it not".into()).into())
    }
}

/// A digest says which one; a tag beside it is for people.
fn options(image: &Image) -> CreateImageOptions {
    let version = image.digest().or(image.tag()).unwrap_or_default();
    CreateImageOptionsBuilder::default().from_image(image.repository()).tag(version).build()
}

fn of_pull(error: Error) -> Trouble {
    let words = |text: &str| NOT_TO_BE_HAD.iter().any(|words| text.to_lowercase().contains(words));
    match error {
        Error::DockerStreamError { error } if words(&error) => EngineError::NoImage(line(&error)).into(),
        error => match Trouble::from(error) {
            Trouble::Status(401 | 403 | 404, text) => EngineError::NoImage(text).into(),
            // What the registry said before anything was fetched comes as a failure of the engine's own.
            Trouble::Status(500.., text) if words(&text) => EngineError::NoImage(text).into(),
            // A registry has been asked too often: not now, but later.
            Trouble::Status(429, text) => EngineError::Failed(text).into(),
            trouble => trouble,
        },
    }
}
