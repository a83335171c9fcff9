//! Peers that mean no good, or another port.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use artemis_rs::protocol::mqtt::codec::Version;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ConnectionTrafficSecrets, ExtractedSecrets};

use crate::client::{Dialer, Tls, connack, hello, packet, subscribe};
use crate::stores::{Stores, instance};
use crate::support::broker::{Broker, Instance};
use crate::support::mqtt::Hello;
use crate::support::process::{self, PATIENCE};

fn serving(parameters: &str) -> Instance {
    let instance = instance(&format!("keyStorePath=store;{parameters}"));
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    instance
}

fn trusting(instance: &Instance) -> Dialer {
    Dialer::trusting(&Stores::existing(instance))
}

fn open(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads until the broker has hung up; gives back what it said.
#[track_caller]
fn until_closed(stream: &mut impl Read) -> Vec<u8> {
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => said,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => said,
        Err(error) => panic!("the broker does not hang up: {error}"),
    }
}

/// Kilobytes of memory that a broker has in use.
fn memory(broker: &Broker) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// The beginning of a ClientHello, as a client would send it.
fn first_record() -> Vec<u8> {
    let mut bytes = Vec::new();
    let name = tokio_rustls::rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let config = std::sync::Arc::new(Dialer::careless().config);
    let mut session = tokio_rustls::rustls::ClientConnection::new(config, name).unwrap();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn plain_text_on_a_port_for_tls_ends_at_once() {
    let instance = serving("sslHandshakeTimeout=0");
    let broker = instance.start();
    for bytes in [&hello("c")[..], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0\0\0\0"] {
        let mut stream = open(broker.port());
        stream.write_all(bytes).unwrap();
        assert_eq!(until_closed(&mut stream), b"");
    }
    let line = broker.process.wait_for("AMQ222208");
    assert!(line.contains("it does not speak TLS"), "{line}");
    trusting(&instance).connect(broker.port(), "c").unwrap();
}

#[test]
fn tls_on_a_port_for_plain_text_ends_at_once() {
    let instance = Instance::new();
    let broker = instance.start();
    assert!(Dialer::careless().dial(broker.port()).is_err());
    Hello::new(Version::V5, "c").connect(broker.port());
}

#[test]
fn a_handshake_has_its_time() {
    let instance = serving("sslHandshakeTimeout=1");
    let broker = instance.start();
    let hello = first_record();
    for length in [0, 1, 5, hello.len() / 2, hello.len()] {
        let mut stream = open(broker.port());
        stream.write_all(&hello[..length]).unwrap();
        until_closed(&mut stream);
    }
    let line = broker.process.wait_for("AMQ222208");
    assert!(line.contains("longer than sslHandshakeTimeout"), "{line}");
}

/// More half handshakes than there may be, and none of them ends: who comes later is served all the same.
#[test]
fn half_handshakes_by_the_thousand() {
    let instance = serving("");
    let broker = instance.start();
    let dialer = trusting(&instance);
    let mut before = dialer.connect(broker.port(), "before").unwrap();
    let idle = memory(&broker);
    let hello = first_record();
    let half: Vec<_> = (0..2500)
        .map(|_| {
            let mut stream = open(broker.port());
            stream.write_all(&hello[..hello.len() - 1]).unwrap();
            stream
        })
        .collect();
    let mut after = dialer.connect(broker.port(), "after").unwrap();
    for stream in [&mut before, &mut after] {
        stream.write_all(&[0xC0, 0]).unwrap();
        assert_eq!(packet(stream).unwrap(), [0xD0, 0]);
    }
    let counted = instance.command(&["limit", "stat", "--json"]).output().unwrap().stdout;
    let counted: Vec<serde_json::Value> = serde_json::from_slice(&counted).unwrap();
    let row = counted.iter().find(|row| row["name"] == "TLS handshakes").unwrap();
    let number = |name: &str| row[name].as_u64().unwrap();
    assert!(number("current") + 1 >= number("limit") && number("refused") > 0, "{row}");
    let used = memory(&broker) - idle;
    assert!(used < 64 * 1024, "{used} KB for {} half handshakes", half.len());
}

#[test]
fn a_hello_that_never_ends() {
    let instance = serving("sslHandshakeTimeout=0");
    let broker = instance.start();
    let mut stream = open(broker.port());
    // A ClientHello that is said to be of 16 MB, in full records.
    let mut record = vec![22, 3, 1, 0x40, 0, 1, 0xFF, 0xFF, 0xFF];
    record.resize(5 + 0x4000, 0);
    let mut sent = 0;
    while sent < 16 && stream.write_all(&record).is_ok() {
        sent += 1;
        record[5..9].fill(0);
    }
    until_closed(&mut stream);
    trusting(&instance).connect(broker.port(), "c").unwrap();
}

fn is_alive(stream: &mut Tls) -> bool {
    stream.write_all(&[0xC0, 0]).is_ok() && packet(stream).is_ok_and(|bytes| bytes == [0xD0, 0])
}

/// CVE-2026-39304: keys may be renewed, but not without end.
#[test]
fn a_flood_of_key_updates() {
    let instance = serving("");
    let broker = instance.start();
    let dialer = Dialer::speaking(&Stores::existing(&instance), &TLS13);
    let mut polite = dialer.connect(broker.port(), "polite").unwrap();
    for _ in 0..5 {
        polite.conn.refresh_traffic_keys().unwrap();
        assert!(is_alive(&mut polite));
    }
    let idle = memory(&broker);
    let mut flood = dialer.connect(broker.port(), "flood").unwrap();
    for _ in 0..10_000 {
        if flood.conn.refresh_traffic_keys().is_err() || flood.conn.write_tls(&mut flood.sock).is_err() {
            break;
        }
    }
    assert!(!is_alive(&mut flood));
    assert!(is_alive(&mut polite));
    assert!(memory(&broker) < idle + 16 * 1024);
}

/// Records of TLS 1.3 under keys taken out of a client.
struct Records {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Records {
    fn of(secrets: ExtractedSecrets) -> Self {
        let (sequence, ConnectionTrafficSecrets::Aes128Gcm { key, iv }) = secrets.tx else {
            panic!("another cipher suite")
        };
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key.as_ref()).unwrap());
        Self { key, iv: iv.as_ref().try_into().unwrap(), sequence }
    }

    /// The next record, with nothing in it.
    fn empty(&mut self) -> Vec<u8> {
        let header = [23, 3, 3, 0, 17];
        let mut nonce = self.iv;
        nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()).for_each(|(byte, other)| *byte ^= other);
        self.sequence += 1;
        let mut inner = vec![23];
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(header), &mut inner).unwrap();
        [&header[..], &inner].concat()
    }
}

