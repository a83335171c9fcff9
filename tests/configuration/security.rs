//! The security managers that bootstrap.xml and login.config name, and what happens when their files change.

use artemis_rs::protocol::mqtt::codec::{Property, QoS, Version};

use crate::support::broker::{Broker, Instance};
use crate::support::mqtt::{Client, Hello};
use crate::support::process::eventually;

const LOGIN: &str = "org.apache.activemq.artemis.spi.core.security.jaas";

/// An instance without guests whose users file has these lines; roles as well.
fn with_files(users: &str, roles: &str) -> Instance {
    let instance = Instance::new();
    instance.write("etc/login.config", &domain("activemq", "artemis-users", "artemis-roles"));
    instance.write("etc/artemis-users.properties", users);
    instance.write("etc/artemis-roles.properties", roles);
    instance
}

/// A domain whose only module asks these two files.
fn domain(name: &str, users: &str, roles: &str) -> String {
    format!(
        "{name} {{ {LOGIN}.PropertiesLoginModule required\n\
         org.apache.activemq.jaas.properties.user=\"{users}.properties\"\n\
         org.apache.activemq.jaas.properties.role=\"{roles}.properties\"; }};\n"
    )
}

fn hello<'a>(client_id: &'a str, user: &'a str, password: &'a str) -> Hello<'a> {
    Hello { credentials: Some((user, password)), ..Hello::new(Version::V5, client_id) }
}

#[track_caller]
fn code(broker: &Broker, number: usize, hello: &Hello<'_>) -> u8 {
    hello.ask(broker.ports[number]).1.connack().code
}

/// Files of `examples/security-script` in place of the shipped ones.
fn with_script_of_the_example() -> Instance {
    let instance = with_files("ann = secret\nbob = hidden\n", "amq = ann,bob\nops = bob\n");
    for file in ["bootstrap.xml", "security.rhai"] {
        let example = format!("{}/examples/security-script/{file}", env!("CARGO_MANIFEST_DIR"));
        instance.write(&format!("etc/{file}"), &std::fs::read_to_string(example).unwrap());
    }
    instance
}

#[test]
fn a_script_rewrites_and_refuses_client_ids() {
    let instance = with_script_of_the_example();
    let broker = instance.start();
    let mut ann = hello("C1", "ann", "secret").connect(broker.port());
    assert_eq!(ann.subscribe("t", QoS::AtLeastOnce), 1);
    let mut bob = hello("c1", "bob", "hidden").connect(broker.port());
    assert_eq!(bob.subscribe("t", QoS::AtLeastOnce), 1);
    broker.wait_for_consumer("ann:c1.t");
    broker.wait_for_consumer("bob:c1.t");
    assert_eq!(code(&broker, 0, &hello("admin", "ann", "secret")), 0x85);
    assert_eq!(code(&broker, 0, &hello("a b", "ann", "secret")), 0x85);
    // Else `a:b` with `c` would be `a` with `b:c`.
    assert_eq!(code(&broker, 0, &hello("b:c", "ann", "secret")), 0x85);
    assert_eq!(code(&broker, 0, &hello("c2", "ann", "hidden")), 0x86);
    for version in [Version::V4, Version::V3] {
        assert_eq!(code(&broker, 0, &Hello { version, ..hello("admin", "ann", "secret") }), 2);
    }
    // The rewritten id is the one that is taken over.
    let _newcomer = hello("c1", "ann", "secret").connect(broker.port());
    assert_eq!(ann.next().disconnect_reason(), 0x8E);
    assert!(bob.is_quiet_for(std::time::Duration::from_millis(200)), "another user's client was taken over");
}

