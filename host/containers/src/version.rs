//! Which version of the API is spoken with an engine: the newest that both know. Engines refuse others, newer and older ones.

use bollard::models::SystemVersion;
use bollard::{API_DEFAULT_VERSION, ClientVersion};
use larder_domain::ports::engine::EngineError;

use crate::error::line;

/// The oldest API that has all that is asked for; Docker 20.10 has it.
const OLDEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };

/// The version to speak with an engine that says this of itself.
pub(crate) fn common(engine: &SystemVersion) -> Result<ClientVersion, EngineError> {
    let newest = read(engine.api_version.as_deref())?;
    if newest < OLDEST {
        let what = format!("it speaks API {newest}, and {OLDEST} or newer is needed (Docker 20.10 or newer)");
        return Err(EngineError::Refused(what));
    }
    // An engine that names no oldest version has never given one up.
    let oldest = engine.min_api_version.as_deref().filter(|text| !text.is_empty());
    let oldest = oldest.map_or(Ok(OLDEST), |text| read(Some(text)))?;
    if oldest > *API_DEFAULT_VERSION {
        let what = format!("it speaks no API older than {oldest}, and {API_DEFAULT_VERSION} is the newest known here");
        return Err(EngineError::Refused(what));
    }
    Ok(if newest > *API_DEFAULT_VERSION { *API_DEFAULT_VERSION } else { newest })
}

fn read(text: Option<&str>) -> Result<ClientVersion, EngineError> {
    let numbers = text.and_then(|text| text.split_once('.'));
    let parsed = numbers.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let (major_version, minor_version) = parsed.ok_or_else(|| {
        EngineError::Failed(format!("it names its API's version {:?}, which is none", line(text.unwrap_or_default())))
    })?;
    Ok(ClientVersion { major_version, minor_version })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken(newest: &str, oldest: Option<&str>) -> Result<String, EngineError> {
        let engine = SystemVersion {
            api_version: Some(newest.into()),
            min_api_version: oldest.map(Into::into),
            ..SystemVersion::default()
        };
        common(&engine).map(|version| version.to_string())
    }

    #[test]
    fn the_newest_that_both_know_is_spoken() {
        assert_eq!(spoken("1.41", Some("1.12")).unwrap(), "1.41");
        assert_eq!(spoken("1.52", Some("1.44")).unwrap(), "1.52");
        assert_eq!(spoken("1.99", None).unwrap(), API_DEFAULT_VERSION.to_string());
        assert_eq!(spoken("2.0", Some("")).unwrap(), API_DEFAULT_VERSION.to_string());
    }

    #[test]
    fn an_engine_with_none_of_ours_is_refused_by_name() {
        let EngineError::Refused(old) = spoken("1.40", None).unwrap_err() else { panic!() };
        assert!(old.contains("1.40") && old.contains("1.41"), "{old}");
        let EngineError::Refused(new) = spoken("9.9", Some("9.0")).unwrap_err() else { panic!() };
        assert!(new.contains("9.0") && new.contains(&API_DEFAULT_VERSION.to_string()), "{new}");
    }

    #[test]
    fn a_version_that_is_none_is_a_failure() {
        for bad in ["", "1", "1.x", "1.41.2", "-1.4", "1.99999999999999999999999"] {
            assert!(matches!(spoken(bad, None), Err(EngineError::Failed(_))), "{bad}");
        }
    }
}