/// Records without content keep nobody else waiting, and end their connection.
#[test]
fn a_flood_of_empty_records() {
    let instance = serving("enabledCipherSuites=TLS_AES_128_GCM_SHA256");
    let broker = instance.start();
    let mut dialer = Dialer::speaking(&Stores::existing(&instance), &TLS13);
    let mut other = dialer.connect(broker.port(), "other").unwrap();
    dialer.config.enable_secret_extraction = true;
    let (session, mut socket) = dialer.connect(broker.port(), "flood").unwrap().into_parts();
    let mut records = Records::of(session.dangerous_extract_secrets().unwrap());
    let idle = memory(&broker);
    let flood: Vec<u8> = (0..100_000).flat_map(|_| records.empty()).collect();
    // The end may come before all is written.
    let sending =
        std::thread::spawn(move || socket.write_all(&flood).and_then(|()| socket.read_to_end(&mut Vec::new())));
    let mut answered = 0;
    while !sending.is_finished() || answered < 10 {
        assert!(is_alive(&mut other));
        answered += 1;
    }
    let cut = sending.join().unwrap().err().map(|error| error.kind());
    assert!(cut.is_none_or(|kind| [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&kind)), "{cut:?}");
    assert!(memory(&broker) < idle + 16 * 1024);
}

/// TLS 1.2 could begin a handshake within a connection.
#[test]
fn a_renegotiation_is_refused() {
    let instance = serving("enabledProtocols=TLSv1.2");
    let broker = instance.start();
    let mut client = Command::new("openssl");
    client.args(["s_client", "-tls1_2", "-connect", &format!("127.0.0.1:{}", broker.port())]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"R\n").unwrap();
    let mut text = String::new();
    client.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("RENEGOTIATING") && text.contains("no renegotiation"), "{text}");
    client.wait().unwrap();
    trusting(&instance).connect(broker.port(), "c").unwrap();
}

