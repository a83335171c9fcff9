use rhai::{Array, Dynamic, Map};

use crate::security::{ClientLimits, ConnectionRequest, Denied, Permission, Principal, Rule};

/// What a script says to a request.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// The client is let in as it is known already.
    Known,
    Denied(Denied),
    Admitted(Box<Admitted>),
}

/// What a script says of a client that it lets in; what is absent stays as it is known.
#[derive(Debug, Default, PartialEq)]
pub struct Admitted {
    user: Option<String>,
    roles: Option<Vec<String>>,
    client_id: Option<String>,
    rules: Vec<Rule>,
    limits: Option<ClientLimits>,
}

const DENIALS: [(&str, Denied); 5] = [
    ("bad_credentials", Denied::BadCredentials),
    ("not_authorized", Denied::NotAuthorized),
    ("invalid_client_id", Denied::InvalidClientId),
    ("banned", Denied::Banned),
    ("unavailable", Denied::Unavailable),
];

impl Answer {
    /// # Errors
    /// What is wrong with the answer, for the log.
    pub fn read(answer: Dynamic) -> Result<Self, String> {
        if answer.is_unit() {
            return Ok(Self::Known);
        }
        if let Ok(known) = answer.as_bool() {
            return Ok(if known { Self::Known } else { Self::Denied(Denied::NotAuthorized) });
        }
        if answer.is_string() {
            let word = answer.into_string().map_err(str::to_owned)?;
            let denied = DENIALS.iter().find(|(name, _)| *name == word).map(|(_, denied)| *denied);
            return denied.map(Self::Denied).ok_or_else(|| format!("no known reason: {word:?}"));
        }
        let kind = answer.type_name();
        let map = answer.try_cast::<Map>().ok_or_else(|| format!("a value of type {kind}"))?;
        Admitted::read(map).map(|admitted| Self::Admitted(Box::new(admitted)))
    }

    /// # Errors
    /// The client is refused.
    pub fn apply(self, request: &mut ConnectionRequest, known: Option<Principal>) -> Result<Principal, Denied> {
        let admitted = match self {
            Self::Denied(denied) => return Err(denied),
            // Nobody has looked at this client's credentials.
            Self::Known => return known.ok_or(Denied::BadCredentials),
            Self::Admitted(admitted) => *admitted,
        };
        let mut principal = match (admitted.user, known) {
            (Some(user), Some(known)) => known.called(user),
            (Some(user), None) => request.admit(user),
            (None, Some(known)) => known,
            (None, None) => return Err(Denied::BadCredentials),
        };
        if let Some(roles) = admitted.roles {
            principal = principal.without_roles().with_roles(roles);
        }
        if let Some(limits) = admitted.limits {
            principal = principal.with_limits(limits);
        }
        if let Some(client_id) = admitted.client_id {
            request.client_id = client_id;
        }
        Ok(principal.with_rules(admitted.rules))
    }

    /// What becomes of a client that is let in already; nothing if it may do nothing any more. Its name and its client id
    /// stay: its session goes by them.
    pub fn renew(self, known: Principal) -> Option<Principal> {
        let admitted = match self {
            Self::Denied(_) => return None,
            Self::Known => return Some(known),
            Self::Admitted(admitted) => *admitted,
        };
        if admitted.user.is_some_and(|user| user != known.user()) || admitted.client_id.is_some() {
            tracing::error!("the security script denies, refresh gives another user or a client id");
            return None;
        }
        let mut principal = known;
        if let Some(roles) = admitted.roles {
            principal = principal.without_roles().with_roles(roles);
        }
        if let Some(limits) = admitted.limits {
            principal = principal.with_limits(limits);
        }
        Some(if admitted.rules.is_empty() { principal } else { principal.without_rules().with_rules(admitted.rules) })
    }
}

impl Admitted {
    fn read(map: Map) -> Result<Self, String> {
        let mut admitted = Self::default();
        for (key, value) in map {
            match key.as_str() {
                "user" => admitted.user = Some(text("user", value)?),
                "roles" => admitted.roles = Some(texts("roles", value)?),
                "client_id" => admitted.client_id = Some(text("client_id", value)?),
                "allow" => read_rules(&mut admitted.rules, true, value)?,
                "deny" => read_rules(&mut admitted.rules, false, value)?,
                "limits" => admitted.limits = Some(limits(value)?),
                other => return Err(format!("an unknown property {other:?}")),
            }
        }
        Ok(admitted)
    }
}

fn text(what: &str, value: Dynamic) -> Result<String, String> {
    value.into_string().map_err(|kind| format!("{what} of type {kind}"))
}

/// A text, or a list of them.
fn texts(what: &str, value: Dynamic) -> Result<Vec<String>, String> {
    if value.is_string() {
        return text(what, value).map(|text| vec![text]);
    }
    let kind = value.type_name();
    let array = value.try_cast::<Array>().ok_or_else(|| format!("{what} of type {kind}"))?;
    array.into_iter().map(|value| text(what, value)).collect()
}

fn map(what: &str, value: Dynamic) -> Result<Map, String> {
    let kind = value.type_name();
    value.try_cast::<Map>().ok_or_else(|| format!("{what} of type {kind}"))
}

fn read_rules(rules: &mut Vec<Rule>, allows: bool, value: Dynamic) -> Result<(), String> {
    let what = if allows { "allow" } else { "deny" };
    for (name, patterns) in map(what, value)? {
        let permission = Permission::from_name(&name).ok_or_else(|| format!("an unknown permission {name:?}"))?;
        rules.extend(texts(&name, patterns)?.into_iter().map(|pattern| Rule::new(permission, allows, pattern)));
    }
    Ok(())
}

fn limits(value: Dynamic) -> Result<ClientLimits, String> {
    fn number<T: TryFrom<i64>>(name: &str, value: &Dynamic) -> Result<Option<T>, String> {
        let number = value.as_int().map_err(|kind| format!("limit {name} of type {kind}"))?;
        T::try_from(number).map(Some).map_err(|_| format!("limit {name} out of range: {number}"))
    }
    let mut limits = ClientLimits::default();
    for (name, value) in map("limits", value)? {
        match name.as_str() {
            "messages_per_second" => limits.messages_per_second = number(&name, &value)?,
            "bytes_per_second" => limits.bytes_per_second = number(&name, &value)?,
            "packet_bytes" => limits.packet_bytes = number(&name, &value)?,
            "subscriptions" => limits.subscriptions = number(&name, &value)?,
            "queued_messages" => limits.queued_messages = number(&name, &value)?,
            "queued_bytes" => limits.queued_bytes = number(&name, &value)?,
            "in_flight" => limits.in_flight = number(&name, &value)?,
            "session_expiry" => limits.session_expiry = number(&name, &value)?,
            other => return Err(format!("an unknown limit {other:?}")),
        }
    }
    Ok(limits)
}
