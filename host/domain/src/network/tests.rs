//! The grammar, and what each destination permits: mostly what it does not.

use std::net::{IpAddr, SocketAddr};

use super::*;

fn grant(text: &str) -> Grant {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn policy(granted: &[&str]) -> Policy {
    let list = Destinations::new(granted.iter().map(|text| grant(text)).collect());
    Policy::new(list.clone(), list)
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

#[test]
fn what_is_written_is_read_and_written_again() {
    for (text, canonical) in [
        ("tcp://db.internal:5432", "tcp://db.internal:5432"),
        ("tcp://DB.Internal.:5432", "tcp://db.internal:5432"),
        ("tcp://10.1.0.0/16:5432", "tcp://10.1.0.0/16:5432"),
        ("tcp://10.1.2.3/32:1-65535", "tcp://10.1.2.3:1-65535"),
        ("https://api.example.com", "https://api.example.com"),
        ("https://api.example.com:443", "https://api.example.com"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("http://h", "http://h"),
        ("https://*.example.com", "https://*.example.com"),
        ("tcp://[2001:DB8::1]:5432", "tcp://[2001:db8::1]:5432"),
        ("tcp://[fd00::]/8:5432", "tcp://[fd00::]/8:5432"),
        ("tcp://[::ffff:10.0.0.1]:5432", "tcp://10.0.0.1:5432"),
        ("tcp://0.0.0.0/0:443", "tcp://0.0.0.0/0:443"),
    ] {
        let read = grant(text);
        assert_eq!(read.to_string(), canonical, "{text}");
        assert_eq!(grant(canonical), read, "{text}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for text in [
        "",
        "db",
        "db:5432",
        "udp://h:1",
        "TCP://h:1",
        "tcp://h",
        "tcp://:1",
        "tcp://h:",
        "tcp://h:0",
        "tcp://h:65536",
        "tcp://h:+1",
        "tcp://h:2-1",
        "tcp://h:1-",
        "tcp://h:*",
        "tcp://*:1",
        "https://*",
        "https://*.com",
        "https://a*.b.c",
        "https://*.*.b.c",
        "https://*.10.0.0.1",
        "https://h/",
        "https://h/path",
        "https://h?q",
        "https://h#f",
        "https://u@h",
        "https://h:443@evil",
        "https://h\\evil",
        "https://a..b",
        "https://.a",
        "https://ä.de",
        "https://a b",
        "https://a\n",
        "https://127.1",
        "https://0x7f.0.0.1",
        "https://2130706433",
        "https://0177.0.0.1",
        "https://1.2.3.4.5",
        "https://[::1",
        "https://::1",
        "https://[fe80::1%eth0]",
        "https://[::1]x",
        "tcp://10.0.0.1/16:1",
        "tcp://10.0.0.0/33:1",
        "tcp://10.0.0.0/:1",
        "tcp://name/16:1",
        "tcp://[::ffff:10.0.0.0]/104:1",
        "tcp://0.0.0.0:1",
        "tcp://0.0.0.0/8:1",
        "tcp://224.0.0.0/4:1",
        "tcp://10.0.0.0/+8:1",
        "tcp://10.0.0.0/08:1",
        "tcp://10.0.0.1:+8",
        "tcp://10.0.0.1:08",
        "http://db.example/",
        "tcp://[::]:1",
        "tcp://224.0.0.1:1",
        "tcp://255.255.255.255:1",
        "tcp://[ff02::1]:1",
    ] {
        assert!(text.parse::<Grant>().is_err(), "{text:?} was read as {:?}", text.parse::<Grant>());
    }
    assert!(format!("https://{}", "a".repeat(64)).parse::<Grant>().is_err());
    assert!(format!("https://{}", ["a"; 128].join(".")).parse::<Grant>().is_err());
}

#[test]
fn names_are_permitted_with_scheme_and_port() {
    let policy = policy(&["https://api.example.com", "tcp://db.internal:5432", "https://*.wild.example"]);
    let yes = |scheme, name, port| assert!(policy.permits_name(scheme, name, port), "{name}:{port}");
    let no = |scheme, name, port| assert!(!policy.permits_name(scheme, name, port), "{name}:{port}");
    yes(Scheme::Https, "api.example.com", 443);
    yes(Scheme::Tcp, "db.internal", 5432);
    yes(Scheme::Https, "a.wild.example", 443);
    yes(Scheme::Https, "a.b.wild.example", 443);
    no(Scheme::Https, "api.example.com", 8443);
    no(Scheme::Http, "api.example.com", 443);
    no(Scheme::Tcp, "api.example.com", 443);
    no(Scheme::Tcp, "db.internal", 5433);
    no(Scheme::Https, "wild.example", 443);
    no(Scheme::Https, "xwild.example", 443);
    no(Scheme::Https, ".wild.example", 443);
    no(Scheme::Https, "a.wild.example.evil", 443);
    no(Scheme::Https, "api.example.com.evil", 443);
    no(Scheme::Https, "xapi.example.com", 443);
}

#[test]
fn an_address_is_permitted_when_it_was_granted_as_one() {
    let policy =
        policy(&["tcp://10.1.0.0/16:5432", "tcp://127.0.0.1:5432", "tcp://[fd00:1::]/32:5432", "tcp://0.0.0.0/0:443"]);
    let permits = |address: &str, port| policy.permits_address(Scheme::Tcp, at(address, port));
    for (address, port) in [
        ("10.1.255.255", 5432),
        ("::ffff:10.1.0.1", 5432),
        ("64:ff9b::10.1.0.1", 5432),
        ("127.0.0.1", 5432),
        ("fd00:1:2::3", 5432),
        ("93.184.216.34", 443),
    ] {
        assert!(permits(address, port), "{address}:{port}");
    }
    for (address, port) in [
        ("10.1.0.1", 5433),
        ("10.2.0.1", 5432),
        ("127.0.0.2", 5432),
        ("fd00:2::1", 5432),
        // All of the internet does not name the neighbourhood.
        ("127.0.0.1", 443),
        ("10.1.0.1", 443),
        ("169.254.169.254", 443),
        ("100.64.0.1", 443),
        ("0.0.0.0", 443),
        ("2606:4700::1", 443),
    ] {
        assert!(!permits(address, port), "{address}:{port}");
    }
    assert!(!policy.permits_address(Scheme::Https, at("10.1.0.1", 5432)));
}

#[test]
fn a_name_leads_to_the_public_internet_or_to_granted_addresses() {
    let policy = policy(&["tcp://db.internal:5432", "tcp://10.1.0.0/16:5432"]);
    let permits = |address: &str| policy.permits_resolved(Scheme::Tcp, "a.example", at(address, 5432));
    for address in ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "10.1.2.3", "2002:5db8:d822::1"] {
        assert!(permits(address), "{address}");
    }
    for address in [
        "127.0.0.1",
        "::1",
        "::",
        "0.0.0.0",
        "10.2.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "224.0.0.1",
        "255.255.255.255",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "168.63.129.16",
        "203.0.113.9",
        "240.0.0.1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "100::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
    ] {
        assert!(!permits(address), "{address}");
    }
}

#[test]
fn both_lists_must_permit() {
    let list = |texts: &[&str]| Destinations::new(texts.iter().map(|text| grant(text)).collect());
    let policy = Policy::new(list(&["https://a.example"]), list(&["https://a.example", "https://b.example"]));
    assert!(policy.permits_name(Scheme::Https, "a.example", 443));
    assert!(!policy.permits_name(Scheme::Https, "b.example", 443), "granted, but never asked for");
    let policy = Policy::new(list(&["https://*.a.example"]), list(&[]));
    assert!(!policy.permits_lookup("b.a.example"));
}

#[test]
fn a_grant_covers_what_it_would_permit() {
    for (wide, narrow, covers) in [
        ("https://*.example.com", "https://api.example.com", true),
        ("https://*.example.com", "https://*.eu.example.com", true),
        ("https://*.example.com", "https://*.example.com", true),
        ("https://*.example.com", "https://example.com", false),
        ("https://api.example.com", "https://*.example.com", false),
        ("https://api.example.com", "http://api.example.com:443", false),
        ("tcp://10.0.0.0/8:1-9", "tcp://10.1.0.0/16:2-9", true),
        ("tcp://10.0.0.0/8:1-9", "tcp://10.1.0.0/16:2-10", false),
        ("tcp://0.0.0.0/0:1", "tcp://93.184.216.34:1", true),
        ("tcp://0.0.0.0/0:1", "tcp://10.1.0.0/16:1", false),
        ("tcp://10.1.0.0/16:1", "tcp://10.0.0.0/8:1", false),
        ("tcp://db:1", "tcp://10.0.0.1:1", false),
    ] {
        assert_eq!(grant(wide).covers(&grant(narrow)), covers, "{wide} over {narrow}");
    }
}

#[test]
fn every_grant_covers_itself() {
    for text in [
        "tcp://0.0.0.0/0:443",
        "tcp://[::]/0:443",
        "tcp://192.0.0.0/8:1",
        "tcp://[2001::]/16:1",
        "tcp://127.0.0.0/8:1",
        "tcp://10.0.0.1:1",
        "https://a.example",
        "https://*.a.example",
        "tcp://168.63.129.16:80",
    ] {
        assert!(grant(text).covers(&grant(text)), "{text}");
    }
}

#[test]
fn canonical_forms_have_no_disguise() {
    for (disguised, plain) in [
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::1.2.3.4", "1.2.3.4"),
        ("64:ff9b::1.2.3.4", "1.2.3.4"),
        ("2002:102:304::5", "1.2.3.4"),
        ("::1", "::1"),
        ("::", "::"),
        ("2606:4700::1", "2606:4700::1"),
    ] {
        let (disguised, plain): (IpAddr, IpAddr) = (disguised.parse().unwrap(), plain.parse().unwrap());
        assert_eq!(canonical(disguised), plain);
    }
}

#[test]
fn a_refusal_tells_what_a_grant_would_mend() {
    let asked = Destinations::new(vec!["tcp://*.db.example:5432".parse().unwrap()]);
    let policy = Policy::new(asked, Destinations::default());
    let denied = |wanted: &str| policy.denied(wanted.to_owned()).missing;
    assert_eq!(denied("tcp://a.db.example:5432"), Some("tcp://a.db.example:5432".into()));
    assert_eq!(denied("tcp://a.db.example:5433"), None, "nobody asked for it");
    assert_eq!(policy.denied_lookup("a.db.example").missing, Some("tcp://*.db.example:5432".into()));
    assert_eq!(policy.denied_lookup("db.example").missing, None);
}

#[test]
fn what_the_host_handed_out_needs_no_grant() {
    let endpoint = |host: &str| Endpoint { host: Host::parse(host).unwrap(), port: 21000 };
    let policy = Policy::default().with(vec![endpoint("127.0.0.1"), endpoint("db.internal")]);
    let own = SocketAddr::from(([127, 0, 0, 1], 21000));
    assert!(policy.permits_address(Scheme::Tcp, own));
    assert!(policy.permits_name(Scheme::Tcp, "db.internal", 21000) && policy.permits_lookup("db.internal"));
    assert!(policy.permits_resolved(Scheme::Tcp, "db.internal", SocketAddr::from(([10, 0, 0, 7], 21000))));
    // Nothing beside it.
    assert!(!policy.permits_address(Scheme::Tcp, SocketAddr::from(([127, 0, 0, 1], 21001))));
    assert!(!policy.permits_address(Scheme::Tcp, SocketAddr::from(([127, 0, 0, 2], 21000))));
    assert!(!policy.permits_name(Scheme::Tcp, "db.internal", 22) && !policy.permits_lookup("internal"));
    assert!(!policy.permits_resolved(Scheme::Tcp, "other.internal", SocketAddr::from(([10, 0, 0, 7], 21000))));
}
