//! Clients that show certificates, and those that had better not be let in.

use std::process::Command;

use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::client::Dialer;
use crate::python;
use crate::stores::{CLIENT, PASSWORD, Stores, instance};
use crate::support::broker::{Broker, Instance};
use crate::support::process::{self, PATIENCE};

const NEED: &str = "keyStorePath=store;trustStorePath=ca.pem;needClientAuth=true";

/// An instance that needs certificates of the authority `ca`, and its stores.
fn needing(parameters: &str) -> Instance {
    let instance = instance(&format!("{NEED};{parameters}"));
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    stores.issue("client", "/CN=client", CLIENT, 30);
    instance
}

fn stores(instance: &Instance) -> Stores<'_> {
    Stores::existing(instance)
}

#[track_caller]
fn is_refused(broker: &Broker, dialer: &Dialer, why: &str) {
    assert!(dialer.connect(broker.port(), "x").is_err(), "{why}");
    let line = broker.process.wait_for("AMQ222208");
    assert!(line.contains(why), "expected {why:?} in {line}");
}

#[test]
fn mosquitto_shows_its_certificate() {
    let instance = needing("");
    let stores = stores(&instance);
    let broker = instance.start();
    let port = broker.port().to_string();
    for version in ["tlsv1.2", "tlsv1.3"] {
        let command = |program: &str, rest: &[&str]| {
            let mut command = Command::new(program);
            command.args(["-h", "localhost", "-p", &port, "--tls-version", version, "--cafile"]);
            command.arg(stores.path("ca.pem")).arg("--cert").arg(stores.path("client.pem"));
            command.arg("--key").arg(stores.path("client.key")).args(rest);
            command
        };
        let id = format!("sub-{version}");
        let mut subscribe = command("mosquitto_sub", &["-i", &id, "-t", "a/b", "-q", "2", "-C", "1"]);
        let sub = process::start(&mut subscribe, "mosquitto-clients");
        broker.wait_for_consumer(&format!("{id}.a.b"));
        let mut publish = command("mosquitto_pub", &["-t", "a/b", "-q", "2", "-m", "hello", "--tls-alpn", "mqtt"]);
        process::run(&mut publish, "mosquitto-clients", PATIENCE).success();
        assert_eq!(sub.finish().success(), "hello\n");
        let mut without = Command::new("mosquitto_pub");
        without.args(["-h", "localhost", "-p", &port, "-t", "a", "-m", "x", "--cafile"]).arg(stores.path("ca.pem"));
        let refused = process::run(&mut without, "mosquitto-clients", PATIENCE);
        assert!(!refused.status.success(), "{}", refused.text);
    }
}

#[test]
fn paho_shows_its_certificate_raw_and_over_websocket() {
    let instance = needing("");
    let stores = stores(&instance);
    let broker = instance.start();
    for transport in ["tcp", "websockets"] {
        let mut paho = python::command();
        paho.arg(python::test_file("tls/paho_tls.py")).args([&broker.port().to_string(), transport]);
        paho.args(["ca.pem", "client.pem", "client.key"].map(|name| stores.path(name)));
        let text = process::run(&mut paho, python::PACKAGE, PATIENCE * 2).success();
        assert_eq!(text, "published and received\n");
    }
}

#[test]
fn no_certificate_where_one_is_needed() {
    let instance = needing("");
    let broker = instance.start();
    is_refused(&broker, &Dialer::trusting(&stores(&instance)), "needClientAuth=true asks for one");
}

#[test]
fn a_certificate_of_an_authority_that_is_not_trusted() {
    let instance = needing("");
    let stores = stores(&instance);
    stores.authority("other", "/CN=Other CA");
    stores.issue_by("other", "stranger", "/CN=client", CLIENT, 30);
    let broker = instance.start();
    is_refused(&broker, &Dialer::showing(&stores, "stranger"), "nothing in trustStorePath vouches for it");
}

#[test]
fn a_certificate_that_has_expired() {
    let instance = needing("");
    let stores = stores(&instance);
    stores.issue("old", "/CN=client", CLIENT, -1);
    let broker = instance.start();
    is_refused(&broker, &Dialer::showing(&stores, "old"), "Expired");
}

#[test]
fn a_certificate_for_servers_only() {
    let instance = needing("");
    let stores = stores(&instance);
    let broker = instance.start();
    is_refused(&broker, &Dialer::showing(&stores, "server"), "its keyUsage or extendedKeyUsage is not that of clients");
}

/// As in Java: a key that may only decipher proves nobody.
#[test]
fn a_certificate_whose_key_may_not_sign() {
    let instance = needing("");
    let stores = stores(&instance);
    stores.issue("cipher", "/CN=client", &format!("{CLIENT}keyUsage=keyEncipherment\n"), 30);
    stores.issue("signer", "/CN=client", &format!("{CLIENT}keyUsage=digitalSignature\n"), 30);
    let broker = instance.start();
    Dialer::showing(&stores, "signer").connect(broker.port(), "a").unwrap();
    let why = "its keyUsage or extendedKeyUsage is not that of clients";
    is_refused(&broker, &Dialer::showing(&stores, "cipher"), why);
}

