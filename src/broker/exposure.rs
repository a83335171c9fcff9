//! What the network can do with an instance's acceptors: said at every start.

use std::net::IpAddr;

use super::security::Configured;
use crate::config::{Acceptor, Config};

/// A line for each acceptor that others than this machine reach without a password, or unencrypted.
pub fn warnings(config: &Config, configured: &Configured) -> Vec<String> {
    let mut warnings = Vec::new();
    for acceptor in config.acceptors.iter().filter(|acceptor| !is_local(&acceptor.host)) {
        let at = format!("acceptor {} at {}:{}", acceptor.name, acceptor.host, acceptor.port);
        if is_open(config, configured, acceptor) {
            warnings.push(format!("{at} lets in everybody who can reach it: nobody needs a password"));
        }
        if acceptor.tls.is_none() {
            warnings.push(format!("{at} is not encrypted: passwords and messages can be read on the way"));
        }
    }
    warnings
}

fn is_open(config: &Config, configured: &Configured, acceptor: &Acceptor) -> bool {
    let domain = acceptor.security_domain.as_ref().unwrap_or(&configured.default_domain);
    !config.security_enabled || configured.open_domains.contains(domain)
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
