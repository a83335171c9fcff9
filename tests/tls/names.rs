//! Names of clients that come from their certificates.

use crate::client::Dialer;
use crate::stores::{CLIENT, Stores, instance};
use crate::support::broker::Instance;
use crate::support::process;

fn needing(parameters: &str) -> Instance {
    let instance = instance(&format!("keyStorePath=store;trustStorePath=ca.pem;needClientAuth=true;{parameters}"));
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    instance
}

/// Connects with a certificate under the id `x`; the name of the queue tells which id it has.
#[track_caller]
fn is_known_as(parameters: &str, subject: &str, extensions: &str, expected: &str) {
    let instance = needing(parameters);
    let stores = Stores::existing(&instance);
    stores.issue("client", subject, &format!("{CLIENT}{extensions}"), 30);
    let broker = instance.start();
    let mut stream = Dialer::showing(&stores, "client").connect(broker.port(), "x").unwrap();
    crate::client::subscribe(&mut stream, "t");
    let queues = || broker.queues().into_iter().map(|queue| queue.name).collect::<Vec<_>>();
    process::eventually(&format!("{expected} among {:?}", queues()), || queues().contains(&format!("{expected}.t")));
}

#[test]
fn the_client_id_is_what_the_certificate_says() {
    is_known_as("", "/CN=device-7", "", "x");
    is_known_as("clientIdFromCertificate=cn", "/O=Acme/CN=device-7", "", "device-7");
    is_known_as("clientIdFromCertificate=dn", "/O=Acme/CN=device-7", "", "CN=device-7,O=Acme");
    let names = "subjectAltName=DNS:seven.example.org,URI:urn:device:7\n";
    is_known_as("clientIdFromCertificate=san", "/CN=device-7", names, "seven.example.org");
}

#[test]
fn a_certificate_without_the_name_is_refused() {
    for (parameter, subject) in [("cn", "/O=Acme"), ("san", "/CN=device")] {
        let instance = needing(&format!("clientIdFromCertificate={parameter}"));
        let stores = Stores::existing(&instance);
        stores.issue("client", subject, CLIENT, 30);
        let broker = instance.start();
        let error = Dialer::showing(&stores, "client").connect(broker.port(), "x").unwrap_err();
        assert_eq!(error.to_string(), "CONNACK 0x85", "{parameter}");
    }
}
