//! Who is let in, and under whose name.

use std::os::unix::fs::PermissionsExt;

use artemis_rs::protocol::mqtt::codec::{QoS, Version};

use crate::support::broker::Instance;
use crate::support::mqtt::{Client, Hello};

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

/// The code of the CONNACK to these flags and what follows the client id.
fn ask_raw(port: u16, flags: u8, fields: &[u8]) -> u8 {
    let body = [&b"\0\x04MQTT\x05"[..], &[flags, 0, 60, 0], b"\0\x01c", fields].concat();
    let mut client = Client::open(port, Version::V5);
    client.send_bytes(&[&[0x10, body.len() as u8], &body[..]].concat());
    client.next().connack().code
}

#[test]
fn cve_2016_9877_and_cve_2026_32696_half_a_login_lets_nobody_in() {
    let instance = with_users();
    let broker = instance.start();
    let (user, password) = (b"\0\x03ann", b"\0\x06secret");
    for (flags, fields) in [
        (0x82, &user[..]),
        (0x42, password),
        (0xC2, &[&user[..], b"\0\0"].concat()),
        (0xC2, &[b"\0\0", &password[..]].concat()),
        (0xC2, b"\0\0\0\0"),
    ] {
        assert_eq!(ask_raw(broker.port(), flags, fields), 0x86, "{flags:x} {fields:x?}");
    }
    assert_eq!(ask_raw(broker.port(), 0xC2, &[&user[..], password].concat()), 0);
}

#[test]
fn cve_2018_12551_a_line_without_a_password_lets_nobody_in() {
    for line in ["eve", "eve=", "=secret", "eve = ENC(1024:00:)"] {
        let instance = with_users();
        let users = instance.read("etc/artemis-users.properties");
        instance.write("etc/artemis-users.properties", &format!("{users}\n{line}\n"));
        let output = instance.command(&["run"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}");
    }
}

#[test]
fn cve_2017_9868_nobody_else_can_read_what_is_kept() {
    let instance = Instance::new();
    let broker = instance.start();
    let mut guest = Hello::new(Version::V5, "c").connect(broker.port());
    guest.publish("t", b"x", true);
    let mut open = vec![instance.path("data")];
    let mut files = 0;
    while let Some(path) = open.pop() {
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue }; // The journal moves its files.
        assert_eq!(about.permissions().mode() & 0o077, 0, "{}", path.display());
        files += 1;
        if about.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    assert!(files > 3);
}