/// As `openssl x509 -req` makes it without extensions.
#[test]
fn a_certificate_of_version_1() {
    let instance = needing("");
    let stores = stores(&instance);
    stores.openssl(&["x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "client.pem"]);
    let broker = instance.start();
    let mut publish = Command::new("mosquitto_pub");
    publish.args(["-h", "localhost", "-p", &broker.port().to_string(), "-t", "a", "-m", "x", "--cafile"]);
    publish.arg(stores.path("ca.pem")).arg("--cert").arg(stores.path("client.pem"));
    publish.arg("--key").arg(stores.path("client.key"));
    assert!(!process::run(&mut publish, "mosquitto-clients", PATIENCE).status.success());
    let line = broker.process.wait_for("AMQ222208");
    assert!(line.contains("version 1 and has to be issued with extensions"), "{line}");
}

#[test]
fn wanted_is_not_needed_but_what_is_shown_has_to_be_good() {
    let instance = instance("keyStorePath=store;trustStorePath=ca.pem;wantClientAuth=true");
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    stores.issue("client", "/CN=client", CLIENT, 30);
    stores.issue("old", "/CN=client", CLIENT, -1);
    let broker = instance.start();
    Dialer::trusting(&stores).connect(broker.port(), "a").unwrap();
    Dialer::showing(&stores, "client").connect(broker.port(), "b").unwrap();
    is_refused(&broker, &Dialer::showing(&stores, "old"), "Expired");
}

/// Java's way without an authority: each client's own certificate in the trust store.
#[test]
fn a_certificate_that_is_trusted_itself() {
    let instance = instance("keyStorePath=store;trustStorePath=trust;trustStorePassword=changeit;needClientAuth=true");
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    stores.authority("self", "/CN=device");
    stores.authority("double", "/CN=device");
    let import = ["-importcert", "-noprompt", "-alias", "self", "-file", "self.pem", "-keystore", "trust"];
    stores.keytool(&[&import[..], &["-storepass", PASSWORD, "-storetype", "JKS"]].concat());
    let broker = instance.start();
    Dialer::showing(&stores, "self").connect(broker.port(), "a").unwrap();
    is_refused(&broker, &Dialer::showing(&stores, "double"), "certificate");
}

/// So many that their names do not fit into what clients are told.
#[test]
fn a_thousand_certificates_that_are_trusted_themselves() {
    let instance = needing("");
    let stores = stores(&instance);
    let mut all = stores.text("ca.pem");
    stores.authority("self", &format!("/O={}/CN=device", "x".repeat(60)));
    all += &stores.text("self.pem").repeat(1000);
    std::fs::write(stores.path("all.pem"), all).unwrap();
    instance.replace("etc/broker.xml", "trustStorePath=ca.pem", "trustStorePath=all.pem");
    let broker = instance.start();
    Dialer::showing(&stores, "self").connect(broker.port(), "a").unwrap();
    Dialer::showing(&stores, "client").connect(broker.port(), "b").unwrap();
}

#[test]
fn a_certificate_that_was_revoked() {
    let instance = needing("crlPath=revoked.pem");
    let stores = stores(&instance);
    stores.issue("lost", "/CN=lost", CLIENT, 30);
    stores.revoke("lost", "revoked.pem");
    let broker = instance.start();
    Dialer::showing(&stores, "client").connect(broker.port(), "a").unwrap();
    is_refused(&broker, &Dialer::showing(&stores, "lost"), "Revoked");
}

/// What no list vouches for is refused, as in Java.
#[test]
fn an_authority_without_a_revocation_list() {
    let instance = needing("crlPath=other.crl");
    let stores = stores(&instance);
    stores.authority("other", "/CN=Other CA");
    stores.revoke_none("other", "other.crl");
    let broker = instance.start();
    is_refused(&broker, &Dialer::showing(&stores, "client"), "crlPath has no list of one of its issuers");
}

/// A resumed connection proves nothing anew: what it was let in with has to count still.
#[test]
fn a_list_that_has_gone_out_of_date_counts_for_resumed_connections() {
    for version in [&TLS12, &TLS13] {
        let instance = needing("crlPath=short.crl");
        let stores = stores(&instance);
        stores.revoke_none("ca", "none.crl");
        let by = ["ca", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.pem"];
        stores.openssl(&[&by[..], &["-gencrl", "-crlsec", "6", "-out", "short.crl"]].concat());
        let broker = instance.start();
        let resuming = Dialer::of(&stores, &[version], Some("client"));
        resuming.connect(broker.port(), "a").unwrap();
        let resumed = resuming.connect(broker.port(), "a").unwrap();
        assert_eq!(resumed.conn.handshake_kind(), Some(HandshakeKind::Resumed));
        let fresh = || Dialer::showing(&stores, "client").connect(broker.port(), "b");
        process::eventually("the list is out of date", || fresh().is_err());
        assert!(resuming.connect(broker.port(), "a").is_err(), "{version:?}");
        broker.process.wait_for("a list in crlPath is out of date");
    }
}
