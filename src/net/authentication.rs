//! Asks the security manager, outside the engine.

use futures_util::FutureExt;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;

use super::reactor::Reactor;
use crate::core::message::Guarantee;
use crate::engine::{Admission, Authentication, guard};
use crate::protocol::Denial;
use crate::security::{CertifiedName, ConnectionRequest, Denied, Principal, Secret, SecurityManager, WillRequest};

/// Authentications under way at a time; more are told that the broker is busy.
pub(super) const AUTHENTICATIONS_MAX: u64 = 1024;

/// How long a security manager may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Characters of a name in the log.
const SHOWN_MAX: usize = 64;

/// Bytes of a client id, as protocols can carry it.
const CLIENT_ID_MAX: usize = 65_535;

/// The principal, and the request as the manager left it.
type Verdict = (Result<Principal, Denied>, ConnectionRequest);

/// Begins to authenticate; the engine gets the answer.
pub fn begin(reactor: &Rc<Reactor>, authentication: Authentication) {
    if reactor.authenticating.current() >= AUTHENTICATIONS_MAX {
        reactor.authenticating.refuse();
        return answer(reactor, &authentication, Err(Denial::Busy));
    }
    let mut request = match request(&authentication) {
        Ok(request) => request,
        Err(denied) => {
            let refused = (Err(denied), ConnectionRequest::default());
            return answer(reactor, &authentication, translate(reactor, refused, &authentication));
        }
    };
    let security = reactor.security.clone();
    if security.answers_at_once(&request) {
        let result = guard::contain(|| security.authenticate(&mut request).now_or_never());
        let result = result.flatten().unwrap_or(Err(Denied::Unavailable));
        return answer(reactor, &authentication, translate(reactor, (result, request), &authentication));
    }
    let Some(verdict) = in_pool(reactor, security, request) else {
        reactor.authenticating.refuse();
        return answer(reactor, &authentication, Err(Denial::Busy));
    };
    reactor.authenticating.add(1);
    let reactor = reactor.clone();
    tokio::task::spawn_local(async move {
        let verdict = tokio::time::timeout(PATIENCE, verdict).await.ok().and_then(Result::ok).flatten();
        reactor.authenticating.give(1);
        let verdict = verdict.unwrap_or_else(|| (Err(Denied::Unavailable), ConnectionRequest::default()));
        answer(&reactor, &authentication, translate(&reactor, verdict, &authentication));
    });
}

/// Has the question answered by a thread of the pool, if that takes more work; nothing comes if the manager panics.
fn in_pool(
    reactor: &Reactor,
    security: Arc<dyn SecurityManager>,
    mut request: ConnectionRequest,
) -> Option<oneshot::Receiver<Option<Verdict>>> {
    let (sender, receiver) = oneshot::channel();
    let is_taken = reactor.authenticators.run(async move {
        if sender.is_closed() {
            return; // Nobody waits for it any more.
        }
        let asked = contained(tokio::time::timeout(PATIENCE, security.authenticate(&mut request))).await;
        let verdict = asked.map(|result| result.unwrap_or(Err(Denied::Unavailable)));
        // Whoever asked may be gone.
        let _ = sender.send(verdict.map(|result| (result, request)));
    });
    is_taken.then_some(receiver)
}

/// Nothing if the future panics.
pub(super) async fn contained<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match guard::contain(|| future.as_mut().poll(cx)) {
        Some(Poll::Ready(result)) => Poll::Ready(Some(result)),
        Some(Poll::Pending) => Poll::Pending,
        None => Poll::Ready(None),
    })
    .await
}

fn request(authentication: &Authentication) -> Result<ConnectionRequest, Denied> {
    let (asked, peer) = (&authentication.request, &authentication.peer);
    let client_id = match &peer.client_id {
        CertifiedName::Free => &asked.client_id,
        CertifiedName::Is(name) => name,
        CertifiedName::Missing => return Err(Denied::InvalidClientId),
    };
    let mut request = ConnectionRequest::new(asked.protocol, client_id);
    request.username.clone_from(&asked.username);
    request.password = asked.password.clone().map(Secret::new);
    request.acceptor = peer.acceptor.to_string();
    request.domain = peer.domain.as_deref().map(str::to_owned);
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
    request.will = asked.will.as_ref().map(|will| {
        let qos = match will.guarantee {
            Guarantee::AtMostOnce => 0,
            Guarantee::AtLeastOnce => 1,
            Guarantee::ExactlyOnce => 2,
        };
        WillRequest::new(&*will.address, qos, will.retain)
    });
    Ok(request)
}

fn translate(
    reactor: &Reactor,
    (result, request): Verdict,
    authentication: &Authentication,
) -> Result<Admission, Denial> {
    let asked = &authentication.request;
    let result = result.and_then(|principal| {
        let client_id = (request.client_id != asked.client_id).then_some(request.client_id);
        let is_usable = |id: &str| !id.is_empty() && id.len() <= CLIENT_ID_MAX && !id.contains('\0');
        if client_id.as_deref().is_none_or(is_usable) {
            Ok(Admission { principal, client_id })
        } else {
            Err(Denied::InvalidClientId)
        }
    });
    result.map_err(|denied| {
        tell(reactor, authentication, denied);
        match denied {
            Denied::BadCredentials => Denial::BadCredentials,
            Denied::NotAuthorized => Denial::NotAuthorized,
            Denied::InvalidClientId => Denial::InvalidClientId,
            Denied::Banned => Denial::Banned,
            Denied::Busy => Denial::Busy,
            Denied::Unavailable => Denial::Unavailable,
        }
    })
}

fn tell(reactor: &Reactor, authentication: &Authentication, denied: Denied) {
    let Some(untold) = reactor.refusals.borrow_mut().add(reactor.now()) else { return };
    let asked = &authentication.request;
    let shown = |text: &str| text.chars().take(SHOWN_MAX).collect::<String>().escape_debug().to_string();
    let user = shown(asked.username.as_deref().unwrap_or_default());
    let (remote, client_id) = (&authentication.peer.address, shown(&asked.client_id));
    tracing::warn!(
        "AMQ229031: Unable to validate user from {remote}. Username: {user}; client id: {client_id}; {denied}"
    );
    if untold > 0 {
        tracing::warn!("AMQ229031: so it was {untold} times before, too often to be told one by one");
    }
}

fn answer(reactor: &Rc<Reactor>, authentication: &Authentication, answer: Result<Admission, Denial>) {
    let key = authentication.connection;
    reactor.engine.borrow_mut().authenticated(reactor.now(), key, authentication.number, answer);
    reactor.resume(key);
    reactor.wake();
}