#[test]
fn each_reason_has_its_code() {
    let instance = with_script_of_the_example();
    instance.write("etc/security.rhai", "fn authenticate(request) { request.client_id }\n");
    let broker = instance.start();
    for (word, reason, return_code) in [
        ("bad_credentials", 0x86, 5),
        ("not_authorized", 0x87, 5),
        ("invalid_client_id", 0x85, 2),
        ("banned", 0x8A, 5),
        ("unavailable", 0x88, 3),
        ("no reason at all", 0x87, 5),
    ] {
        assert_eq!(code(&broker, 0, &hello(word, "ann", "secret")), reason, "{word}");
        assert_eq!(
            code(&broker, 0, &Hello { version: Version::V4, ..hello(word, "ann", "secret") }),
            return_code,
            "{word}"
        );
    }
}

#[test]
fn artemis_2_no_cache_skips_the_hook() {
    let instance = with_script_of_the_example();
    let stored = artemis_rs::security::StoredPassword::new(b"secret").unwrap();
    instance.write("etc/artemis-users.properties", &format!("ann = {stored}\n"));
    let broker = instance.start();
    // The password is hashed once, the script is asked each time.
    for _ in 0..3 {
        let mut client = hello("C1", "ann", "secret").connect(broker.port());
        assert_eq!(client.subscribe("t", QoS::AtLeastOnce), 1);
        broker.wait_for_consumer("ann:c1.t");
        assert_eq!(code(&broker, 0, &hello("admin", "ann", "secret")), 0x85);
    }
    instance.write("etc/security.rhai", "fn authenticate(request) { \"banned\" }\n");
    broker.process.wait_for("security.rhai read again");
    assert_eq!(code(&broker, 0, &hello("c1", "ann", "secret")), 0x8A);
}

#[test]
fn an_assigned_client_id_leads_back_to_its_session() {
    let instance = with_script_of_the_example();
    let broker = instance.start();
    let (mut nameless, answer) = hello("", "ann", "secret").kept().ask(broker.port());
    let assigned = answer.connack().properties.iter().find_map(|property| match property {
        Property::AssignedClientId(id) => Some(id.to_owned()),
        _ => None,
    });
    let assigned = assigned.expect("an assigned client id");
    assert_eq!(nameless.subscribe("t", QoS::AtLeastOnce), 1);
    broker.wait_for_consumer(&format!("ann:{assigned}.t"));
    nameless.leave();
    let (_, answer) = Hello { clean: false, ..hello(&assigned, "ann", "secret") }.ask(broker.port());
    assert!(answer.connack().session_present);
}

#[test]
fn a_script_permits_and_forbids() {
    let instance = with_script_of_the_example();
    instance.replace("etc/broker.xml", "<security-setting match=\"#\">", "<security-setting match=\"rooms.#\">");
    let broker = instance.start();
    let mut ann = hello("c1", "ann", "secret").connect(broker.port());
    let mut bob = hello("c1", "bob", "hidden").connect(broker.port());
    for (topic, expected) in [
        ("private/ann/x", [0x10, 0x87]),
        ("private/bob/x", [0x87, 0x10]),
        ("readonly/x", [0x87, 0x87]),
        ("ops/x", [0x87, 0x10]),
        ("rooms/x", [0x10, 0x10]),
        ("elsewhere", [0x87, 0x87]),
    ] {
        assert_eq!([&mut ann, &mut bob].map(|client| client.ask_to_publish(topic, b"", false)), expected, "{topic}");
    }
    assert_eq!(ann.subscribe("private/ann/#", QoS::AtMostOnce), 0);
    assert_eq!(ann.subscribe("private/#", QoS::AtMostOnce), 0x87);
    assert_eq!(ann.subscribe("ops/#", QoS::AtMostOnce), 0x87);
}

