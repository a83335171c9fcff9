//! Users who log in by their certificates.

use crate::client::Dialer;
use crate::stores::{CLIENT, PASSWORD, Stores, instance};
use crate::support::broker::{Broker, Instance};
use crate::support::process;

const LOGIN: &str = "org.apache.activemq.artemis.spi.core.security.jaas";

/// An instance that wants certificates, whose login.config is this.
fn wanting(parameters: &str, login: &str) -> Instance {
    let instance = instance(&format!("keyStorePath=store;trustStorePath=ca.pem;wantClientAuth=true;{parameters}"));
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    stores.issue("one", "/C=DE/O=Acme, Inc./CN=device-1", CLIENT, 30);
    stores.issue("two", "/C=DE/O=Acme, Inc./CN=device-2", CLIENT, 30);
    stores.issue("other", "/C=DE/O=Other/CN=device-1", CLIENT, 30);
    instance.write("etc/login.config", login);
    instance
}

fn certificate_domain() -> String {
    format!(
        "certificates {{ {LOGIN}.TextFileCertificateLoginModule required\n\
         org.apache.activemq.jaas.textfiledn.user=\"cert-users.properties\"\n\
         org.apache.activemq.jaas.textfiledn.role=\"cert-roles.properties\"; }};\n"
    )
}

fn properties_domain() -> String {
    format!(
        "activemq {{ {LOGIN}.PropertiesLoginModule required\n\
         org.apache.activemq.jaas.properties.user=\"artemis-users.properties\"\n\
         org.apache.activemq.jaas.properties.role=\"artemis-roles.properties\"; }};\n"
    )
}

/// What the CONNECT of each of these clients is answered with; the last shows no certificate.
#[track_caller]
fn codes(instance: &Instance, broker: &Broker, names: &[&str]) -> Vec<String> {
    let stores = Stores::existing(instance);
    let code = |dialer: Dialer| match dialer.connect(broker.port(), "x") {
        Ok(_) => "in".to_owned(),
        Err(error) => error.to_string(),
    };
    let mut codes: Vec<_> = names.iter().map(|name| code(Dialer::showing(&stores, name))).collect();
    codes.push(code(Dialer::trusting(&stores)));
    codes
}

#[test]
fn certificates_are_users_by_name_and_by_expression() {
    let instance = wanting("", &(certificate_domain() + &*properties_domain()));
    instance.replace(
        "etc/bootstrap.xml",
        "domain=\"activemq\"/",
        "domain=\"activemq\" certificate-domain=\"certificates\"/",
    );
    instance.write("etc/artemis-users.properties", "ann = secret\n");
    instance.write(
        "etc/cert-users.properties",
        "one=CN=device-1,O=\"Acme, Inc.\",C=DE\nacme=/CN=device-[2-9], O=\"Acme, Inc\\\\.\", .*/\n",
    );
    instance.write("etc/cert-roles.properties", "amq=one\n");
    let broker = instance.start();
    assert_eq!(codes(&instance, &broker, &["one", "two", "other"]), ["in", "in", "CONNACK 0x86", "CONNACK 0x86"]);
    // The file is read again.
    instance.write("etc/cert-users.properties", "other=/.*O=Other.*/\n");
    broker.process.wait_for("cert-users.properties, cert-roles.properties read again");
    assert_eq!(codes(&instance, &broker, &["one", "two", "other"])[..3], ["CONNACK 0x86", "CONNACK 0x86", "in"]);
}

#[test]
fn a_certificate_proves_a_user_of_the_users_file() {
    let instance = wanting("userFromCertificate=cn", &properties_domain());
    instance.write("etc/artemis-users.properties", "device-1 = a password nobody uses\n");
    instance.write("etc/artemis-roles.properties", "amq = device-1\n");
    let broker = instance.start();
    assert_eq!(codes(&instance, &broker, &["one", "two"]), ["in", "CONNACK 0x86", "CONNACK 0x86"]);
}

#[test]
fn a_script_sees_the_subject() {
    let instance = wanting("", "");
    let script = "<security-manager class-name=\"script\"><property key=\"file\" value=\"s.rhai\"/></security-manager>";
    instance.replace("etc/bootstrap.xml", "<jaas-security domain=\"activemq\"/>", script);
    let source = r#"fn authenticate(request) {
        if request.certificate_subject == () { return "not_authorized"; }
        print(request.certificate_subject);
        #{ user: "device", client_id: request.certificate_subject }
    }"#;
    instance.write("etc/s.rhai", source);
    let broker = instance.start();
    assert_eq!(codes(&instance, &broker, &["one"]), ["in", "CONNACK 0x87"]);
    broker.process.wait_for("security script: CN=device-1, O=");
}

#[test]
fn masked_passwords_open_stores() {
    let masked = process::run(&mut Instance::new().command(&["mask", PASSWORD]), "artemis-rs", process::PATIENCE);
    let masked = masked.success();
    let instance = instance(&format!("keyStorePath=server.p12;keyStorePassword={}", masked.trim()));
    let stores = Stores::with_server(&instance);
    stores.pkcs12("server", "server.p12", &["-passout", &format!("pass:{PASSWORD}")]);
    let broker = instance.start();
    assert!(Dialer::trusting(&stores).connect(broker.port(), "x").is_ok());
}
