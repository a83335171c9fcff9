//! TLS: handshakes on a thread of their own, bounded in number; records where the connection is.

mod arrivals;
mod cipher_suites;
mod client_trust;
mod failure;
mod handshakes;
mod identity_choice;
mod server;
mod settings;
mod socket;

pub use cipher_suites::{cipher_suite, cipher_suite_names};
pub use failure::Failure;
pub use handshakes::Handshakes;
pub use server::ServerTls;
pub use settings::{ClientCertificates, LoadError, Loaded, TlsSettings, TlsVersion};
pub use socket::TlsSocket;
pub use tokio_rustls::rustls::SupportedCipherSuite;
