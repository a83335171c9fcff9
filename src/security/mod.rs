//! Who a client is and what it may do: authentication, login modules, roles and permissions.

mod authentication;
mod client_certificate;
mod distinguished_name;
mod guest_login;
mod login_chain;
mod open;
mod password;
mod permission;
mod properties_login;
mod roles;

pub use self::authentication::{Authenticated, AuthenticationRequest, Denied, Principal, Secret, SecurityManager};
pub use self::client_certificate::{AlternativeName, CertifiedName, ClientCertificate, MalformedCertificate, NameKind};
pub use self::guest_login::{GuestLogin, GuestOptions};
pub use self::login_chain::{Flag, LoginChain, LoginModule, UnknownFlag};
pub use self::open::OpenSecurity;
pub use self::password::{HashedPassword, MalformedPassword};
pub use self::permission::{Permission, SecuritySetting};
pub use self::properties_login::{PropertiesError, PropertiesLogin, PropertiesOptions};
pub use self::roles::{RoleSet, RoleTable};
