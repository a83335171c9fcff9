//! broker.xml read again when it changes: permissions, limits of users, address settings and what is declared hold at once,
//! all else after a restart.

use std::rc::Rc;
use std::time::Duration;

use super::{Files, Instance, files, logging, wiring};
use crate::config::{Config, Warning};
use crate::net::Reactor;
use crate::security::Authorization;

/// What counts now.
struct Reload {
    config: Config,
    authorization: Option<Rc<Authorization>>,
    reactor: Rc<Reactor>,
    /// Elements that were named as waiting for a restart.
    waiting: Vec<String>,
}

/// Looks at broker.xml, and what it includes, as often as it says itself. A file that is wrong or gone changes nothing.
pub async fn watch(instance: Instance, files: Files, authorization: Option<Rc<Authorization>>, reactor: Rc<Reactor>) {
    let Files { broker_xml: path, mut sight, config, .. } = files;
    let mut reload = Reload { config, authorization, reactor, waiting: Vec::new() };
    while let Some(period_ms) = reload.config.refresh_period_ms {
        tokio::time::sleep(Duration::from_millis(period_ms)).await;
        if !sight.has_changed() {
            continue;
        }
        let (instance, at) = (instance.clone(), path.clone());
        match tokio::task::spawn_blocking(move || files::load_config(&instance, &at)).await {
            Ok(Ok((new, seen))) => {
                sight = seen;
                reload.take(new);
            }
            Ok(Err(failure)) => tracing::error!("broker.xml is not taken, the settings stay as they were: {failure}"),
            Err(_) => tracing::error!("fault in reading broker.xml, the settings stay as they were"),
        }
    }
    tracing::info!("broker.xml is not read again before a restart: <configuration-file-refresh-period> is 0 or less");
}

impl Reload {
    /// Makes what can change while the broker runs effective, and names the rest once.
    fn take(&mut self, new: Config) {
        if self.config.wildcards != new.wildcards {
            let what = "other <wildcard-addresses> need a restart";
            tracing::error!("broker.xml is not taken, the settings stay as they were: {what}");
            return;
        }
        if let Some(authorization) = &self.authorization {
            authorization.replace(wiring::permissions(&new));
        }
        self.reactor.set_user_limits(wiring::user_limits(&new.resource_limits));
        self.reactor.reconfigure(new.address_settings.clone(), &wiring::addresses(&new));
        tracing::info!(
            "AMQ221056: Reloaded configuration: permissions, limits of users, address settings, new addresses and queues"
        );
        let is_told = |warning: &Warning| self.config.warnings.iter().any(|told| told.is_same(warning));
        new.warnings.iter().filter(|warning| !is_told(warning)).for_each(logging::tell);
        let waiting = self.config.changes_that_wait(&new);
        let untold: Vec<_> = waiting.iter().filter(|element| !self.waiting.contains(element)).cloned().collect();
        if !untold.is_empty() {
            tracing::warn!("broker.xml: what has changed in {} counts after a restart", untold.join(", "));
        }
        self.waiting = waiting;
        self.config = std::mem::take(&mut self.config).with_changes(new);
    }
}
