//! The TLS of acceptors: what broker.xml names is found and read.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;

use super::Instance;
use crate::config::{Acceptor, ClientAuth, Config, ConfigError, StoreReference, Tls, TlsVersion, Warning};
use crate::keystore::{Kind, StoreFile};
use crate::net::tls::{self, ClientCertificates, ServerTls, TlsSettings};

/// For each acceptor what its handshakes are made with; `None` for plain text. Warnings join those of the configuration.
///
/// # Errors
/// All that is wrong with the files named in it. An acceptor is never opened without what it asks for.
pub fn load(instance: &Instance, config: &mut Config) -> Result<Vec<Option<Arc<ServerTls>>>, Vec<ConfigError>> {
    let mut loaded = Vec::new();
    let mut errors = Vec::new();
    for acceptor in &config.acceptors {
        if config.refresh_period_ms.is_none() && acceptor.tls.as_ref().is_some_and(|tls| tls.auto_reload) {
            config.warnings.push(Warning {
                file: acceptor.file.to_string(),
                line: acceptor.line,
                path: PATH.into(),
                message: format!(
                    "acceptor {}: sslAutoReload has no effect without a configuration-file-refresh-period",
                    acceptor.name
                ),
                severe: false,
            });
        }
        match acceptor.tls.as_ref().map(|tls| load_one(instance, acceptor, tls, &mut config.warnings)).transpose() {
            Ok(tls) => loaded.push(tls),
            Err(message) => errors.push(ConfigError {
                file: acceptor.file.to_string(),
                line: acceptor.line,
                path: PATH.into(),
                message: format!("acceptor {}: {message}", acceptor.name),
            }),
        }
    }
    if errors.is_empty() { Ok(loaded) } else { Err(errors) }
}

const PATH: &str = "<core><acceptors><acceptor>";

fn load_one(
    instance: &Instance,
    acceptor: &Acceptor,
    tls: &Tls,
    warnings: &mut Vec<Warning>,
) -> Result<Arc<ServerTls>, String> {
    let settings = settings(instance, tls)?;
    let (server, loaded) = ServerTls::load(&acceptor.name, settings).map_err(|error| error.to_string())?;
    let mut compare = |parameter: &str, store: Option<&StoreReference>, found: Option<Kind>| {
        let said = store.and_then(|store| store.kind.as_deref());
        if let (Some(said), Some(found)) = (said, found)
            && Kind::named(said) != Some(found)
        {
            warnings.push(Warning {
                file: acceptor.file.to_string(),
                line: acceptor.line,
                path: PATH.into(),
                message: format!("acceptor {}: {parameter} is {said}, but the file is {}", acceptor.name, found.name()),
                severe: false,
            });
        }
    };
    compare("keyStoreType", Some(&tls.key_store), Some(loaded.key_store_kind));
    compare("trustStoreType", tls.trust_store.as_ref(), loaded.trust_store_kind);
    Ok(Arc::new(server))
}

fn settings(instance: &Instance, tls: &Tls) -> Result<TlsSettings, String> {
    let key_password = tls.key_password.as_ref();
    let trust_store = tls.trust_store.as_ref().filter(|_| tls.client_auth != ClientAuth::Off);
    Ok(TlsSettings {
        key_store: StoreFile {
            key_password: key_password.map(|password| password.0.clone()),
            ..store(instance, "keyStore", &tls.key_store)?
        },
        key_alias: tls.key_alias.clone(),
        trust_store: trust_store.map(|reference| store(instance, "trustStore", reference)).transpose()?,
        client_certificates: match tls.client_auth {
            ClientAuth::Off => ClientCertificates::Off,
            ClientAuth::Wanted => ClientCertificates::Wanted,
            ClientAuth::Needed => ClientCertificates::Needed,
        },
        versions: tls.versions.iter().map(version).collect(),
        cipher_suites: tls.cipher_suites.iter().map(|name| cipher_suite(name)).collect::<Result<_, _>>()?,
        server_names: tls.sni_host.as_deref().map(server_names).transpose()?,
        revocations: tls.crl_path.as_deref().map(|path| locate(instance, "crlPath", path)).transpose()?,
        is_reloaded: tls.auto_reload,
        handshake_max: tls.handshake_timeout_ms.map(Duration::from_millis),
    })
}

fn version(version: &TlsVersion) -> tls::TlsVersion {
    match version {
        TlsVersion::V1_2 => tls::TlsVersion::V1_2,
        TlsVersion::V1_3 => tls::TlsVersion::V1_3,
    }
}

fn cipher_suite(name: &str) -> Result<tls::SupportedCipherSuite, String> {
    tls::cipher_suite(name).ok_or_else(|| {
        let known: Vec<_> = tls::cipher_suite_names().collect();
        format!("enabledCipherSuites: expected some of {}; found {name}", known.join(", "))
    })
}

// Java compares the whole name, whatever its case.
fn server_names(pattern: &str) -> Result<Regex, String> {
    // By itself first: what closes a bracket too many would not stand for the whole name.
    Regex::new(pattern).and_then(|_| Regex::new(&format!("^(?i:{pattern})$"))).map_err(|error| {
        format!("sniHost: expected a regular expression such as .*\\.example\\.com, found {pattern:?}: {error}")
    })
}

fn store(instance: &Instance, prefix: &str, reference: &StoreReference) -> Result<StoreFile, String> {
    if let Some(kind) = &reference.kind
        && Kind::named(kind).is_none()
        && !kind.eq_ignore_ascii_case("JCEKS")
    {
        return Err(format!("{prefix}Type: expected PKCS12, JKS, PEM or PEMCFG, found {kind:?}"));
    }
    let password = reference.password.as_ref();
    Ok(StoreFile {
        path: locate(instance, &format!("{prefix}Path"), &reference.path)?,
        password: password.map(|password| password.0.clone()),
        key_password: None,
    })
}

/// A path as it is written, or below the instance's `etc` or the instance, whichever is there.
fn locate(instance: &Instance, parameter: &str, written: &str) -> Result<PathBuf, String> {
    let path = Path::new(written.strip_prefix("file://").or(written.strip_prefix("file:")).unwrap_or(written));
    let tried = [instance.etc().join(path), instance.root.join(path)];
    if let Some(found) = tried.iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    let tried = if path.is_absolute() { &tried[..1] } else { &tried[..] };
    let shown: Vec<_> = tried.iter().map(|path| path.display().to_string()).collect();
    Err(format!("{parameter}: expected a file, found none at {}", shown.join(" nor at ")))
}
