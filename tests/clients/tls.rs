//! TLS and mutual TLS with keystores as people make them: self-signed ones by keytool, PEM files by openssl from these.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::support::broker::{Broker, Instance};
use super::support::process;
use super::{java, python};

const PATIENCE: Duration = Duration::from_secs(120);

fn keytool(directory: &Path, arguments: &str) {
    let mut command = Command::new("keytool");
    command.args(arguments.split(' ')).args(["-storepass", "secret", "-noprompt"]).current_dir(directory);
    process::run(&mut command, java::PACKAGE, PATIENCE).success();
}

fn openssl(directory: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(directory);
    process::run(&mut command, "openssl", PATIENCE).success();
}

/// Key pairs of the broker, of a client it knows and of one it does not, and the stores with whom each side trusts.
fn make_keystores(directory: &Path) {
    let pair = "-genkeypair -keyalg EC -validity 7 -storetype PKCS12";
    keytool(directory, &format!("{pair} -keystore broker.p12 -alias broker -dname CN=broker -ext san=dns:localhost"));
    keytool(directory, &format!("{pair} -keystore client.p12 -alias client -dname CN=gateway"));
    keytool(directory, &format!("{pair} -keystore stranger.p12 -alias stranger -dname CN=stranger"));
    keytool(directory, "-exportcert -rfc -keystore broker.p12 -alias broker -file broker.pem");
    keytool(directory, "-exportcert -rfc -keystore client.p12 -alias client -file client.pem");
    keytool(directory, "-importcert -keystore trust.p12 -storetype PKCS12 -alias broker -file broker.pem");
    keytool(directory, "-importcert -keystore trust.jks -storetype JKS -alias broker -file broker.pem");
    keytool(directory, "-importcert -keystore known.p12 -storetype PKCS12 -alias client -file client.pem");
    let convert = "-importkeystore -srckeystore client.p12 -srcstorepass secret -destkeystore client.jks";
    keytool(directory, &format!("{convert} -deststoretype JKS -deststorepass secret"));
    openssl(directory, "pkcs12 -in client.p12 -passin pass:secret -nodes -nocerts -out client.key");
    openssl(directory, "pkcs12 -in stranger.p12 -passin pass:secret -nodes -out stranger.pem");
}

/// A broker with an acceptor for everybody who trusts it, and one that wants to know its clients too.
fn start(instance: &Instance) -> Broker {
    let path = |name: &str| instance.path(name).to_str().unwrap().to_owned();
    let served = format!("sslEnabled=true;keyStorePath={};keyStorePassword=secret", path("broker.p12"));
    let trusted = format!("trustStorePath={};trustStorePassword=secret;needClientAuth=true", path("known.p12"));
    instance.replace(
        "etc/broker.xml",
        r#"<acceptor name="mqtt">tcp://127.0.0.1:0?protocols=MQTT</acceptor>"#,
        &format!(
            "<acceptor>tcp://127.0.0.1:0?protocols=MQTT;{served}</acceptor>\n\
             <acceptor>tcp://127.0.0.1:0?protocols=MQTT;{served};{trusted}</acceptor>"
        ),
    );
    instance.start()
}

#[test]
fn hivemq_and_paho_with_the_keystores_of_keytool() {
    let instance = Instance::new();
    let directory = instance.path("");
    make_keystores(&directory);
    let broker = start(&instance);
    let ports = broker.ports.iter().map(u16::to_string);
    let mut gateway = java::command("Tls");
    let text = process::run(gateway.arg(&directory).args(ports.clone()), java::PACKAGE, PATIENCE).success();
    assert_eq!(text.lines().count(), 11, "{text}");
    let mut paho = python::command();
    paho.arg("-B").arg(python::test_file("clients/paho_tls.py")).arg(&directory).args(ports);
    let text = process::run(&mut paho, python::PACKAGE, PATIENCE).success();
    assert_eq!(text.lines().count(), 9, "{text}");
}
