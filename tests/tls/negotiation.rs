//! Versions, cipher suites, server names, ALPN and resumption.

use std::io::Write;

use artemis_rs::protocol::mqtt::codec::Version;
use tokio_rustls::rustls::HandshakeKind;
use tokio_rustls::rustls::version::{TLS12, TLS13};

use crate::client::{Dialer, connack, hello};
use crate::stores::{Stores, instance};
use crate::support::broker::{Broker, Instance};
use crate::support::mqtt::Hello;

/// A broker that serves TLS with these parameters besides.
fn serving(parameters: &str) -> Instance {
    let instance = instance(&format!("keyStorePath=store;{parameters}"));
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    instance
}

fn trusting(instance: &Instance) -> Dialer {
    Dialer::trusting(&Stores::existing(instance))
}

#[test]
fn only_enabled_protocols_are_spoken() {
    for (enabled, spoken, refused) in [("TLSv1.2", &TLS12, &TLS13), ("TLSv1.3", &TLS13, &TLS12)] {
        let instance = serving(&format!("enabledProtocols={enabled}"));
        let broker = instance.start();
        let stores = Stores::existing(&instance);
        Dialer::speaking(&stores, spoken).connect(broker.port(), "a").unwrap();
        assert!(Dialer::speaking(&stores, refused).connect(broker.port(), "b").is_err(), "{enabled}");
    }
}

#[test]
fn only_enabled_cipher_suites_are_used() {
    let instance = serving("enabledCipherSuites=TLS_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
    let broker = instance.start();
    for version in [&TLS12, &TLS13] {
        let dialer = Dialer::speaking(&Stores::existing(&instance), version);
        let stream = dialer.connect(broker.port(), "a").unwrap();
        let suite = stream.conn.negotiated_cipher_suite().unwrap().suite();
        assert!(format!("{suite:?}").ends_with("AES_256_GCM_SHA384"), "{suite:?}");
    }
}

/// Artemis: a regular expression for the whole name; a client that names none is served.
#[test]
fn the_server_name_has_to_match() {
    let instance = serving(r"sniHost=(local|mqtt\.)host");
    let broker = instance.start();
    trusting(&instance).connect(broker.port(), "a").unwrap();
    trusting(&instance).naming("LocalHost").connect(broker.port(), "b").unwrap();
    trusting(&instance).naming("127.0.0.1").connect(broker.port(), "c").unwrap();
    for name in ["localhost.evil", "otherlocalhost", "mqttxhost"] {
        assert!(Dialer::careless().naming(name).connect(broker.port(), "d").is_err(), "{name}");
    }
    let line = broker.process.wait_for("AMQ222208");
    assert!(line.contains(" WARN ") && line.contains("does not match sniHost"), "{line}");
}

#[test]
fn alpn_knows_mqtt_and_http() {
    let instance = serving("");
    let broker = instance.start();
    for (offered, expected) in
        [(&[&b"mqtt"[..]][..], Some(&b"mqtt"[..])), (&[b"h2", b"http/1.1"], Some(b"http/1.1")), (&[], None)]
    {
        let mut dialer = trusting(&instance);
        dialer.config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let stream = dialer.connect(broker.port(), "a").unwrap();
        assert_eq!(stream.conn.alpn_protocol(), expected);
    }
    let mut dialer = trusting(&instance);
    dialer.config.alpn_protocols = vec![b"smtp".to_vec()];
    assert!(dialer.connect(broker.port(), "a").is_err());
}

/// The ticket of an earlier connection spares the second its signature.
#[test]
fn a_session_is_resumed() {
    for version in [&TLS12, &TLS13] {
        let instance = serving("");
        let broker = instance.start();
        let dialer = Dialer::speaking(&Stores::existing(&instance), version);
        let kind = |broker: &Broker| dialer.connect(broker.port(), "a").unwrap().conn.handshake_kind();
        assert_eq!(kind(&broker), Some(HandshakeKind::Full));
        assert_eq!(kind(&broker), Some(HandshakeKind::Resumed));
    }
}

/// Plain text and TLS side by side, and one port for raw MQTT and WebSocket under TLS.
#[test]
fn acceptors_do_not_disturb_each_other() {
    let tls = "sslEnabled=true;keyStorePath=store";
    let instance = Instance::with_acceptors(&[tls, ""]);
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    let broker = instance.start();
    Dialer::trusting(&stores).connect(broker.ports[0], "a").unwrap();
    Hello::new(Version::V5, "b").connect(broker.ports[1]);
    let mut stream = Dialer::trusting(&stores).dial(broker.ports[0]).unwrap();
    for byte in hello("c") {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(connack(&mut stream).unwrap(), 0);
}