#[test]
fn a_changed_script_holds_and_a_wrong_one_does_not() {
    let instance = with_script_of_the_example();
    let broker = instance.start();
    let mut ann = hello("c1", "ann", "secret").connect(broker.port());
    assert_eq!(ann.ask_to_publish("rooms/x", b"", false), 0x10);
    instance.write("etc/security.rhai", "fn authenticate(request) {");
    broker.process.wait_for("what was read before still holds");
    assert_eq!(code(&broker, 0, &hello("admin", "ann", "secret")), 0x85);
    let closed = "fn authenticate(request) { \"banned\" }\nfn authorize(principal, permission, address) { false }\n";
    instance.write("etc/security.rhai", closed);
    broker.process.wait_for("security.rhai read again");
    assert_eq!(code(&broker, 0, &hello("c2", "ann", "secret")), 0x8A);
    assert_eq!(ann.ask_to_publish("rooms/x", b"", false), 0x87);
    instance.write("etc/security.rhai", "fn authenticate(request) { 1 / 0 }\n");
    eventually("an error in the script denies", || code(&broker, 0, &hello("c2", "ann", "secret")) == 0x87);
    broker.process.wait_for("the security script denies");
}

#[test]
fn changed_users_and_roles_hold_for_the_connected_as_well() {
    let instance = with_files("ann = secret\n", "amq = ann\n");
    let broker = instance.start();
    let mut ann = hello("c1", "ann", "secret").connect(broker.port());
    assert_eq!(ann.ask_to_publish("t", b"", false), 0x10);
    instance.write("etc/artemis-roles.properties", "amq = bob\n");
    instance.write("etc/artemis-users.properties", "ann = secret\nbob = hidden\n");
    broker.process.wait_for("read again");
    assert_eq!(ann.ask_to_publish("t", b"", false), 0x87);
    assert_eq!(ann.subscribe("t", QoS::AtMostOnce), 0x87);
    let mut bob = hello("c2", "bob", "hidden").connect(broker.port());
    assert_eq!(bob.ask_to_publish("t", b"", false), 0x10);
    // A mistake changes nothing.
    instance.write("etc/artemis-users.properties", "bob = ENC(1024:00:)\n");
    broker.process.wait_for("what was read before still holds");
    assert_eq!(bob.ask_to_publish("t", b"", false), 0x10);
    assert_eq!(code(&broker, 0, &hello("c3", "ann", "secret")), 0);
    // Who is not there any more may do nothing.
    instance.write("etc/artemis-users.properties", "ann = secret\n");
    eventually("bob is forgotten", || code(&broker, 0, &hello("c4", "bob", "hidden")) == 0x86);
    assert_eq!(bob.ask_to_publish("t", b"", false), 0x87);
}

#[test]
fn the_first_user_counts_and_the_last_that_is_removed_does_not() {
    let instance = Instance::new();
    instance.replace("etc/broker.xml", "roles=\"amq\"", "roles=\"few\"");
    let broker = instance.start();
    let may = |number: usize| {
        let mut client = hello(&format!("c{number}"), "ann", "secret").connect(broker.port());
        client.ask_to_publish("t", b"", false) == 0x10
    };
    // Whoever is no user is a guest, who may do nothing here.
    assert!(!may(1));
    instance.write("etc/artemis-roles.properties", "few = ann\n");
    instance.write("etc/artemis-users.properties", "ann = secret\n");
    eventually("ann is known", || may(2));
    instance.write("etc/artemis-users.properties", "# nobody\n");
    broker.process.wait_for("has no user: nobody is let in by it");
    eventually("ann is forgotten", || !may(3));
}

