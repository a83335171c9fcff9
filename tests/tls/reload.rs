//! `sslAutoReload`: files that change are read anew, while connections stay.

use std::io::Write;
use std::time::Duration;

use crate::client::{Dialer, Tls, connack, hello, packet};
use crate::stores::{CLIENT, SERVER, Stores, instance};
use crate::support::broker::{Broker, Instance};
use crate::support::process::PATIENCE;

const RENEWED: &str = "keys and certificates were read anew";

fn serving() -> Instance {
    let parameters = "keyStorePath=store;trustStorePath=trust.pem;needClientAuth=true;crlPath=revoked.pem";
    let instance = instance(&format!("{parameters};sslAutoReload=true"));
    let period = "<configuration-file-refresh-period>300</configuration-file-refresh-period></core>";
    instance.replace("etc/broker.xml", "</core>", period);
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "store");
    stores.join(&["ca.pem"], "trust.pem");
    stores.issue("client", "/CN=client", CLIENT, 30);
    stores.issue("lost", "/CN=lost", CLIENT, 30);
    stores.revoke_none("ca", "revoked.pem");
    instance
}

/// Whether a PINGREQ is answered.
fn is_alive(stream: &mut Tls) -> bool {
    stream.write_all(&[0xC0, 0]).is_ok() && packet(stream).is_ok_and(|bytes| bytes == [0xD0, 0])
}

