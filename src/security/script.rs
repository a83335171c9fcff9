//! A security manager without a compiler: a Rhai script with a function `authenticate`, and perhaps `authorize` and
//! `refresh`.

mod answer;
mod sandbox;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use rhai::{AST, Dynamic, Engine, Map, Scope as Variables};

use super::{Access, ConnectionRequest, Decision, Denied, Principal, Scope, SecurityManager};
use answer::Answer;

const AUTHENTICATE: &str = "authenticate";
const AUTHORIZE: &str = "authorize";
const REFRESH: &str = "refresh";

/// A script that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScriptError(String);

/// Asks a script, after another manager where there is one. An error in the script denies.
///
/// Each call is bounded: 10,000 steps, 64 KiB of text, 1,024 elements of arrays and maps, 16 calls deep. Scripts read no
/// files, load no modules and cannot wait.
pub struct ScriptedSecurity {
    engine: Engine,
    script: RwLock<Arc<Script>>,
    inner: Option<Arc<dyn SecurityManager>>,
    epoch: AtomicU64,
}

struct Script {
    ast: AST,
    authorizes: bool,
    refreshes: bool,
    /// Calls that did not give what they have to.
    errors: AtomicU64,
}

/// Errors of one script that are told one by one; of more, every so many, since clients can cause them.
const TOLD_MAX: u64 = 100;

impl Script {
    fn complain(&self, function: &str, error: &str) {
        let count = self.errors.fetch_add(1, Ordering::Relaxed) + 1;
        if is_told(count) {
            tracing::error!("the security script denies, {function} {error}");
        }
    }
}

fn is_told(errors: u64) -> bool {
    errors <= TOLD_MAX || errors.is_power_of_two()
}

impl ScriptedSecurity {
    /// A manager that asks `source`, once `inner`, where there is one, has let a client in.
    ///
    /// # Errors
    /// The script cannot be compiled or has no function `authenticate` of one parameter.
    pub fn new(source: &str, inner: Option<Arc<dyn SecurityManager>>) -> Result<Self, ScriptError> {
        let engine = sandbox::engine();
        let script = RwLock::new(Arc::new(compile(&engine, source)?));
        Ok(Self { engine, script, inner, epoch: AtomicU64::new(0) })
    }

