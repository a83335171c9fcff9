//! A directory of keys and certificates, made by the programs that people use.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::broker::Instance;
use crate::support::process::{self, PATIENCE};

/// What opens every store, unless a test says otherwise.
pub const PASSWORD: &str = "changeit";

const EC: [&str; 4] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// Extensions of a server's certificate.
pub const SERVER: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n";

/// Extensions of a client's certificate.
pub const CLIENT: &str = "extendedKeyUsage=clientAuth\n";

/// The `etc` of an instance, with a certificate authority in it.
pub struct Stores<'i> {
    instance: &'i Instance,
}

impl<'i> Stores<'i> {
    /// Makes `ca.pem` and `ca.key`.
    pub fn new(instance: &'i Instance) -> Self {
        let stores = Self { instance };
        stores.authority("ca", "/CN=Test CA");
        stores
    }

    /// What was made before.
    pub fn existing(instance: &'i Instance) -> Self {
        Self { instance }
    }

    /// With a server's key and certificate as well: `server.key` and `server.pem`.
    pub fn with_server(instance: &'i Instance) -> Self {
        let stores = Self::new(instance);
        stores.issue("server", "/CN=localhost", SERVER, 365);
        stores
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.instance.path("etc").join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// A certificate authority of its own: `NAME.pem` and `NAME.key`.
    pub fn authority(&self, name: &str, subject: &str) {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let out = ["-keyout", &key, "-out", &certificate, "-subj", subject, "-days", "3650"];
        self.openssl(&[&["req", "-x509", "-nodes"][..], &EC, &out].concat());
    }

    /// A key and a certificate of the authority `ca`: `NAME.key` and `NAME.pem`.
    pub fn issue(&self, name: &str, subject: &str, extensions: &str, days: i32) {
        self.issue_by("ca", name, subject, extensions, days);
    }

    /// A key and a certificate of an authority: `NAME.key` and `NAME.pem`.
    pub fn issue_by(&self, authority: &str, name: &str, subject: &str, extensions: &str, days: i32) {
        let file = |ending: &str| format!("{name}.{ending}");
        let (key, request, certificate, rules) = (file("key"), file("csr"), file("pem"), file("ext"));
        fs::write(self.path(&rules), format!("basicConstraints=CA:FALSE\n{extensions}")).unwrap();
        let out = ["-keyout", &key, "-out", &request, "-subj", subject, "-utf8"];
        self.openssl(&[&["req", "-nodes"][..], &EC, &out].concat());
        let (ca, ca_key, days) = (format!("{authority}.pem"), format!("{authority}.key"), days.to_string());
        let by = ["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial", "-days", &days, "-extfile", &rules];
        self.openssl(&[&["x509", "-req", "-in", &request, "-out", &certificate][..], &by].concat());
    }

    /// Joins files into one.
    pub fn join(&self, names: &[&str], to: &str) {
        let text: String = names.iter().map(|name| self.text(name)).collect();
        fs::write(self.path(to), text).unwrap();
    }

    /// Joins files into one that takes the place of another at once.
    pub fn replace_by_join(&self, names: &[&str], to: &str) {
        self.join(names, "joined");
        fs::rename(self.path("joined"), self.path(to)).unwrap();
    }

    /// A PKCS12 store of a key and its certificate, by openssl.
    pub fn pkcs12(&self, name: &str, to: &str, options: &[&str]) {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let made = ["pkcs12", "-export", "-inkey", &key, "-in", &certificate, "-name", name, "-out", to];
        self.openssl(&[&made[..], options].concat());
    }

    /// Revokes a certificate of the authority `ca`, and writes its list.
    pub fn revoke(&self, name: &str, list: &str) {
        self.begin_list("ca");
        let by = ["ca", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.pem"];
        self.openssl(&[&by[..], &["-revoke", &format!("{name}.pem")]].concat());
        self.openssl(&[&by[..], &["-gencrl", "-out", list]].concat());
    }

    /// The list of an authority that has revoked nothing.
    pub fn revoke_none(&self, authority: &str, list: &str) {
        self.begin_list(authority);
        let (key, certificate) = (format!("{authority}.key"), format!("{authority}.pem"));
        let by = ["ca", "-config", "ca.cnf", "-keyfile", &key, "-cert", &certificate];
        self.openssl(&[&by[..], &["-gencrl", "-out", list]].concat());
    }

    fn begin_list(&self, authority: &str) {
        let rules = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={authority}.index\ncrlnumber={authority}.number\n\
             default_md=sha256\ndefault_crl_days=30\n"
        );
        fs::write(self.path("ca.cnf"), rules).unwrap();
        fs::write(self.path(&format!("{authority}.index")), "").unwrap();
        fs::write(self.path(&format!("{authority}.number")), "01\n").unwrap();
    }

    #[track_caller]
    pub fn openssl(&self, arguments: &[&str]) {
        self.run("openssl", "openssl", arguments);
    }

    #[track_caller]
    pub fn keytool(&self, arguments: &[&str]) {
        self.run("keytool", "openjdk-17-jre-headless", arguments);
    }

    #[track_caller]
    fn run(&self, program: &str, package: &str, arguments: &[&str]) {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.instance.path("etc"));
        process::run(&mut command, package, PATIENCE * 3).success();
    }
}

/// An instance with one acceptor, which speaks TLS and has these parameters besides.
pub fn instance(parameters: &str) -> Instance {
    Instance::with_acceptors(&[&format!("sslEnabled=true;{parameters}")])
}