fn serial(stream: &Tls) -> Vec<u8> {
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

/// Waits until files were read anew for the `count`th time.
#[track_caller]
fn wait(broker: &Broker, text: &str, count: usize) {
    let said = || broker.process.lines().iter().filter(|line| line.contains(text)).count() >= count;
    crate::support::process::eventually(text, said);
}

#[test]
fn a_new_certificate_serves_new_clients_and_the_old_stay() {
    let instance = serving();
    let stores = Stores::existing(&instance);
    let broker = instance.start();
    let dialer = Dialer::showing(&stores, "client");
    let mut before = dialer.connect(broker.port(), "a").unwrap();
    stores.issue("server", "/CN=localhost", SERVER, 30);
    stores.replace_by_join(&["server.key", "server.pem"], "store");
    broker.process.wait_for(RENEWED);
    // The ticket of before counts no more either.
    let mut after = dialer.connect(broker.port(), "b").unwrap();
    assert_ne!(serial(&before), serial(&after));
    assert!(is_alive(&mut before) && is_alive(&mut after));
}

/// mosquitto pull request 3568: the authorities are read anew as well.
#[test]
fn a_new_authority_counts_and_the_old_no_more() {
    let instance = serving();
    let stores = Stores::existing(&instance);
    let broker = instance.start();
    let old = Dialer::showing(&stores, "client");
    old.connect(broker.port(), "a").unwrap();
    stores.authority("next", "/CN=Next CA");
    stores.issue_by("next", "newcomer", "/CN=newcomer", CLIENT, 30);
    stores.revoke_none("next", "revoked.pem");
    stores.replace_by_join(&["next.pem"], "trust.pem");
    let new = Dialer::showing(&stores, "newcomer");
    crate::support::process::eventually("trust in the new authority", || new.connect(broker.port(), "b").is_ok());
    assert!(old.connect(broker.port(), "c").is_err());
}

#[test]
fn a_revoked_client_is_not_let_in_again() {
    let instance = serving();
    let stores = Stores::existing(&instance);
    let broker = instance.start();
    let lost = Dialer::showing(&stores, "lost");
    lost.connect(broker.port(), "a").unwrap();
    stores.revoke("lost", "next.crl");
    std::fs::rename(stores.path("next.crl"), stores.path("revoked.pem")).unwrap();
    broker.process.wait_for(RENEWED);
    // Not by its ticket either.
    assert!(lost.connect(broker.port(), "a").is_err());
    Dialer::showing(&stores, "client").connect(broker.port(), "b").unwrap();
}

#[test]
fn a_bad_file_keeps_the_old_and_is_told() {
    let instance = serving();
    let stores = Stores::existing(&instance);
    let broker = instance.start();
    let dialer = Dialer::showing(&stores, "client");
    let before = serial(&dialer.connect(broker.port(), "a").unwrap());
    for (number, bad) in ["junk", ""].into_iter().enumerate() {
        std::fs::write(stores.path("store"), bad).unwrap();
        wait(&broker, "the new keys and certificates are not used, the old stay: keyStorePath: ", number + 1);
        assert_eq!(serial(&dialer.connect(broker.port(), "b").unwrap()), before);
    }
    std::fs::remove_file(stores.path("store")).unwrap();
    wait(&broker, "the old stay", 3);
    // A key without its certificate yet, as while files are being replaced.
    stores.issue("server", "/CN=localhost", SERVER, 30);
    stores.replace_by_join(&["server.key", "ca.pem"], "store");
    wait(&broker, "it has no certificate of the key pem", 1);
    stores.replace_by_join(&["server.key", "server.pem"], "store");
    broker.process.wait_for(RENEWED);
    assert_ne!(serial(&dialer.connect(broker.port(), "c").unwrap()), before);
}

/// An instance whose key and certificate are named in a configuration.
fn configured() -> Instance {
    let instance = instance("keyStoreType=PEMCFG;keyStorePath=store;sslAutoReload=true");
    let period = "<configuration-file-refresh-period>300</configuration-file-refresh-period></core>";
    instance.replace("etc/broker.xml", "</core>", period);
    let stores = Stores::with_server(&instance);
    stores.join(&["server.key", "server.pem"], "one.pem");
    std::fs::write(stores.path("store"), "source.all=one.pem\n").unwrap();
    instance
}

/// A configuration is often written before what it names.
#[test]
fn a_file_that_is_named_before_it_is_there() {
    let instance = configured();
    let stores = Stores::existing(&instance);
    let broker = instance.start();
    let dialer = Dialer::trusting(&stores);
    let before = serial(&dialer.connect(broker.port(), "a").unwrap());
    std::fs::write(stores.path("store"), "source.key=two.key\nsource.certificate=two.pem\n").unwrap();
    wait(&broker, "two.pem: it cannot be read", 1);
    stores.issue("next", "/CN=localhost", SERVER, 30);
    stores.replace_by_join(&["next.pem"], "two.pem");
    wait(&broker, "two.key: it cannot be read", 1);
    stores.replace_by_join(&["next.key"], "two.key");
    broker.process.wait_for(RENEWED);
    assert_ne!(serial(&dialer.connect(broker.port(), "b").unwrap()), before);
}

/// A pipe is no file: whoever opened it would wait for ever.
#[test]
fn a_pipe_does_not_hold_up_what_comes_after() {
    let instance = configured();
    let stores = Stores::existing(&instance);
    let broker = instance.start();
    std::fs::remove_file(stores.path("one.pem")).unwrap();
    nix::unistd::mkfifo(&stores.path("one.pem"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    wait(&broker, "one.pem: it cannot be read: it is not a file", 1);
    stores.issue("server", "/CN=localhost", SERVER, 30);
    stores.replace_by_join(&["server.key", "server.pem"], "one.pem");
    broker.process.wait_for(RENEWED);
}

/// `cp -p` and `rsync -t` can leave length and time as they were.
#[test]
fn a_file_of_the_same_length_and_time() {
    let instance = configured();
    let stores = Stores::existing(&instance);
    let length = stores.text("one.pem").len() + 64;
    std::fs::write(stores.path("one.pem"), format!("{:length$}", stores.text("one.pem"))).unwrap();
    let time = std::fs::metadata(stores.path("one.pem")).unwrap().modified().unwrap();
    let broker = instance.start();
    let dialer = Dialer::trusting(&stores);
    let before = serial(&dialer.connect(broker.port(), "a").unwrap());
    stores.issue("server", "/CN=localhost", SERVER, 30);
    let text = stores.text("server.key") + stores.text("server.pem").as_str();
    assert!(text.len() <= length, "{length}");
    let mut file = std::fs::OpenOptions::new().write(true).open(stores.path("one.pem")).unwrap();
    file.write_all(format!("{text:length$}").as_bytes()).unwrap();
    file.set_modified(time).unwrap();
    drop(file);
    broker.process.wait_for(RENEWED);
    assert_ne!(serial(&dialer.connect(broker.port(), "b").unwrap()), before);
}

/// Clients come and go while files change all the time; none is turned away.
#[test]
fn under_load() {
    let instance = serving();
    let stores = Stores::existing(&instance);
    let broker = instance.start();
    let port = broker.port();
    let dialer = Dialer::showing(&stores, "client");
    let mut kept = dialer.connect(port, "kept").unwrap();
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut count = 0;
            while !broker.process.lines().iter().any(|line| line.contains(RENEWED)) {
                let mut stream = dialer.dial(port).unwrap();
                stream.write_all(&hello("busy")).unwrap();
                assert_eq!(connack(&mut stream).unwrap(), 0);
                count += 1;
            }
            count
        });
        stores.issue("server", "/CN=localhost", SERVER, 30);
        stores.replace_by_join(&["server.key", "server.pem"], "store");
        broker.process.wait_for_within(RENEWED, PATIENCE + Duration::from_secs(5));
        assert!(load.join().unwrap() > 0);
    });
    assert!(is_alive(&mut kept));
}
