//! Any text as a destination: what is read has one spelling, means the same when it is read again, and permits what it names.

#![no_main]

use larder_domain::docker;
use larder_domain::network::{Destinations, Grant, Host, Policy, Scheme};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(grant) = text.parse::<Grant>() {
        let spelt = grant.to_string();
        assert_eq!(spelt.parse::<Grant>().as_ref(), Ok(&grant), "{spelt}");
        let all = Destinations::new(vec![grant.clone()]);
        assert!(all.covers(&grant), "{spelt} does not cover itself");
        let nothing = Policy::new(all, Destinations::default());
        assert!(!nothing.permits_lookup("a.example"), "what was not granted is permitted");
    }
    if let Ok(grant) = text.parse::<docker::Grant>() {
        let spelt = grant.to_string();
        assert_eq!(spelt.parse::<docker::Grant>().as_ref(), Ok(&grant), "{spelt}");
        assert!(grant.covers(&grant), "{spelt} does not cover itself");
    }
    if let Ok(image) = text.parse::<docker::Image>() {
        // Engines get the name as it is, and it is one word of a line.
        assert_eq!(image.to_string(), text);
        assert!(!text.starts_with('-') && !text.contains(char::is_whitespace), "{text:?}");
    }
    // Whatever it is, reading it ends.
    drop(docker::ObjectSpec::parse(text));
    if let Ok(host) = Host::parse(text) {
        assert_eq!(Host::parse(&host.to_string()).as_ref(), Ok(&host));
        // An address is never a name, whoever reads it.
        if let Host::Name(name) = &host {
            assert!(name.parse::<std::net::IpAddr>().is_err(), "{name}");
            assert!(!Policy::default().permits_name(Scheme::Tcp, name, 1));
        }
    }
});
