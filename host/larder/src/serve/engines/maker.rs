//! Engines that are added while servers run, by the rules of the file.

use larder_containers::{Pem, Registries, TlsProof};
use larder_control::{EngineMaker, NamedEngine};
use larder_domain::engines::{EngineDefinition, EngineTls};
use larder_domain::{EngineName, SecretString};

use super::rules::{PEM_BYTES_MAX, Said, Wrong, engine};

/// Makes them, with the logins that this node has for registries.
pub(super) struct Maker {
    pub(super) logins: Registries,
}

impl EngineMaker for Maker {
    fn make(&self, name: &EngineName, definition: &EngineDefinition) -> Result<NamedEngine, Vec<String>> {
        let (mut wrong, what) = (Wrong::default(), format!("the engine `{name}`"));
        let mistakes = |wrong: Wrong| wrong.0.into_iter().map(|(_, what)| what).collect::<Vec<_>>();
        let too_long: Vec<String> = definition.tls.as_ref().map(too_long).unwrap_or_default();
        if !too_long.is_empty() {
            return Err(too_long);
        }
        let made = engine(Some(name.clone()), &said(definition), &what, &self.logins, &mut wrong);
        match made {
            Some(made) if wrong.0.is_empty() => Ok(made),
            _ => Err(mistakes(wrong)),
        }
    }
}

fn said(definition: &EngineDefinition) -> Said {
    let EngineDefinition { url, advertise, publish_at, ports, labels, weight, insecure, tls } = definition.clone();
    Said {
        url: Some(url),
        advertise,
        publish_at,
        ports,
        labels: labels.into_iter().collect(),
        weight: weight.map(|weight| weight.to_string()),
        is_insecure: insecure,
        has_tls: tls.is_some(),
        tls: tls.map(proof),
    }
}

fn parts(tls: &EngineTls) -> [(&'static str, &SecretString); 3] {
    [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)]
}

fn too_long(tls: &EngineTls) -> Vec<String> {
    let too_long = parts(tls).into_iter().filter(|(_, text)| text.reveal().len() > PEM_BYTES_MAX);
    too_long.map(|(name, _)| format!("`tls`: `{name}` is longer than {PEM_BYTES_MAX} bytes")).collect()
}

fn proof(tls: EngineTls) -> TlsProof {
    let [ca, cert, key] =
        parts(&tls).map(|(name, text)| Pem { called: format!("`{name}`"), text: SecretString::clone(text) });
    TlsProof { ca, cert, key }
}

#[cfg(test)]
mod tests {
    use larder_domain::secret::SecretJson;
    use rcgen::{CertificateParams, KeyPair};
    use serde_json::{Value, json};

    use super::*;

    fn make(said: Value) -> Result<NamedEngine, Vec<String>> {
        let definition = EngineDefinition::read(&SecretJson::from(said)).unwrap();
        Maker { logins: Registries::default() }.make(&"rack".parse().unwrap(), &definition)
    }

    #[test]
    fn an_engine_that_is_added_is_what_it_would_be_in_a_file() {
        let said = json!({ "url": "tcp://far.example.com:2376", "insecure": true, "publish_at": "0.0.0.0",
            "ports": "30000-30999", "labels": { "disk": "ssd" }, "weight": 3 });
        let Ok(made) = make(said) else { panic!() };
        let settings = made.settings();
        let said = format!("{} {} {:?}", settings.advertise, settings.publish_at, settings.ports);
        assert_eq!((said.as_str(), settings.weight), ("far.example.com 0.0.0.0 30000..=30999", 3));
        assert!(make(json!({ "url": "unix:///run/docker.sock" })).is_ok());
    }

    #[test]
    fn a_key_that_is_no_pem_is_not_repeated() {
        let key = "-----BEGIN PRIVATE KEY-----swordfish-----END PRIVATE KEY-----";
        let own = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["larder".to_owned()]).unwrap().self_signed(&own).unwrap().pem();
        for text in [
            key.to_owned(),
            key.replace("-----s", "-----\\ns"),
            key.replace('-', "- "),
            key.replace("-----s", "----- s"),
        ] {
            for part in ["ca", "cert", "key"] {
                let mut tls = json!({ "ca": certificate, "cert": certificate, "key": "x" });
                tls[part] = json!(text);
                let said = json!({ "url": "tcp://a:1", "publish_at": "10.0.0.1", "tls": tls });
                let Err(mistakes) = make(said) else { panic!("{text} was taken") };
                let told = mistakes.join("; ");
                let bytes = "swordfish".bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
                assert!(!told.contains("swordfish") && !told.contains(&bytes), "{told}");
            }
        }
    }

    #[test]
    fn the_rules_are_those_of_the_file() {
        let tls = json!({ "ca": "x", "cert": "x", "key": "swordfish" });
        let long = json!({ "ca": "x".repeat(PEM_BYTES_MAX + 1), "cert": "x", "key": "x" });
        let labels: serde_json::Map<_, _> = (0..17).map(|at| (format!("l{at}"), json!("x"))).collect();
        for (said, expected) in [
            (json!({ "url": "http://a" }), "use unix:///path/of/docker.sock or tcp://host:port"),
            (json!({ "url": "tcp://10.0.0.1:2375", "publish_at": "10.0.0.1" }), "`insecure: true` if you mean it"),
            (json!({ "url": "tcp://10.0.0.1:2375", "insecure": true }), "has no `publish_at`"),
            (json!({ "url": "unix:///a", "ports": "9-1" }), "`ports`: write FIRST-LAST"),
            (json!({ "url": "unix:///a", "weight": 1001 }), "`weight`: write a number from 0 to 1000"),
            (json!({ "url": "unix:///a", "advertise": "a b" }), "`advertise`: "),
            (json!({ "url": "unix:///a", "labels": { "disk": "SSD" } }), "\"SSD\" is not"),
            (json!({ "url": "unix:///a", "labels": labels }), "more than 16 labels"),
            (json!({ "url": "unix:///a", "tls": tls.clone() }), "has no TLS: leave out `tls`"),
            (json!({ "url": "tcp://a:1", "publish_at": "10.0.0.1", "tls": tls }), "`ca` holds no certificate"),
            (json!({ "url": "tcp://a:1", "publish_at": "10.0.0.1", "tls": long }), "`ca` is longer than 262144 bytes"),
        ] {
            let Err(mistakes) = make(said.clone()) else { panic!("{said} was taken") };
            let told = mistakes.join("; ");
            assert!(told.contains(expected) && !told.contains("swordfish"), "{said}: {told}");
        }
    }
}
