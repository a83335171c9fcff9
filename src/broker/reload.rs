//! broker.xml read again when it changes: permissions and limits of users hold at once, all else after a restart.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use super::{Instance, files, wiring};
use crate::config::Config;
use crate::net::Reactor;
use crate::security::Authorization;

/// What tells a file from its earlier content: place, size and time; nothing if it is not there.
type Signature = Option<(u64, u64, i64, i64)>;

fn signature(path: &Path) -> Signature {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

/// Looks at broker.xml as often as it says itself. A file that is wrong or gone changes nothing.
pub async fn watch(instance: Instance, authorization: Option<Rc<Authorization>>, reactor: Rc<Reactor>) {
    let Ok(path) = files::broker_xml(&instance) else { return };
    let Ok(mut config) = files::load_config(&instance, &path) else { return };
    let Some(period_ms) = config.refresh_period_ms else { return };
    let mut taken = signature(&path);
    let mut seen = taken;
    loop {
        tokio::time::sleep(Duration::from_millis(period_ms)).await;
        let now = signature(&path);
        // A change counts once it is seen twice, so that no half-written file is read.
        let is_settled = std::mem::replace(&mut seen, now) == now;
        if !is_settled || taken == now {
            continue;
        }
        taken = now;
        let (instance, path) = (instance.clone(), path.clone());
        match tokio::task::spawn_blocking(move || files::load_config(&instance, &path)).await {
            Ok(Ok(new)) => config = take(config, new, authorization.as_deref(), &reactor),
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
    config.acceptors.iter_mut().for_each(|acceptor| acceptor.line = 0);
    config
}
