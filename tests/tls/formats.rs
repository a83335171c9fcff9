//! Every format of a store, from every program that makes it.

use crate::client::Dialer;
use crate::stores::{PASSWORD, SERVER, Stores, instance};
use crate::support::broker::Instance;

/// Makes a server's store named `store`, and serves a client with it.
#[track_caller]
fn serves(parameters: &str, make: impl Fn(&Stores<'_>)) {
    let instance = instance(&format!("keyStorePath=store;{parameters}"));
    let stores = Stores::with_server(&instance);
    make(&stores);
    let broker = instance.start();
    Dialer::trusting(&stores).connect(broker.port(), "c").unwrap();
    broker.stop().success();
}

/// As [`serves`], with a certificate that no authority has signed.
#[track_caller]
fn serves_self_signed(parameters: &str, make: impl Fn(&Stores<'_>)) {
    let instance = instance(&format!("keyStorePath=store;{parameters}"));
    let stores = Stores::new(&instance);
    make(&stores);
    let broker = instance.start();
    Dialer::careless().connect(broker.port(), "c").unwrap();
    broker.stop().success();
}

/// A key and a certificate made by keytool alone.
fn generate(stores: &Stores<'_>, options: &[&str]) {
    let key = ["-genkeypair", "-alias", "broker", "-keystore", "store", "-storepass", PASSWORD];
    stores.keytool(&[&key[..], &["-dname", "CN=localhost", "-validity", "90"], options].concat());
}

#[test]
fn pkcs12_of_keytool() {
    serves_self_signed("keyStorePassword=changeit", |stores| generate(stores, &["-keyalg", "RSA"]));
    serves_self_signed("keyStorePassword=changeit;keyStoreType=PKCS12", |stores| {
        // Such a key has no public part.
        generate(stores, &["-keyalg", "EC", "-storetype", "PKCS12"]);
    });
}

/// A key that TLS has no use for does not keep the others from theirs.
#[test]
fn a_key_of_dsa_among_others() {
    serves_self_signed("keyStorePassword=changeit", |stores| {
        let dsa = ["-genkeypair", "-alias", "dsa", "-keystore", "store", "-storepass", PASSWORD, "-keyalg", "DSA"];
        stores.keytool(&[&dsa[..], &["-dname", "CN=dsa"]].concat());
        generate(stores, &["-keyalg", "EC"]);
    });
}

#[test]
fn legacy_pkcs12_of_keytool() {
    serves_self_signed("keyStorePassword=changeit", |stores| {
        generate(stores, &["-keyalg", "EC", "-storetype", "PKCS12", "-J-Dkeystore.pkcs12.legacy"]);
    });
}

#[test]
fn pkcs12_of_openssl() {
    serves("keyStorePassword=changeit", |stores| stores.pkcs12("server", "store", &["-passout", "pass:changeit"]));
    serves("keyStorePassword=changeit;keyStoreType=PKCS12", |stores| {
        stores.pkcs12("server", "store", &["-passout", "pass:changeit", "-legacy"]);
    });
    serves("keyStorePassword=changeit", |stores| {
        stores.pkcs12("server", "store", &["-passout", "pass:changeit", "-certfile", "ca.pem"]);
    });
}

#[test]
fn pkcs12_with_an_empty_password() {
    serves("keyStorePassword=", |stores| stores.pkcs12("server", "store", &["-passout", "pass:"]));
    serves("", |stores| stores.pkcs12("server", "store", &["-passout", "pass:"]));
}

/// The acceptor of Artemis's manual: only a path and a password.
#[test]
fn jks_without_a_type() {
    serves_self_signed("keyStorePassword=changeit", |stores| {
        generate(stores, &["-keyalg", "RSA", "-storetype", "JKS", "-keypass", PASSWORD]);
    });
}

#[test]
fn jks_with_a_password_of_the_key() {
    serves_self_signed("keyStoreType=JKS;keyStorePassword=changeit;keyPassword=tiger12", |stores| {
        generate(stores, &["-keyalg", "EC", "-storetype", "JKS", "-keypass", "tiger12"]);
    });
}

/// As text of old has it, and as `openssl s_client -showcerts` prints it.
#[test]
fn pem_with_text_in_any_encoding() {
    for text in [&b"subject=O = Z\xE4hler\n"[..], b"0 s:CN = localhost\n"] {
        serves("", |stores| {
            stores.join(&["server.key", "server.pem"], "store");
            let sections = std::fs::read(stores.path("store")).unwrap();
            std::fs::write(stores.path("store"), [text, &sections].concat()).unwrap();
        });
    }
}

#[test]
fn pem_with_key_and_chain() {
    serves("keyStoreType=PEM", |stores| stores.join(&["server.key", "server.pem", "ca.pem"], "store"));
    serves("", |stores| stores.join(&["ca.pem", "server.pem", "server.key"], "store"));
}

#[test]
fn pem_with_a_traditional_key() {
    serves("", |stores| {
        stores.openssl(&["ec", "-in", "server.key", "-out", "traditional.key"]);
        stores.join(&["server.pem", "traditional.key"], "store");
    });
}

#[test]
fn pem_with_an_encrypted_key() {
    // The last is what OpenSSL 1.0 made.
    for algorithm in [&["-v2", "aes-256-cbc"][..], &["-scrypt"], &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"]] {
        serves("keyStorePassword=changeit", |stores| {
            let to = ["pkcs8", "-topk8", "-in", "server.key", "-out", "sealed.key", "-passout", "pass:changeit"];
            stores.openssl(&[&to[..], algorithm].concat());
            stores.join(&["sealed.key", "server.pem"], "store");
        });
    }
    serves("keyPassword=changeit", |stores| {
        let to = ["pkcs8", "-topk8", "-in", "server.key", "-out", "sealed.key", "-passout", "pass:changeit"];
        stores.openssl(&to);
        stores.join(&["sealed.key", "server.pem"], "store");
    });
}

#[test]
fn pem_files_named_in_a_configuration() {
    serves("keyStoreType=PEMCFG", |stores| {
        let text = format!("source.key=server.key\nsource.cert={}\n", stores.path("server.pem").display());
        std::fs::write(stores.path("store"), text).unwrap();
    });
}

/// An authority below `ca` with the name Middle.
fn middle(stores: &Stores<'_>, file: &str) {
    let rules = "basicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=hash\n";
    std::fs::write(stores.path("middle.ext"), rules).unwrap();
    let (private, certificate) = (format!("{file}.key"), format!("{file}.pem"));
    let key = ["req", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let out = ["-keyout", &private, "-out", "middle.csr", "-subj", "/CN=Middle"];
    stores.openssl(&[&key[..], &out].concat());
    let by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "middle.ext"];
    stores.openssl(&[&["x509", "-req", "-in", "middle.csr", "-out", &certificate][..], &by].concat());
}

#[test]
fn a_chain_of_authorities_is_sent() {
    serves("", |stores| {
        middle(stores, "middle");
        stores.issue_by("middle", "leaf", "/CN=localhost", SERVER, 30);
        stores.join(&["middle.pem", "leaf.pem", "leaf.key"], "store");
    });
}

/// The name is the same, the key another.
#[test]
fn the_chain_is_that_of_an_authority_that_was_renewed() {
    serves("", |stores| {
        ["old", "new"].into_iter().for_each(|name| middle(stores, name));
        let rules = format!("{SERVER}authorityKeyIdentifier=keyid\n");
        stores.issue_by("new", "leaf", "/CN=localhost", &rules, 30);
        stores.join(&["old.pem", "new.pem", "leaf.pem", "leaf.key"], "store");
    });
}

/// A store with several keys: the alias chooses, whatever its case.
#[test]
fn the_alias_chooses_a_key() {
    for (kind, alias) in [("JKS", "Second"), ("PKCS12", "second")] {
        let instance = instance(&format!("keyStorePath=store;keyStorePassword=changeit;keyStoreAlias={alias}"));
        let stores = Stores::new(&instance);
        for name in ["first", "second"] {
            let key = ["-genkeypair", "-alias", name, "-keystore", "store", "-storepass", PASSWORD];
            let about = ["-keyalg", "EC", "-storetype", kind, "-keypass", PASSWORD, "-dname"];
            stores.keytool(&[&key[..], &about, &[&format!("CN={name}")]].concat());
        }
        let broker = instance.start();
        let stream = Dialer::careless().connect(broker.port(), "c").unwrap();
        let certificate = stream.conn.peer_certificates().unwrap()[0].to_vec();
        assert!(certificate.windows(6).any(|bytes| bytes == b"second"), "{kind}");
    }
}

type Maker = &'static dyn Fn(&Stores<'_>);

/// Trust in every format, with a client that shows a certificate.
#[test]
fn trust_stores_of_every_format() {
    fn import(stores: &Stores<'_>, kind: &str) {
        let own = ["-importcert", "-noprompt", "-alias", "ca", "-file", "ca.pem", "-keystore", "trust"];
        stores.keytool(&[&own[..], &["-storepass", PASSWORD, "-storetype", kind]].concat());
    }
    fn by_openssl(stores: &Stores<'_>) {
        let export = ["pkcs12", "-export", "-nokeys", "-in", "ca.pem", "-out", "trust"];
        stores.openssl(&[&export[..], &["-passout", "pass:changeit"]].concat());
    }
    let all: [(&str, Maker); 6] = [
        ("trustStorePassword=changeit", &|stores| import(stores, "JKS")),
        // Java reads such a store without its password.
        ("trustStoreType=JKS", &|stores| import(stores, "JKS")),
        ("trustStorePassword=changeit", &|stores| import(stores, "PKCS12")),
        ("trustStorePassword=changeit;trustStoreType=PKCS12", &by_openssl),
        ("trustStoreType=PEM", &|stores| stores.join(&["ca.pem"], "trust")),
        ("trustStoreType=PEMCA", &|stores| stores.join(&["ca.pem", "server.pem"], "trust")),
    ];
    for (parameters, make) in all {
        let instance = instance(&format!("keyStorePath=store;trustStorePath=trust;needClientAuth=true;{parameters}"));
        let stores = Stores::with_server(&instance);
        stores.join(&["server.key", "server.pem"], "store");
        stores.issue("client", "/CN=client", crate::stores::CLIENT, 30);
        make(&stores);
        let broker = instance.start();
        Dialer::showing(&stores, "client").connect(broker.port(), "c").unwrap();
        assert!(Dialer::trusting(&stores).connect(broker.port(), "d").is_err(), "{parameters}");
    }
}

/// Paths are those of `etc`, then those of the instance, and variables are replaced.
#[test]
fn paths_are_found_where_artemis_finds_them() {
    for path in ["store", "etc/store", "${artemis.instance}/etc/store", "${artemis.instance.etc}/store"] {
        let instance: Instance = instance(&format!("keyStorePath={path}"));
        let stores = Stores::with_server(&instance);
        stores.join(&["server.key", "server.pem"], "store");
        let broker = instance.start();
        Dialer::trusting(&stores).connect(broker.port(), "c").unwrap();
    }
}
