//! The security manager that an instance's files describe, and what has to be done when they change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::files::{self, load_bootstrap, lookup};
use super::watch::{Sight, Watched};
use super::{Failure, Files, Instance};
use crate::config::Warning;
use crate::config::bootstrap::{DOMAIN, ManagerKind};
use crate::config::login::{self, Domain, LoginKind, UserFiles};
use crate::config::properties;
use crate::security::{
    CertificateLogin, CertificateOptions, ExternalCertificateLogin, Flag, GuestLogin, GuestOptions, LoginChain,
    LoginDomains, LoginModule, OpenSecurity, PropertiesError, PropertiesLogin, PropertiesOptions, ScriptedSecurity,
    SecurityManager,
};

/// A security manager and the files it was made of.
pub struct Configured {
    pub manager: Arc<dyn SecurityManager>,
    pub watched: Vec<Watched>,
    pub warnings: Vec<Warning>,
    /// Domains of `login.config` that let in everybody.
    pub open_domains: BTreeSet<String>,
    /// The domain of acceptors that name none.
    pub default_domain: String,
}

/// Makes the security manager.
///
/// # Errors
/// A file is missing or wrong, or asks for what is not supported: nothing is let in instead.
pub fn configure(instance: &Instance, files: &Files) -> Result<Configured, Failure> {
    let (watched, warnings, open_domains) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut configuration = Configuration { instance, files, watched, warnings, open_domains };
    let (manager, default_domain) = configuration.manager()?;
    let Configuration { watched, warnings, open_domains, .. } = configuration;
    Ok(Configured { manager, watched, warnings, open_domains, default_domain })
}

struct Configuration<'a> {
    instance: &'a Instance,
    files: &'a Files,
    watched: Vec<Watched>,
    warnings: Vec<Warning>,
    open_domains: BTreeSet<String>,
}

