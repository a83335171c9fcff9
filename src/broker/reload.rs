//! broker.xml read again when it changes: permissions and limits of users hold at once, all else after a restart.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::watch::signature;
use super::{Instance, files, wiring};
use crate::config::Config;
use crate::net::Reactor;
use crate::security::Authorization;

/// Looks at broker.xml as often as it says itself. A file that is wrong or gone changes nothing.
pub async fn watch(instance: Instance, authorization: Option<Rc<Authorization>>, reactor: Rc<Reactor>) {
    let Ok(path) = files::broker_xml(&instance) else { return };
    let Ok(mut config) = files::load_config(&instance, &path) else { return };
    let Some(period_ms) = config.refresh_period_ms else { return };
    let mut paths = watched(&path, &config);
    let mut taken = signature(&paths);
    let mut seen = taken.clone();
    loop {
        tokio::time::sleep(Duration::from_millis(period_ms)).await;
        let now = signature(&paths);
        // A change counts once it is seen twice, so that no half-written file is read.
        let is_settled = std::mem::replace(&mut seen, now.clone()) == now;
        if !is_settled || taken == now {
            continue;
        }
        taken = now;
        let (instance, at) = (instance.clone(), path.clone());
        match tokio::task::spawn_blocking(move || files::load_config(&instance, &at)).await {
            Ok(Ok(new)) => {
                let included = watched(&path, &new);
                if included != paths {
                    paths = included;
                    taken = signature(&paths);
                    seen.clone_from(&taken);
                }
                config = take(config, new, authorization.as_deref(), &reactor);
            }
            Ok(Err(failure)) => tracing::error!("broker.xml is not taken, the settings stay as they were: {failure}"),
            Err(_) => tracing::error!("fault in reading broker.xml, the settings stay as they were"),
        }
    }
}

/// broker.xml and what it includes.
fn watched(path: &Path, config: &Config) -> Vec<PathBuf> {
    [path.to_owned()].into_iter().chain(config.included.iter().cloned()).collect()
}

/// Makes what can change while the broker runs effective; gives back what holds now.
fn take(old: Config, new: Config, authorization: Option<&Authorization>, reactor: &Reactor) -> Config {
    if old.wildcards != new.wildcards {
        tracing::error!("broker.xml is not taken, the settings stay as they were: other wildcards need a restart");
        return old;
    }
    if let Some(authorization) = authorization {
        authorization.replace(wiring::permissions(&new));
    }
    reactor.set_user_limits(wiring::user_limits(&new.resource_limits));
    let holds = Config {
        security_settings: new.security_settings.clone(),
        resource_limits: new.resource_limits.clone(),
        ..old
    };
    let is_all = plain(&holds) == plain(&new);
    let rest = if is_all { "" } else { "; the other changes count after a restart" };
    tracing::info!("AMQ221085: broker.xml read again: permissions and limits of users hold from now on{rest}");
    holds
}

/// Without what says where it was written.
fn plain(config: &Config) -> Config {
    let mut config = Config { warnings: Vec::new(), ..config.clone() };
    config.included.clear();
    config.acceptors.iter_mut().for_each(|acceptor| (acceptor.file, acceptor.line) = Default::default());
    config
}