/// A reader that has stopped reading costs what its socket holds, and others nothing.
#[test]
fn a_peer_that_does_not_read() {
    let instance = serving("");
    let broker = instance.start();
    let dialer = trusting(&instance);
    let mut deaf = dialer.connect(broker.port(), "deaf").unwrap();
    for _ in 0..1000 {
        deaf.write_all(&[0xC0, 0]).unwrap();
    }
    let mut other = dialer.connect(broker.port(), "other").unwrap();
    assert!(is_alive(&mut other));
}

/// A connection that ends in the midst of a record, or of a packet.
#[test]
fn an_end_without_a_goodbye() {
    let instance = serving("");
    let broker = instance.start();
    let dialer = trusting(&instance);
    let mut stream = dialer.dial(broker.port()).unwrap();
    stream.write_all(&hello("gone")[..5]).unwrap();
    drop(stream);
    let stream = dialer.dial(broker.port()).unwrap();
    stream.sock.shutdown(std::net::Shutdown::Write).unwrap();
    let mut stream = dialer.dial(broker.port()).unwrap();
    stream.sock.write_all(&[23, 3, 3, 0x40, 0, 1, 2, 3]).unwrap();
    drop(stream);
    let mut stream = dialer.dial(broker.port()).unwrap();
    stream.sock.write_all(&[23, 3, 3, 0, 32]).unwrap();
    stream.sock.write_all(&[0; 32]).unwrap();
    assert!(until_end(&mut stream));
    let mut stream = dialer.dial(broker.port()).unwrap();
    stream.write_all(&hello("c")).unwrap();
    assert_eq!(connack(&mut stream).unwrap(), 0);
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    assert!(until_end(&mut stream));
}

fn until_end(stream: &mut Tls) -> bool {
    let mut bytes = [0; 64];
    process::eventually("the end", || matches!(stream.read(&mut bytes), Ok(0) | Err(_)));
    true
}

/// The last words come through, and then a goodbye.
#[test]
fn a_goodbye_after_the_last_packet() {
    let instance = serving("");
    let broker = instance.start();
    let mut stream = trusting(&instance).connect(broker.port(), "c").unwrap();
    // A SUBSCRIBE without a filter is a protocol error, which MQTT 5 is told.
    stream.write_all(&[0x82, 3, 0, 1, 0]).unwrap();
    assert_eq!(packet(&mut stream).unwrap()[0], 0xE0);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

/// What a slow reader has to get comes before the end.
#[test]
fn all_that_was_written_arrives_before_the_end() {
    let instance = serving("tcpSendBufferSize=8192");
    let broker = instance.start();
    let dialer = trusting(&instance);
    let mut reader = dialer.connect(broker.port(), "reader").unwrap();
    subscribe(&mut reader, "t");
    let mut writer = dialer.connect(broker.port(), "writer").unwrap();
    let message = [&[0x30, 0x94, 0xA1, 0x0F, 0, 1, b't', 0][..], &[7; 250_000]].concat();
    for _ in 0..3 {
        writer.write_all(&message).unwrap();
        assert!(is_alive(&mut writer));
    }
    reader.write_all(&[0x82, 3, 0, 1, 0]).unwrap();
    for _ in 0..3 {
        assert_eq!(packet(&mut reader).unwrap().len(), message.len());
    }
    assert_eq!(packet(&mut reader).unwrap()[0], 0xE0);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn connections_that_say_nothing_take_no_place() {
    let instance = serving("sslHandshakeTimeout=30");
    let broker = instance.start();
    let silent: Vec<_> = (0..500).map(|_| open(broker.port())).collect();
    let dialer = trusting(&instance);
    for number in 0..20 {
        dialer.connect(broker.port(), &format!("c{number}")).unwrap();
    }
    assert_eq!(silent.len(), 500);
    let stopped = broker.stop();
    assert!(stopped.status.success(), "{}", stopped.text);
}
