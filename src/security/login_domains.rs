use async_trait::async_trait;

use super::{ConnectionRequest, Denied, LoginChain, Principal, Scope, SecurityManager};

/// Several login chains by name, as the domains of `login.config`: that of the acceptor if it names one, else that for
/// certificates if the client shows one, else the default.
pub struct LoginDomains {
    chains: Vec<(String, LoginChain)>,
    default: String,
    certificate: Option<String>,
}

impl LoginDomains {
    /// These chains; a domain that is named and not among them lets nobody in.
    pub fn new(chains: Vec<(String, LoginChain)>, default: impl Into<String>, certificate: Option<String>) -> Self {
        Self { chains, default: default.into(), certificate }
    }

    fn chain(&self, request: &ConnectionRequest) -> Option<&LoginChain> {
        let certificate = self.certificate.as_ref().filter(|_| request.certificate.is_some());
        let name = request.domain.as_ref().or(certificate).unwrap_or(&self.default);
        self.chains.iter().find(|(other, _)| other == name).map(|(_, chain)| chain)
    }
}

#[async_trait]
impl SecurityManager for LoginDomains {
    async fn authenticate(&self, request: &mut ConnectionRequest) -> Result<Principal, Denied> {
        match self.chain(request) {
            Some(chain) => chain.authenticate(request).await,
            None => Err(Denied::BadCredentials),
        }
    }

    fn answers_at_once(&self, request: &ConnectionRequest) -> bool {
        self.chain(request).is_none_or(|chain| chain.answers_at_once(request))
    }

    fn refresh(&self, principal: &Principal) -> Option<Principal> {
        match principal.vouchers().first() {
            Some(voucher) => {
                let (_, chain) = self.chains.iter().find(|(_, chain)| chain.has(voucher))?;
                chain.refresh(principal)
            }
            None => Some(principal.clone()),
        }
    }

    fn epoch(&self) -> u64 {
        self.chains.iter().map(|(_, chain)| chain.epoch()).sum()
    }

    fn decides(&self) -> bool {
        false
    }

    fn scope(&self) -> Scope {
        Scope::Roles
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::manager::now;
    use super::super::{ClientCertificate, Flag, GuestLogin, GuestOptions, LoginModule};
    use super::*;

    fn chain(domain: &str) -> (String, LoginChain) {
        let guest = GuestOptions { user: format!("{domain}-guest"), ..GuestOptions::default() };
        let modules: Vec<(Flag, Arc<dyn LoginModule>)> = vec![(Flag::Required, Arc::new(GuestLogin::new(guest)))];
        (domain.to_owned(), LoginChain::new(domain, modules))
    }

    #[test]
    fn the_acceptor_then_a_certificate_then_the_default_decide() {
        let domains = LoginDomains::new(vec![chain("a"), chain("b"), chain("c")], "a", Some("c".to_owned()));
        for (domain, certificate, expected) in [
            (None, false, Ok("a-guest")),
            (None, true, Ok("c-guest")),
            (Some("b"), false, Ok("b-guest")),
            (Some("b"), true, Ok("b-guest")),
            (Some("nowhere"), false, Err(Denied::BadCredentials)),
        ] {
            let mut request = ConnectionRequest::new("MQTT", "c");
            request.domain = domain.map(str::to_owned);
            if certificate {
                let der = include_bytes!("testdata/names.der").to_vec();
                request.certificate = Some(Arc::new(ClientCertificate::from_chain(vec![der]).unwrap()));
            }
            let principal = now(domains.authenticate(&mut request));
            if let Ok(principal) = &principal {
                assert_eq!(domains.refresh(principal).as_ref(), Some(principal));
            }
            let user = principal.map(|principal| principal.user().to_owned());
            assert_eq!(user, expected.map(str::to_owned), "{domain:?} {certificate}");
        }
    }
}
