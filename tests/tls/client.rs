//! A client of TLS that speaks in packets.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use artemis_rs::protocol::mqtt::codec::{Connect, Packet, Properties, Version, decode, frame_length};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, StreamOwned,
    SupportedProtocolVersion,
};

use crate::stores::Stores;
use crate::support::process::PATIENCE;

pub type Tls = StreamOwned<ClientConnection, TcpStream>;

/// How a client connects.
pub struct Dialer {
    pub config: ClientConfig,
    pub server_name: &'static str,
}

impl Dialer {
    /// One that trusts what `ca.pem` of the stores vouches for.
    pub fn trusting(stores: &Stores<'_>) -> Self {
        Self::of(stores, &[&TLS12, &TLS13], None)
    }

    /// With a certificate of its own, of the stores.
    pub fn showing(stores: &Stores<'_>, name: &str) -> Self {
        Self::of(stores, &[&TLS12, &TLS13], Some(name))
    }

    /// With one version of TLS only.
    pub fn speaking(stores: &Stores<'_>, version: &'static SupportedProtocolVersion) -> Self {
        Self::of(stores, &[version], None)
    }

    pub fn of(stores: &Stores<'_>, versions: &[&'static SupportedProtocolVersion], own: Option<&str>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(stores.path("ca.pem")).unwrap()).unwrap();
        let builder = builder(versions).with_root_certificates(roots);
        let config = match own {
            Some(name) => {
                let certificate = CertificateDer::from_pem_file(stores.path(&format!("{name}.pem"))).unwrap();
                let key = PrivateKeyDer::from_pem_file(stores.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        Self { config, server_name: "localhost" }
    }

    /// One that trusts every server.
    pub fn careless() -> Self {
        let dangerous = builder(&[&TLS12, &TLS13]).dangerous();
        let config = dangerous.with_custom_certificate_verifier(Arc::new(Careless)).with_no_client_auth();
        Self { config, server_name: "localhost" }
    }

    pub fn naming(mut self, server_name: &'static str) -> Self {
        self.server_name = server_name;
        self
    }

    /// Connects and makes the handshake.
    ///
    /// # Errors
    /// What the handshake ended with.
    pub fn dial(&self, port: u16) -> std::io::Result<Tls> {
        let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = ServerName::try_from(self.server_name).unwrap();
        let mut session = ClientConnection::new(Arc::new(self.config.clone()), name).unwrap();
        let mut socket = socket;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(session, socket))
    }

    /// Connects, sends CONNECT and waits for its answer.
    ///
    /// # Errors
    /// As [`Dialer::dial`], or the broker has hung up.
    pub fn connect(&self, port: u16, client_id: &str) -> std::io::Result<Tls> {
        let mut stream = self.dial(port)?;
        stream.write_all(&hello(client_id))?;
        let code = connack(&mut stream)?;
        if code == 0 { Ok(stream) } else { Err(std::io::Error::other(format!("CONNACK {code:#04x}"))) }
    }
}

fn builder(
    versions: &[&'static SupportedProtocolVersion],
) -> tokio_rustls::rustls::ConfigBuilder<ClientConfig, tokio_rustls::rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(default_provider())).with_protocol_versions(versions).unwrap()
}

/// A CONNECT of MQTT 5 without user and password.
pub fn hello(client_id: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let connect = Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 60,
        client_id,
        username: None,
        password: None,
        will: None,
        properties: Properties::from_encoded_unchecked(&[]),
    };
    connect.encode(Version::V5, &mut bytes);
    bytes
}

/// Reads one packet.
///
/// # Errors
/// The connection ended.
pub fn packet(stream: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    loop {
        match stream.read(&mut byte)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            _ => bytes.push(byte[0]),
        }
        if frame_length(&bytes, usize::MAX).is_ok_and(|length| length == Some(bytes.len())) {
            return Ok(bytes);
        }
    }
}

/// Reads a CONNACK and gives back its reason code.
///
/// # Errors
/// The connection ended.
pub fn connack(stream: &mut impl Read) -> std::io::Result<u8> {
    let bytes = packet(stream)?;
    match decode(&bytes, Version::V5) {
        Ok(Packet::ConnAck(_)) => Ok(bytes[3]),
        other => panic!("{other:?}"),
    }
}

/// Subscribes to a filter and waits for the answer.
pub fn subscribe(stream: &mut Tls, filter: &str) {
    let mut bytes = vec![0x82, filter.len() as u8 + 6, 0, 1, 0, 0, filter.len() as u8];
    bytes.extend_from_slice(filter.as_bytes());
    bytes.push(0);
    stream.write_all(&bytes).unwrap();
    assert_eq!(packet(stream).unwrap()[0], 0x90);
}

/// Believes every server.
#[derive(Debug)]
struct Careless;

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
