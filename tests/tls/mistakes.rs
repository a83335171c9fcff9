//! What is wrong with a store is told before anything is opened: acceptor, parameter, file, expectation, remedy.

use crate::client::Dialer;
use crate::stores::{PASSWORD, Stores, instance};
use crate::support::broker::Instance;

/// The complaint of a broker that does not start for this reason. No password is in it.
#[track_caller]
fn complaint(instance: &Instance) -> String {
    let mut text = String::new();
    for command in ["run", "check"] {
        let output = instance.command(&[command]).output().unwrap();
        text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {text}");
        assert!(text.contains("broker.xml:") && text.contains("acceptor tcp://127.0.0.1:0: "), "{command}: {text}");
        assert!(!text.contains("changeit") && !text.contains("wrong-password"), "{command}: {text}");
    }
    text
}

#[track_caller]
fn is_told(parameters: &str, make: impl Fn(&Stores<'_>), expected: &[&str]) {
    let instance = instance(parameters);
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "good.pem");
    make(&stores);
    let text = complaint(&instance);
    for part in expected {
        assert!(text.contains(part), "{parameters}: expected {part:?} in\n{text}");
    }
}

fn keytool(stores: &Stores<'_>, kind: &str) {
    let key = ["-genkeypair", "-alias", "broker", "-keystore", "store", "-storepass", PASSWORD, "-storetype", kind];
    stores.keytool(&[&key[..], &["-keyalg", "EC", "-dname", "CN=localhost", "-keypass", PASSWORD]].concat());
}

#[test]
fn a_path_that_is_wrong() {
    is_told("keyStorePath=none.jks", |_| {}, &["keyStorePath: expected a file, found none at ", "/etc/none.jks"]);
    is_told("keyStorePath=/none.jks", |_| {}, &["keyStorePath: expected a file, found none at /none.jks"]);
    is_told(
        "keyStorePath=good.pem;needClientAuth=true;trustStorePath=none.pem",
        |_| {},
        &["trustStorePath: expected a file", "/etc/none.pem"],
    );
    is_told(
        "keyStorePath=good.pem;needClientAuth=true;trustStorePath=ca.pem;crlPath=none.pem",
        |_| {},
        &["crlPath: expected a file"],
    );
}

#[test]
fn a_parameter_that_is_missing() {
    is_told("keyStorePassword=changeit", |_| {}, &["sslEnabled=true needs keyStorePath"]);
    is_told("keyStorePath=good.pem;needClientAuth=true", |_| {}, &["need trustStorePath"]);
    is_told("keyStorePath=good.pem;clientIdFromCertificate=cn", |_| {}, &["need needClientAuth=true"]);
}

#[test]
fn a_parameter_that_cannot_be_kept() {
    for (parameter, expected) in [
        ("enabledProtocols=TLSv1.1", "enabledProtocols: expected TLSv1.2, TLSv1.3 or both, found \"TLSv1.1\""),
        ("enabledCipherSuites=TLS_RSA_WITH_NULL_MD5", "enabledCipherSuites: expected some of TLS_"),
        ("enabledProtocols=TLSv1.2;enabledCipherSuites=TLS_AES_128_GCM_SHA256", "enabledCipherSuites: "),
        ("sniHost=(", "sniHost: expected a regular expression"),
        ("sniHost=a)|(b", "sniHost: expected a regular expression"),
        ("sslHandshakeTimeout=soon", "sslHandshakeTimeout: expected a whole number"),
        ("keyStoreType=PKCS11", "keyStoreType: expected PKCS12, JKS, PEM or PEMCFG, found \"PKCS11\""),
        ("clientIdFromCertificate=serial", "clientIdFromCertificate: expected cn, san or dn"),
    ] {
        is_told(&format!("keyStorePath=good.pem;{parameter}"), |_| {}, &[expected]);
    }
}

/// What Artemis would do to restrict clients, and is not done here, is no reason to let them in.
#[test]
fn a_restriction_that_is_not_there() {
    for (parameter, expected) in [
        ("verifyHost=true", "verifyHost: the host names of clients are not compared"),
        ("crcOptions=SOFT_FAIL", "crcOptions: revocation is read from crlPath only"),
        ("ocspResponderURL=http://x", "ocspResponderURL: revocation is read from crlPath only"),
        ("trustManagerFactoryPlugin=a.B", "trustManagerFactoryPlugin: it is for Java"),
    ] {
        let asking = "needClientAuth=true;trustStorePath=ca.pem";
        is_told(&format!("keyStorePath=good.pem;{parameter};{asking}"), |_| {}, &[expected]);
    }
}

