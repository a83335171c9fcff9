//! Asks the security manager, outside the engine.

use futures_util::FutureExt;
use std::rc::Rc;
use std::time::Duration;

use super::reactor::Reactor;
use crate::engine::{Authentication, guard};
use crate::protocol::Denial;
use crate::security::{Authenticated, AuthenticationRequest, CertifiedName, Denied, Secret};

/// Authentications under way at a time; more are told that the broker is busy.
pub(super) const AUTHENTICATIONS_MAX: u64 = 1024;

/// How long a security manager may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Characters of a user name in the log.
const SHOWN_MAX: usize = 64;

type Answer = Result<(String, Vec<String>, Option<String>), Denial>;

/// Begins to authenticate; the engine gets the answer.
pub fn begin(reactor: &Rc<Reactor>, authentication: Authentication) {
    if reactor.authenticating.current() >= AUTHENTICATIONS_MAX {
        reactor.authenticating.refuse();
        return answer(reactor, &authentication, Err(Denial::Busy));
    }
    let request = match request(&authentication) {
        Ok(request) => request,
        Err(denied) => return answer(reactor, &authentication, translate(Err(denied), &authentication)),
    };
    if request.password.is_none() {
        // Nothing is hashed: mostly answered at once.
        let security = reactor.security.clone();
        if let Some(result) = security.authenticate(&request).now_or_never() {
            return answer(reactor, &authentication, translate(result, &authentication));
        }
    }
    reactor.authenticating.add(1);
    let reactor = reactor.clone();
    tokio::task::spawn_local(async move {
        let security = reactor.security.clone();
        let runtime = tokio::runtime::Handle::current();
        let work = move || guard::contain(|| runtime.block_on(security.authenticate(&request)));
        let result = tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await;
        let result = result.ok().and_then(Result::ok).flatten().unwrap_or(Err(Denied::Unavailable));
        reactor.authenticating.give(1);
        answer(&reactor, &authentication, translate(result, &authentication));
    });
}

fn request(authentication: &Authentication) -> Result<AuthenticationRequest, Denied> {
    let (asked, peer) = (&authentication.request, &authentication.peer);
    let client_id = match &peer.client_id {
        CertifiedName::Free => &asked.client_id,
        CertifiedName::Is(name) => name,
        CertifiedName::Missing => return Err(Denied::InvalidClientId),
    };
    let mut request = AuthenticationRequest::new(asked.protocol, client_id);
    request.username.clone_from(&asked.username);
    request.password = asked.password.clone().map(Secret::new);
    request.acceptor = peer.acceptor.to_string();
    request.remote_address.clone_from(&peer.address);
    request.certificate.clone_from(&peer.certificate);
    match &peer.user {
        CertifiedName::Free => {}
        CertifiedName::Is(name) => {
            request.username = Some(name.clone());
            request.certified_user = Some(name.clone());
        }
        CertifiedName::Missing => return Err(Denied::NotAuthorized),
    }
    Ok(request)
}

fn translate(result: Result<Authenticated, Denied>, authentication: &Authentication) -> Answer {
    match result {
        Ok(authenticated) => {
            let principal = authenticated.principal;
            let certified = match &authentication.peer.client_id {
                CertifiedName::Is(name) => Some(name.clone()),
                CertifiedName::Free | CertifiedName::Missing => None,
            };
            Ok((principal.user, principal.roles, authenticated.client_id.or(certified)))
        }
        Err(denied) => {
            let user = authentication.request.username.as_deref().unwrap_or_default();
            let user: String = user.chars().take(SHOWN_MAX).collect();
            let remote = &authentication.peer.address;
            tracing::warn!("AMQ229031: Unable to validate user from {remote}. Username: {user}");
            Err(match denied {
                Denied::BadCredentials => Denial::BadCredentials,
                Denied::NotAuthorized => Denial::NotAuthorized,
                Denied::InvalidClientId => Denial::InvalidClientId,
                _ => Denial::Unavailable,
            })
        }
    }
}

fn answer(reactor: &Rc<Reactor>, authentication: &Authentication, answer: Answer) {
    let key = authentication.connection;
    reactor.engine.borrow_mut().authenticated(reactor.now(), key, authentication.number, answer);
    reactor.resume(key);
    reactor.wake();
}
