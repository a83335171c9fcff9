//! Keys and certificates in files: PKCS12, JKS and PEM, told apart by their content.

mod chain;
mod error;
mod jks;
mod kind;
mod pem;
mod pkcs12;
mod store;

pub use error::{Problem, StoreError};
pub use kind::Kind;
pub use store::{Identity, Store, StoreFile, revocation_lists};
