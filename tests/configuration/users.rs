//! Who is let in, and under whose name.

use artemis_rs::protocol::mqtt::codec::{QoS, Version};

use crate::support::broker::Instance;
use crate::support::mqtt::Hello;

/// An instance without guests and with two users, one of whom has no role that broker.xml knows.
fn with_users() -> Instance {
    let instance = Instance::new();
    let login = instance.read("etc/login.config");
    let guest = login.find("   // Everybody else").expect("the shipped file has guests");
    instance.write("etc/login.config", &format!("{}}};\n", &login[..guest]));
    for arguments in ["user add ann --password secret", "user add bob --password hidden --role readers"] {
        let words: Vec<_> = arguments.split(' ').collect();
        let output = instance.command(&words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    instance
}

#[test]
fn only_users_with_their_passwords_are_let_in() {
    let instance = with_users();
    let broker = instance.start();
    for (credentials, code, return_code) in [
        (Some(("ann", "secret")), 0, 0),
        (Some(("bob", "hidden")), 0, 0),
        (Some(("ann", "hidden")), 0x86, 5),
        (Some(("eve", "secret")), 0x86, 5),
        (None, 0x86, 5),
    ] {
        for (version, expected) in [(Version::V5, code), (Version::V4, return_code), (Version::V3, return_code)] {
            let hello = Hello { credentials, ..Hello::new(version, "c") };
            assert_eq!(hello.ask(broker.port()).1.connack().code, expected, "{credentials:?}, {version:?}");
        }
    }
}

#[test]
fn a_role_without_permissions_can_do_nothing() {
    let instance = with_users();
    let broker = instance.start();
    let hello = |id, name, password| Hello { credentials: Some((name, password)), ..Hello::new(Version::V5, id) };
    let mut ann = hello("ann", "ann", "secret").connect(broker.port());
    assert_eq!(ann.subscribe("t", QoS::AtLeastOnce), 1);
    let mut bob = hello("bob", "bob", "hidden").connect(broker.port());
    assert_eq!(bob.subscribe("t", QoS::AtLeastOnce), 0x87);
}

#[test]
fn a_session_belongs_to_its_user() {
    let instance = with_users();
    let broker = instance.start();
    let hello =
        |name, password| Hello { credentials: Some((name, password)), ..Hello::new(Version::V5, "mine").kept() };
    let _ann = hello("ann", "secret").connect(broker.port());
    assert_eq!(hello("bob", "hidden").ask(broker.port()).1.connack().code, 0x87);
}

#[test]
fn a_guest_has_the_role_of_guests() {
    let instance = Instance::new();
    let broker = instance.start();
    let mut guest = Hello::new(Version::V5, "c").connect(broker.port());
    assert_eq!(guest.subscribe("t", QoS::AtLeastOnce), 1);
}
