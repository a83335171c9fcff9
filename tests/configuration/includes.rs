//! Parts of broker.xml in files of their own.

use std::fs;

use artemis_rs::protocol::mqtt::codec::{QoS, Version};

use crate::startup::refuses;
use crate::support::broker::Instance;
use crate::support::mqtt::Hello;

const FILE: &str = "etc/broker.xml";

/// Puts a section of broker.xml into a file of its own.
fn put_aside(instance: &Instance, section: &str, file: &str, href: &str) {
    let text = instance.read(FILE);
    let (start, end) = (format!("<{section}>"), format!("</{section}>"));
    let (from, to) = (text.find(&start).unwrap(), text.find(&end).unwrap() + end.len());
    let aside = text[from..to].replacen(&start, &format!("<{section} xmlns=\"urn:activemq:core\">"), 1);
    instance.write(file, &format!("<?xml version=\"1.0\"?>\n{aside}\n"));
    let include = format!("<xi:include xmlns:xi=\"http://www.w3.org/2001/XInclude\" href=\"{href}\"/>");
    instance.write(FILE, &format!("{}{include}{}", &text[..from], &text[to..]));
}

#[test]
fn sections_of_the_file_may_be_in_others() {
    let instance = Instance::new();
    fs::create_dir(instance.path("etc/parts")).unwrap();
    put_aside(&instance, "acceptors", "etc/acceptors.xml", "acceptors.xml");
    put_aside(&instance, "security-settings", "etc/parts/security.xml", "${artemis.instance}/etc/parts/security.xml");
    put_aside(&instance, "address-settings", "elsewhere.xml", "elsewhere.xml");
    let broker = instance.start();
    let mut client = Hello::new(Version::V5, "c").connect(broker.port());
    assert_eq!(client.subscribe("t", QoS::AtLeastOnce), 1);
    broker.stop().success();
    instance.replace("etc/acceptors.xml", "protocols=MQTT", "protocols=MQTT;serverKeepAlive=x");
    refuses(&instance, "acceptors.xml:6: <core><acceptors><acceptor>: acceptor mqtt: serverKeepAlive: ");
}

#[test]
fn only_files_of_this_machine_are_included() {
    for (href, expected) in [
        (
            "http://127.0.0.1/x.xml",
            "expected the path of a file in the attribute href, found \"http://127.0.0.1/x.xml\"",
        ),
        ("", "expected the path of a file"),
        ("nothing.xml", "expected a file, found none at"),
        ("file:///dev/zero", "expected a file, found none at"),
        ("broker.xml", "files include each other deeper than 8"),
    ] {
        let instance = Instance::with_core(&format!("<xi:include href=\"{href}\"/>"));
        refuses(&instance, expected);
    }
}