impl Configuration<'_> {
    fn manager(&mut self) -> Result<(Arc<dyn SecurityManager>, String), Failure> {
        if !self.files.config.security_enabled {
            return Ok((Arc::new(OpenSecurity), String::new()));
        }
        match &self.files.bootstrap.manager {
            ManagerKind::Login { domain, certificate_domain } => {
                let manager = self.domains(domain, certificate_domain.clone())?;
                Ok((manager, domain.clone()))
            }
            ManagerKind::Script { file, domain } => {
                let inner = domain.as_ref().map(|domain| self.domains(domain, None)).transpose()?;
                Ok((self.script(file, inner)?, domain.clone().unwrap_or_default()))
            }
            ManagerKind::Basic { users, roles } => {
                self.refuse_domains()?;
                let files = UserFiles { users: users.clone(), roles: roles.clone(), reload: true };
                Ok((basic(self.properties(&files, true)?), String::new()))
            }
            ManagerKind::OneUser { user, password, role } => {
                self.refuse_domains()?;
                let users = vec![(user.clone(), password.0.clone())];
                let roles = vec![(role.clone(), user.clone())];
                let login = PropertiesLogin::new(PropertiesOptions { users, roles });
                let login = login.map_err(|error| setting(&self.instance.etc().join("bootstrap.xml"), &error))?;
                Ok((basic(Arc::new(self.remembering(login))), String::new()))
            }
        }
    }

    /// A manager that has its users elsewhere knows no domains: an acceptor that names one would let in others.
    fn refuse_domains(&self) -> Result<(), Failure> {
        let mut named = self.files.config.acceptors.iter().filter(|acceptor| acceptor.security_domain.is_some());
        named.next().map_or(Ok(()), |acceptor| {
            let message = format!(
                "the acceptor {:?} has a securityDomain, which is one of login.config: bootstrap.xml has to name \
                 <jaas-security> for it",
                acceptor.name
            );
            Err(Failure::Setting { file: self.files.broker_xml.clone(), message })
        })
    }

    fn domains(&mut self, default: &str, certificate: Option<String>) -> Result<Arc<dyn SecurityManager>, Failure> {
        let named = self.files.config.acceptors.iter().filter_map(|acceptor| acceptor.security_domain.as_deref());
        let wanted: BTreeSet<&str> = [default].into_iter().chain(certificate.as_deref()).chain(named).collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        let text = read(&self.instance.etc().join("login.config"))?;
        let lookup = |name: &str| lookup(self.instance, name);
        let login = login::load("login.config", &text, &wanted, &lookup).map_err(Failure::Config)?;
        self.warnings.extend(login.warnings);
        let mut chains = Vec::new();
        for domain in &login.domains {
            chains.push((domain.name.clone(), self.chain(domain)?));
        }
        Ok(Arc::new(LoginDomains::new(chains, default, certificate)))
    }

    fn chain(&mut self, domain: &Domain) -> Result<LoginChain, Failure> {
        let is_only_one = domain.modules.len() == 1;
        let mut modules: Vec<(Flag, Arc<dyn LoginModule>)> = Vec::new();
        for module in &domain.modules {
            let made: Arc<dyn LoginModule> = match &module.kind {
                LoginKind::Guest { user, role, credentials_invalidate } => {
                    self.open_domains.insert(domain.name.clone());
                    let (user, role) = (user.clone(), role.clone());
                    let options = GuestOptions { user, role, credentials_invalidate: *credentials_invalidate };
                    Arc::new(GuestLogin::new(options))
                }
                LoginKind::Properties(files) => self.properties(files, is_only_one)?,
                LoginKind::Certificate(files) => self.certificates(files)?,
                LoginKind::ExternalCertificate => Arc::new(ExternalCertificateLogin),
            };
            modules.push((flag(module.flag), made));
        }
        Ok(LoginChain::new(&domain.name, modules))
    }

    fn properties(&mut self, files: &UserFiles, is_only_one: bool) -> Result<Arc<dyn LoginModule>, Failure> {
        let paths = self.paths(files);
        let load = {
            let paths = paths.clone();
            move || Ok(PropertiesOptions { users: pairs(&paths[0])?, roles: pairs(&paths[1])? })
        };
        let sight = Sight::of(&paths);
        let login = match PropertiesLogin::new(load()?) {
            // Nobody can log in by this module so far; another one may let others in.
            Err(PropertiesError::NoUsers) if !is_only_one => PropertiesLogin::default(),
            result => result.map_err(|error| setting(&paths[0], &error))?,
        };
        let login = Arc::new(self.remembering(login));
        if files.reload {
            let (login, path) = (login.clone(), paths[0].clone());
            let reload = move || {
                let options = load()?;
                warn_of_nobody(&options.users, &path);
                login.replace(options).map_err(|error| setting(&path, &error))
            };
            self.watched.push(Watched::new(sight, reload));
        }
        Ok(login)
    }

    fn remembering(&self, login: PropertiesLogin) -> PropertiesLogin {
        let config = &self.files.config;
        let lifetime = Duration::from_millis(config.security_invalidation_interval_ms);
        login.remembering(lifetime, config.authentication_cache_size as usize)
    }

    fn certificates(&mut self, files: &UserFiles) -> Result<Arc<dyn LoginModule>, Failure> {
        let paths = self.paths(files);
        let load = {
            let paths = paths.clone();
            move || Ok(CertificateOptions { users: pairs(&paths[0])?, roles: pairs(&paths[1])? })
        };
        let sight = Sight::of(&paths);
        let login = CertificateLogin::new(load()?).map_err(|error| setting(&paths[0], &error))?;
        let login = Arc::new(login);
        if files.reload {
            let (login, path) = (login.clone(), paths[0].clone());
            let reload = move || {
                let options = load()?;
                warn_of_nobody(&options.users, &path);
                login.replace(options).map_err(|error| setting(&path, &error))
            };
            self.watched.push(Watched::new(sight, reload));
        }
        Ok(login)
    }

    fn script(
        &mut self,
        file: &str,
        inner: Option<Arc<dyn SecurityManager>>,
    ) -> Result<Arc<dyn SecurityManager>, Failure> {
        let path = self.instance.etc().join(file);
        let sight = Sight::of(std::slice::from_ref(&path));
        let security = ScriptedSecurity::new(&read(&path)?, inner).map_err(|error| setting(&path, &error))?;
        let security = Arc::new(security);
        let (script, of) = (security.clone(), path.clone());
        let reload = move || script.replace(&read(&of)?).map_err(|error| setting(&of, &error));
        self.watched.push(Watched::new(sight, reload));
        Ok(security)
    }

    fn paths(&self, files: &UserFiles) -> Vec<PathBuf> {
        [&files.users, &files.roles].map(|file| self.instance.etc().join(file)).to_vec()
    }
}