#[test]
fn a_password_that_is_wrong() {
    let store = |kind: &'static str| move |stores: &Stores<'_>| keytool(stores, kind);
    let expected = ["keyStorePassword: ", "/etc/store: this is not the store's password"];
    is_told("keyStorePath=store;keyStorePassword=wrong-password", store("JKS"), &expected);
    is_told("keyStorePath=store;keyStorePassword=wrong-password", store("PKCS12"), &expected);
    is_told("keyStorePath=store", store("PKCS12"), &expected);
    is_told("keyStorePath=store", store("JKS"), &["keyPassword: ", "the key broker is encrypted"]);
    is_told(
        "keyStorePath=store;keyStorePassword=changeit;keyPassword=wrong-password",
        store("JKS"),
        &["keyPassword: ", "/etc/store: the password does not open the key broker"],
    );
    let sealed = |stores: &Stores<'_>| {
        let to = ["pkcs8", "-topk8", "-in", "server.key", "-out", "sealed.key", "-passout", "pass:changeit"];
        stores.openssl(&to);
        stores.join(&["server.pem", "sealed.key"], "store");
    };
    is_told("keyStorePath=store;keyPassword=wrong-password", sealed, &["keyPassword: ", "does not open the key pem"]);
    is_told("keyStorePath=store", sealed, &["keyPassword: ", "the key pem is encrypted, and no password is given"]);
    is_told(
        "keyStorePath=good.pem;needClientAuth=true;trustStorePath=store;trustStorePassword=wrong-password",
        store("JKS"),
        &["trustStorePassword: ", "this is not the store's password"],
    );
}

#[test]
fn an_alias_that_is_wrong() {
    is_told(
        "keyStorePath=store;keyStorePassword=changeit;keyStoreAlias=other",
        |stores| keytool(stores, "JKS"),
        &["keyStoreAlias: ", "it has no key with the alias other; those it has: broker"],
    );
    is_told(
        "keyStorePath=store;keyStorePassword=changeit",
        |stores| {
            let own = ["-importcert", "-noprompt", "-alias", "root", "-file", "ca.pem", "-keystore", "store"];
            stores.keytool(&[&own[..], &["-storepass", PASSWORD, "-storetype", "PKCS12"]].concat());
        },
        &["keyStorePath: ", "it has no private key, only certificates: root"],
    );
}

#[test]
fn a_format_that_is_not_read_comes_with_the_command_that_converts_it() {
    is_told(
        "keyStorePath=store;keyStorePassword=changeit;keyStoreType=JCEKS",
        |stores| keytool(stores, "JCEKS"),
        &[
            "it is a JCEKS store",
            "keytool -importkeystore -srckeystore /",
            "-srcstoretype JCEKS",
            "-deststoretype PKCS12",
        ],
    );
    is_told(
        "keyStorePath=store;keyStorePassword=changeit",
        |stores| {
            let to = ["ec", "-in", "server.key", "-aes256", "-passout", "pass:changeit", "-out", "old.key"];
            stores.openssl(&to);
            stores.join(&["server.pem", "old.key"], "store");
        },
        &["OpenSSL's traditional form", "openssl pkcs8 -topk8 -v2 aes-256-cbc -in /"],
    );
    is_told(
        "keyStorePath=store;keyStorePassword=changeit",
        |stores| {
            let to = ["pkcs8", "-topk8", "-in", "server.key", "-v1", "PBE-SHA1-3DES", "-passout", "pass:changeit"];
            stores.openssl(&[&to[..], &["-out", "old.key"]].concat());
            stores.join(&["server.pem", "old.key"], "store");
        },
        &["an encryption of old", "openssl pkcs8 -topk8 -v2 aes-256-cbc -in /"],
    );
    is_told(
        "keyStorePath=store",
        |stores| stores.openssl(&["x509", "-in", "server.pem", "-outform", "der", "-out", "store"]),
        &["a certificate or key in DER", "openssl x509 -inform der"],
    );
    is_told("keyStorePath=store", |stores| std::fs::write(stores.path("store"), "").unwrap(), &["the file is empty"]);
    is_told(
        "keyStorePath=store",
        |stores| std::fs::write(stores.path("store"), "junk").unwrap(),
        &["it is none of PKCS12, JKS and PEM"],
    );
}

#[test]
fn a_key_that_is_not_its_certificates() {
    is_told(
        "keyStorePath=store",
        |stores| stores.join(&["ca.key", "server.pem"], "store"),
        &["it has no certificate of the key pem"],
    );
    is_told("keyStorePath=server.key", |_| {}, &["it has no certificate of the key pem"]);
}

/// What the file is counts; what it was said to be is told.
#[test]
fn a_type_that_is_another() {
    let instance = instance("keyStorePath=store;keyStorePassword=changeit;keyStoreType=PKCS12");
    let stores = Stores::new(&instance);
    keytool(&stores, "JKS");
    let broker = instance.start();
    let line = broker.process.wait_for("keyStoreType is PKCS12, but the file is JKS");
    assert!(line.contains(" WARN ") && line.contains("broker.xml:"), "{line}");
    Dialer::careless().connect(broker.port(), "c").unwrap();
}

#[test]
fn what_has_no_use_is_told() {
    let parameters = "keyStorePath=store;trustStorePath=ca.pem;enabledProtocols=TLSv1.1,TLSv1.2;sslAutoReload=true";
    let instance = instance(parameters);
    let never = "<configuration-file-refresh-period>-1</configuration-file-refresh-period></core>";
    instance.replace("etc/broker.xml", "</core>", never);
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    let broker = instance.start();
    broker.process.wait_for("without needClientAuth=true or wantClientAuth=true trustStorePath has no effect");
    broker.process.wait_for("enabledProtocols: TLSv1.1 is too weak and is not spoken");
    broker.process.wait_for("sslAutoReload has no effect without a configuration-file-refresh-period");
}
