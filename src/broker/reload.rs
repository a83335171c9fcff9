//! broker.xml read again when it changes: permissions and limits of users hold at once, all else after a restart.

use std::rc::Rc;
use std::time::Duration;

use super::{Files, Instance, files, wiring};
use crate::config::Config;
use crate::net::Reactor;
use crate::security::Authorization;

/// Looks at broker.xml, and what it includes, as often as it says itself. A file that is wrong or gone changes nothing.
pub async fn watch(instance: Instance, files: Files, authorization: Option<Rc<Authorization>>, reactor: Rc<Reactor>) {
    let Files { broker_xml: path, mut sight, mut config, .. } = files;
    let Some(period_ms) = config.refresh_period_ms else { return };
    loop {
        tokio::time::sleep(Duration::from_millis(period_ms)).await;
        if !sight.has_changed() {
            continue;
        }
        let (instance, at) = (instance.clone(), path.clone());
        match tokio::task::spawn_blocking(move || files::load_config(&instance, &at)).await {
            Ok(Ok((new, seen))) => {
                sight = seen;
                config = take(config, new, authorization.as_deref(), &reactor);
            }
            Ok(Err(failure)) => tracing::error!("broker.xml is not taken, the settings stay as they were: {failure}"),
            Err(_) => tracing::error!("fault in reading broker.xml, the settings stay as they were"),
        }
    }
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
    config.acceptors.iter_mut().for_each(|acceptor| (acceptor.file, acceptor.line) = Default::default());
    config
}
