use std::str::FromStr;

use async_trait::async_trait;

use super::{Authenticated, AuthenticationRequest, Denied, SecurityManager};

/// One way to log in.
#[async_trait]
pub trait LoginModule: Send + Sync {
    /// Names the principal, or none when the module has nothing to say about this client.
    ///
    /// # Errors
    /// Why this module refuses; what that means for the client is decided by the module's [`Flag`].
    async fn login(&self, request: &AuthenticationRequest) -> Result<Option<Authenticated>, Denied>;
}

/// What a module's answer means for the whole login, as in JAAS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It must not refuse; the modules after it are asked in any case.
    Required,
    /// It must not refuse; when it does, no other module is asked.
    Requisite,
    /// When it succeeds, no other module is asked; when it refuses, the next one is.
    Sufficient,
    /// It may refuse.
    Optional,
}

/// A word that is none of `required`, `requisite`, `sufficient`, `optional`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of required, requisite, sufficient, optional")]
pub struct UnknownFlag(String);

impl FromStr for Flag {
    type Err = UnknownFlag;

    fn from_str(word: &str) -> Result<Self, UnknownFlag> {
        match word.to_ascii_lowercase().as_str() {
            "required" => Ok(Self::Required),
            "requisite" => Ok(Self::Requisite),
            "sufficient" => Ok(Self::Sufficient),
            "optional" => Ok(Self::Optional),
            _ => Err(UnknownFlag(word.to_owned())),
        }
    }
}

/// Login modules asked in order. A client is let in when no required or requisite module refused and at least one
/// module succeeded; a chain without modules lets nobody in.
///
/// With a sufficient properties module before a sufficient guest module, a wrong password logs in as guest.
#[derive(Default)]
pub struct LoginChain {
    modules: Vec<(Flag, Box<dyn LoginModule>)>,
}

impl LoginChain {
    /// A chain of these modules, in this order.
    pub fn new(modules: Vec<(Flag, Box<dyn LoginModule>)>) -> Self {
        Self { modules }
    }
}

#[async_trait]
impl SecurityManager for LoginChain {
    async fn authenticate(&self, request: &AuthenticationRequest) -> Result<Authenticated, Denied> {
        let mut verdict = Verdict::default();
        for (flag, module) in &self.modules {
            let answer = module.login(request).await;
            if verdict.add(*flag, answer) == Next::Stop {
                break;
            }
        }
        verdict.result()
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    Ask,
    Stop,
}

/// The answers so far.
#[derive(Default)]
struct Verdict {
    accepted: Option<Authenticated>,
    refused: Option<Denied>,
    failed: Option<Denied>,
}

impl Verdict {
    fn add(&mut self, flag: Flag, answer: Result<Option<Authenticated>, Denied>) -> Next {
        match answer {
            Ok(None) => Next::Ask,
            Ok(Some(login)) => self.accept(flag, login),
            Err(denied) => self.refuse(flag, denied),
        }
    }

    fn accept(&mut self, flag: Flag, login: Authenticated) -> Next {
        match &mut self.accepted {
            None => self.accepted = Some(login),
            Some(first) => merge(first, login),
        }
        if flag == Flag::Sufficient && self.refused.is_none() { Next::Stop } else { Next::Ask }
    }

    fn refuse(&mut self, flag: Flag, denied: Denied) -> Next {
        let decisive = matches!(flag, Flag::Required | Flag::Requisite) || denied == Denied::InvalidClientId;
        let reason = if decisive { &mut self.refused } else { &mut self.failed };
        reason.get_or_insert(denied);
        // A refused client id is no failed login that a guest module could make good.
        if flag == Flag::Requisite || denied == Denied::InvalidClientId { Next::Stop } else { Next::Ask }
    }

    fn result(self) -> Result<Authenticated, Denied> {
        match self.refused {
            Some(denied) => Err(denied),
            None => self.accepted.ok_or(self.failed.unwrap_or(Denied::BadCredentials)),
        }
    }
}

/// Adds the roles of `next`; user and client id stay those of the first module that gave one.
fn merge(first: &mut Authenticated, next: Authenticated) {
    for role in next.principal.roles {
        if !first.principal.roles.contains(&role) {
            first.principal.roles.push(role);
        }
    }
    first.client_id = first.client_id.take().or(next.client_id);
}