/// The manager of Artemis that has users of its own instead of those of `login.config`.
fn basic(module: Arc<dyn LoginModule>) -> Arc<dyn SecurityManager> {
    Arc::new(LoginChain::new("basic", vec![(Flag::Required, module)]))
}

/// The files of users and roles that the default login asks.
///
/// # Errors
/// A file is missing or wrong, or there are none such.
pub fn user_files(instance: &Instance) -> Result<[PathBuf; 2], Failure> {
    let bootstrap = load_bootstrap(instance)?;
    let paths = |users: &str, roles: &str| [users, roles].map(|file| instance.etc().join(file));
    let domain = match &bootstrap.manager {
        ManagerKind::Basic { users, roles } => return Ok(paths(users, roles)),
        ManagerKind::OneUser { user, .. } => {
            let message = format!(
                "{user:?} is the only user, and stands here: for more, write the properties bootstrapUserFile and \
                 bootstrapRoleFile with the names of two files instead"
            );
            return Err(Failure::Setting { file: instance.etc().join("bootstrap.xml"), message });
        }
        ManagerKind::Login { domain, .. } => domain.as_str(),
        ManagerKind::Script { domain, .. } => domain.as_deref().unwrap_or(DOMAIN),
    };
    let path = instance.etc().join("login.config");
    let login = login::load("login.config", &read(&path)?, &[domain], &|name| lookup(instance, name));
    let login = login.map_err(Failure::Config)?;
    let files = login.domains.iter().flat_map(|domain| &domain.modules).find_map(|module| match &module.kind {
        LoginKind::Properties(files) => Some(paths(&files.users, &files.roles)),
        _ => None,
    });
    files.ok_or_else(|| {
        let message = format!("the domain {domain:?} has no PropertiesLoginModule, so no files of users");
        Failure::Setting { file: path, message }
    })
}

/// Reads a file that the configuration names; that it is not there is a mistake in the configuration.
fn read(file: &Path) -> Result<String, Failure> {
    files::read(file).map_err(|failure| match failure {
        Failure::File { path, error } => setting(&path, &error),
        other => other,
    })
}

fn setting(file: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::Setting { file: file.to_owned(), message: error.to_string() }
}

/// A file that was emptied shuts out whom it has let in before.
fn warn_of_nobody(users: &[(String, String)], path: &Path) {
    if users.is_empty() {
        tracing::warn!("{} has no user: nobody is let in by it", path.display());
    }
}

fn pairs(file: &Path) -> Result<Vec<(String, String)>, Failure> {
    let bytes = std::fs::read(file).map_err(|error| setting(file, &error))?;
    let text = properties::decode(bytes);
    Ok(properties::parse(&text).into_iter().map(|property| (property.key, property.value)).collect())
}

fn flag(flag: login::Flag) -> Flag {
    match flag {
        login::Flag::Required => Flag::Required,
        login::Flag::Requisite => Flag::Requisite,
        login::Flag::Sufficient => Flag::Sufficient,
        login::Flag::Optional => Flag::Optional,
    }
}