    /// Takes over another script, which holds from now on, for clients that are connected as well.
    ///
    /// # Errors
    /// As [`ScriptedSecurity::new`]; then nothing changes.
    pub fn replace(&self, source: &str) -> Result<(), ScriptError> {
        let script = Arc::new(compile(&self.engine, source)?);
        *self.script.write().unwrap_or_else(PoisonError::into_inner) = script;
        self.epoch.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn script(&self) -> Arc<Script> {
        self.script.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn call(&self, script: &Script, function: &str, arguments: impl rhai::FuncArgs) -> Option<Dynamic> {
        sandbox::begin(if function == AUTHENTICATE { sandbox::CHECKS_MAX } else { 0 });
        let answer = self.engine.call_fn(&mut Variables::new(), &script.ast, function, arguments);
        answer.inspect_err(|error| script.complain(function, &format!("failed: {error}"))).ok()
    }
}

fn compile(engine: &Engine, source: &str) -> Result<Script, ScriptError> {
    let ast = engine.compile(source).map_err(|error| ScriptError(error.to_string()))?;
    let has = |name: &str, parameters: &[&str]| {
        let mut found = ast.iter_functions().filter(|function| function.name == name).peekable();
        // One of another number of parameters would never be called.
        let is_meant = found.peek().is_some();
        match found.any(|function| function.params.len() == parameters.len()) {
            false if is_meant => Err(ScriptError(format!("expected {name}({})", parameters.join(", ")))),
            is_there => Ok(is_there),
        }
    };
    if !has(AUTHENTICATE, &["request"])? {
        return Err(ScriptError("there is no function authenticate(request)".to_owned()));
    }
    let authorizes = has(AUTHORIZE, &["principal", "permission", "address"])?;
    let refreshes = has(REFRESH, &["principal"])?;
    Ok(Script { ast, authorizes, refreshes, errors: AtomicU64::new(0) })
}

#[async_trait]
impl SecurityManager for ScriptedSecurity {
    async fn authenticate(&self, request: &mut ConnectionRequest) -> Result<Principal, Denied> {
        let known = match &self.inner {
            Some(inner) => Some(inner.authenticate(request).await?),
            None => None,
        };
        let asked = describe(request, known.as_ref());
        let script = self.script();
        let answer = self.call(&script, AUTHENTICATE, (asked,)).ok_or(Denied::NotAuthorized)?;
        read(answer, &script, AUTHENTICATE).ok_or(Denied::NotAuthorized)?.apply(request, known)
    }

    fn authorize(&self, access: &Access<'_>) -> Decision {
        let script = self.script();
        if !script.authorizes {
            return self.inner.as_ref().map_or(Decision::Undecided, |inner| inner.authorize(access));
        }
        let mut principal = describe_principal(access.principal);
        principal.insert("client_id".into(), access.client_id.to_owned().into());
        let arguments = (principal, access.permission.name().to_owned(), access.address.to_owned());
        let Some(answer) = self.call(&script, AUTHORIZE, arguments) else { return Decision::Deny };
        match answer.as_bool() {
            Ok(true) => Decision::Allow,
            Err(_) if answer.is_unit() => Decision::Undecided,
            _ => Decision::Deny,
        }
    }

    fn refresh(&self, principal: &Principal) -> Option<Principal> {
        let known = self.inner.as_ref().map_or_else(|| Some(principal.clone()), |inner| inner.refresh(principal))?;
        let script = self.script();
        if !script.refreshes {
            return Some(known);
        }
        let answer = self.call(&script, REFRESH, (describe_principal(&known),))?;
        read(answer, &script, REFRESH)?.renew(known)
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire) + self.inner.as_ref().map_or(0, |inner| inner.epoch())
    }

    fn decides(&self) -> bool {
        self.script().authorizes || self.inner.as_ref().is_some_and(|inner| inner.decides())
    }

    fn scope(&self) -> Scope {
        let inner = self.inner.as_ref().map_or(Scope::Roles, |inner| inner.scope());
        if self.script().authorizes { Scope::Client } else { inner }
    }
}

/// What a function says; nothing if it says what it may not.
fn read(answer: Dynamic, script: &Script, function: &str) -> Option<Answer> {
    Answer::read(answer).inspect_err(|error| script.complain(function, &format!("gives {error}"))).ok()
}

fn describe_principal(principal: &Principal) -> Map {
    let mut map = Map::new();
    map.insert("user".into(), principal.user().to_owned().into());
    map.insert("roles".into(), list(principal.roles()));
    map
}

fn list(texts: &[String]) -> Dynamic {
    texts.iter().cloned().map(Dynamic::from).collect::<rhai::Array>().into()
}

/// What a script sees of a request.
fn describe(request: &ConnectionRequest, known: Option<&Principal>) -> Map {
    let text = |text: Option<&str>| text.map_or(Dynamic::UNIT, |text| text.to_owned().into());
    let password = request.password.as_ref().map(|password| match std::str::from_utf8(password.expose()) {
        Ok(text) => Dynamic::from(text.to_owned()),
        Err(_) => Dynamic::from_blob(password.expose().to_vec()),
    });
    let will = request.will.as_ref().map(|will| {
        let mut map = Map::new();
        map.insert("address".into(), will.address.clone().into());
        map.insert("qos".into(), i64::from(will.qos).into());
        map.insert("retain".into(), will.retain.into());
        Dynamic::from_map(map)
    });
    let subject = request.certificate.as_ref().map(|certificate| certificate.subject_spaced.as_str());
    [
        ("username", text(request.username.as_deref())),
        ("password", password.unwrap_or(Dynamic::UNIT)),
        ("client_id", text(Some(&request.client_id))),
        ("protocol", text(Some(request.protocol))),
        ("acceptor", text(Some(&request.acceptor))),
        ("domain", text(request.domain.as_deref())),
        ("remote_address", text(Some(&request.remote_address))),
        ("certificate_subject", text(subject)),
        ("will", will.unwrap_or(Dynamic::UNIT)),
        ("user", text(known.map(Principal::user))),
        ("roles", known.map_or(Dynamic::UNIT, |known| list(known.roles()))),
    ]
    .into_iter()
    .map(|(key, value)| (key.into(), value))
    .collect()
}

#[cfg(test)]
mod tests;