#[test]
fn an_acceptor_may_have_a_domain_of_its_own() {
    let instance = Instance::with_acceptors(&["", "securityDomain=guests", "securityDomain=others"]);
    let guests =
        format!("guests {{ {LOGIN}.GuestLoginModule required\n org.apache.activemq.jaas.guest.role=amq; }};\n");
    let domains = [domain("activemq", "artemis-users", "artemis-roles"), domain("others", "u", "r"), guests].concat();
    instance.write("etc/login.config", &domains);
    instance.write("etc/artemis-users.properties", "ann = secret\n");
    instance.write("etc/artemis-roles.properties", "amq = ann\n");
    instance.write("etc/u.properties", "bob = hidden\n");
    instance.write("etc/r.properties", "");
    let broker = instance.start();
    let (ann, bob) = (hello("c1", "ann", "secret"), hello("c2", "bob", "hidden"));
    for (number, expected) in [(0, [0, 0x86, 0x86]), (1, [0, 0, 0]), (2, [0x86, 0, 0x86])] {
        let nobody = Hello::new(Version::V5, "c3");
        assert_eq!([&ann, &bob, &nobody].map(|hello| code(&broker, number, hello)), expected, "{number}");
    }
    let mut bob: Client = bob.connect(broker.ports[2]);
    assert_eq!(bob.ask_to_publish("t", b"", false), 0x87);
}

#[test]
fn the_users_of_the_basic_manager_log_in() {
    let instance = with_files("ann = secret\n", "amq = ann\n");
    let class = "org.apache.activemq.artemis.spi.core.security.ActiveMQBasicSecurityManager";
    let jaas = "<jaas-security domain=\"activemq\"/>";
    let basic = format!(
        "<security-manager class-name=\"{class}\">\
         <property key=\"bootstrapUserFile\" value=\"artemis-users.properties\"/>\
         <property key=\"bootstrapRoleFile\" value=\"artemis-roles.properties\"/></security-manager>"
    );
    instance.replace("etc/bootstrap.xml", jaas, &basic);
    let broker = instance.start();
    assert_eq!(code(&broker, 0, &hello("c1", "ann", "secret")), 0);
    assert_eq!(code(&broker, 0, &Hello::new(Version::V5, "c1")), 0x86);
}

#[test]
fn the_one_user_of_the_basic_manager_logs_in() {
    let instance = with_files("ann = secret\n", "amq = ann\n");
    let class = "org.apache.activemq.artemis.spi.core.security.ActiveMQBasicSecurityManager";
    let password = artemis_rs::security::HashedPassword::new(b"pw").unwrap().to_string();
    let basic = format!(
        "<security-manager class-name=\"{class}\"><property key=\"bootstrapUser\" value=\"bob\"/>\
         <property key=\"bootstrapPassword\" value=\"{password}\"/>\
         <property key=\"bootstrapRole\" value=\"amq\"/></security-manager>"
    );
    instance.replace("etc/bootstrap.xml", "<jaas-security domain=\"activemq\"/>", &basic);
    let output = instance.command(&["user", "list"]).output().unwrap();
    assert!(!output.status.success() && String::from_utf8(output.stderr).unwrap().contains("bootstrapUserFile"));
    let broker = instance.start();
    assert_eq!(hello("c1", "bob", "pw").connect(broker.port()).subscribe("t", QoS::AtLeastOnce), 1);
    for (user, wrong) in [("bob", "secret"), ("ann", "secret"), ("bob", &password)] {
        assert_eq!(code(&broker, 0, &hello("c1", user, wrong)), 0x86, "{user}");
    }
    assert_eq!(code(&broker, 0, &Hello::new(Version::V5, "c1")), 0x86);
}

#[test]
fn a_password_of_artemis_and_a_new_one_are_right() {
    let enc = artemis_rs::security::HashedPassword::new(b"old").unwrap().to_string();
    let phc = artemis_rs::security::StoredPassword::new(b"new").unwrap().to_string();
    let instance = with_files(&format!("ann = {enc}\nbob = {phc}\neve = plain\n"), "amq = ann,bob,eve\n");
    let broker = instance.start();
    for (user, password) in [("ann", "old"), ("bob", "new"), ("eve", "plain")] {
        for _ in 0..2 {
            assert_eq!(code(&broker, 0, &hello("c", user, password)), 0, "{user}");
        }
        for wrong in ["", "old ", "wrong", &enc, &phc] {
            assert_eq!(code(&broker, 0, &hello("c", user, wrong)), 0x86, "{user} {wrong}");
        }
    }
}
