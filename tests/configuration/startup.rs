//! What a broker needs to start, and how careful it is then.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use artemis_rs::protocol::mqtt::codec::Version;

use crate::support::broker::{Broker, Instance};
use crate::support::mqtt::Hello;
use crate::support::process::{self, Finished};

const LOGIN: &str = "org.apache.activemq.artemis.spi.core.security.jaas";

fn run(instance: &Instance, arguments: &[&str]) -> Finished {
    process::start(&mut instance.command(arguments), "the broker").finish()
}

/// The broker refuses to start, with exit code 2 and this in its last words; `check` finds it as well.
#[track_caller]
pub fn refuses(instance: &Instance, expected: &str) {
    for arguments in ["run", "check"] {
        let finished = run(instance, &[arguments]);
        assert_eq!(finished.status.code(), Some(2), "{arguments}: {}", finished.text);
        assert!(finished.text.contains(expected), "{arguments}: {}", finished.text);
    }
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    for module in ["LDAPLoginModule", "Krb5LoginModule", "SCRAMPropertiesLoginModule", "KubernetesLoginModule"] {
        let instance = Instance::new();
        instance.write("etc/login.config", &format!("activemq {{ {LOGIN}.{module} required; }};\n"));
        refuses(&instance, &format!("the login module {LOGIN}.{module} is not supported"));
    }
    let instance = Instance::new();
    let own = "<security-manager class-name=\"com.acme.Mine\"/>";
    instance.replace("etc/bootstrap.xml", "<jaas-security domain=\"activemq\"/>", own);
    refuses(&instance, "the security manager \"com.acme.Mine\" is not supported");
    let instance = Instance::with_core("<password-codec>com.acme.Codec</password-codec>");
    refuses(&instance, "the codec \"com.acme.Codec\" is not supported");
    let instance = Instance::with_core("<mask-password>true</mask-password>");
    refuses(&instance, "write each masked password as ENC(...)");
}

#[test]
fn a_mistake_never_opens_the_door() {
    let required = |users: &str| {
        format!(
            "activemq {{ {LOGIN}.PropertiesLoginModule required org.apache.activemq.jaas.properties.user=\"{users}\"\n\
             org.apache.activemq.jaas.properties.role=\"artemis-roles.properties\"; }};\n"
        )
    };
    let with = |file: &str, text: &str| {
        let instance = Instance::new();
        instance.write(file, text);
        instance
    };
    refuses(&with("etc/login.config", ""), "there is no domain \"activemq\"");
    refuses(&with("etc/login.config", "activemq { };"), "the domain \"activemq\" has no module");
    refuses(&with("etc/bootstrap.xml", "<broker/>"), "expected one <jaas-security> or <security-manager>");
    refuses(&with("etc/bootstrap.xml", ""), "bootstrap.xml");
    refuses(&with("etc/login.config", &required("artemis-users.properties")), "no users are defined");
    refuses(&with("etc/login.config", &required("nowhere.properties")), "nowhere.properties: No such file");
    let twice = with("etc/artemis-users.properties", "ann = 1\nann = 2\n");
    refuses(&twice, "user 'ann' is defined twice");
    let other = Instance::new();
    other.replace("etc/broker.xml", ":0?protocols=MQTT<", ":0?protocols=MQTT;securityDomain=nowhere<");
    refuses(&other, "there is no domain \"nowhere\"");
    let basic = Instance::new();
    let named = "<security-manager \
        class-name=\"org.apache.activemq.artemis.spi.core.security.ActiveMQBasicSecurityManager\">\
        <property key=\"bootstrapUser\" value=\"a\"/><property key=\"bootstrapPassword\" value=\"b\"/>\
        <property key=\"bootstrapRole\" value=\"amq\"/></security-manager>";
    basic.replace("etc/bootstrap.xml", "<jaas-security domain=\"activemq\"/>", named);
    basic.replace("etc/broker.xml", ":0?protocols=MQTT<", ":0?protocols=MQTT;securityDomain=activemq<");
    refuses(&basic, "has a securityDomain, which is one of login.config");
    let script = Instance::new();
    let named = "<security-manager class-name=\"script\"><property key=\"file\" value=\"s.rhai\"/></security-manager>";
    script.replace("etc/bootstrap.xml", "<jaas-security domain=\"activemq\"/>", named);
    script.write("etc/s.rhai", "fn authenticate(request) {");
    refuses(&script, "s.rhai");
}

#[test]
fn values_come_from_the_command_and_the_environment() {
    let instance = Instance::new();
    instance.replace("etc/broker.xml", "<name>localhost<", "<name>${broker.name:nobody}-${BROKER_PLACE:nowhere}<");
    let says = |arguments: &[&str], place: Option<&str>, expected: &str| {
        let mut command = instance.command(arguments);
        if let Some(place) = place {
            command.env("BROKER_PLACE", place);
        }
        let broker = Broker::active(process::start(&mut command, "the broker"), &instance.path(""));
        broker.process.wait_for(&format!("Message broker {expected} is starting"));
        broker.stop().success();
    };
    says(&["run"], None, "nobody-nowhere");
    says(&["run", "-Dbroker.name=one"], Some("here"), "one-here");
    says(&["run", "-D", "broker.name=two", "-DBROKER_PLACE=there"], Some("here"), "two-there");
    assert_eq!(run(&instance, &["run", "-Dnothing"]).status.code(), Some(2));
    says(&["run", "-Dbrokerconfig.name=three"], None, "nobody-nowhere");
}

#[test]
fn an_instance_of_artemis_that_was_moved_starts() {
    let instance = Instance::new();
    let bootstrap = "<broker xmlns=\"http://activemq.apache.org/schema\">\n<jaas-security domain=\"activemq\"/>\n\
                     <server configuration=\"file:/nowhere/etc//broker.xml\"/>\n\
                     <web path=\"web\"><binding uri=\"http://localhost:8161\"/></web></broker>";
    instance.write("etc/bootstrap.xml", bootstrap);
    let broker = instance.start();
    broker.process.wait_for("bootstrap.xml:3: <server>: /nowhere/etc//broker.xml is not there: ");
    broker.process.wait_for("bootstrap.xml:4: <web>: <web> has no effect");
    broker.stop().success();
    fs::rename(instance.path("etc/broker.xml"), instance.path("etc/other.xml")).unwrap();
    instance.replace("etc/bootstrap.xml", "/nowhere/etc//broker.xml", "${artemis.instance}/etc//other.xml");
    instance.start().stop().success();
}

#[test]
fn a_journal_of_artemis_is_named_and_left_alone() {
    let instance = Instance::new();
    fs::create_dir_all(instance.path("data/journal")).unwrap();
    instance.write("data/journal/activemq-data-1.amq", "x");
    let text = instance.start().stop().success();
    assert!(text.contains(" WARN ") && text.contains("data/journal has a journal of Artemis"), "{text}");
    assert_eq!(instance.read("data/journal/activemq-data-1.amq"), "x");
}

#[test]
fn the_files_of_an_instance_may_be_elsewhere() {
    let instance = Instance::new();
    fs::rename(instance.path("etc"), instance.path("elsewhere")).unwrap();
    let refused = run(&instance, &["run"]);
    assert!(refused.status.code() == Some(1) && refused.text.contains("--etc DIR"), "{}", refused.text);
    let start = |command: &mut Command| Broker::active(process::start(command, "the broker"), &instance.path(""));
    start(&mut instance.command(&["run", "--etc", "elsewhere"])).stop().success();
    start(instance.command(&["run"]).env("ARTEMIS_INSTANCE_ETC", instance.path("elsewhere"))).stop().success();
}

#[test]
fn a_file_in_another_encoding_is_named() {
    for (file, what) in [("etc/broker.xml", "broker.xml"), ("etc/bootstrap.xml", "bootstrap.xml")] {
        let instance = Instance::new();
        let latin = [b"<!-- plain -->\n<!-- \xe9 -->\n", instance.read(file).as_bytes()].concat();
        fs::write(instance.path(file), latin).unwrap();
        refuses(&instance, &format!("{what}: line 2 is not UTF-8: save the file as UTF-8"));
    }
}

#[test]
fn masked_values_are_read() {
    let named = |value: &str, more: &str| {
        let instance = Instance::with_core(more);
        instance.replace("etc/broker.xml", "<name>localhost<", &format!("<name>{value}<"));
        instance
    };
    let broker = named("ENC(80cf731af62c290)", "").start();
    broker.process.wait_for("Message broker guest is starting");
    let codec =
        "<password-codec>org.apache.activemq.artemis.utils.DefaultSensitiveStringCodec;key=my-own-key</password-codec>";
    let broker = named("ENC(3c9784a1e40308df)", codec).start();
    broker.process.wait_for("Message broker secret is starting");
    refuses(&named("ENC(3c9784a1e40308df)", ""), "ENC(...) cannot be read; is it masked with another key?");
}

#[test]
fn passwords_are_never_shown() {
    let secret = "hunter2";
    for parameters in [
        format!("keyStorePassword=a;{secret}"),
        format!("keyStorePassword=%zz{secret}"),
        format!("keyStorePasword={secret}"),
        format!("trustStorePassword={secret};needClientAuth={secret}"),
    ] {
        let instance = Instance::with_acceptor(&parameters);
        let text = run(&instance, &["check"]).text;
        assert!(!text.contains(secret), "{parameters}: {text}");
    }
    let instance = Instance::with_core(&format!("<cluster-password>{secret}</cluster-password>"));
    instance.write("etc/artemis-users.properties", &format!("ann = {secret}\n"));
    instance.replace("etc/log4j2.properties", "#logger", "logger");
    let broker = instance.start();
    let hello = |password| Hello { credentials: Some(("ann", password)), ..Hello::new(Version::V5, "c") };
    hello(secret).connect(broker.port()).leave();
    assert_eq!(hello("hunter22").ask(broker.port()).1.connack().code, 0);
    let text = broker.stop().success();
    assert!(text.contains("CONNECT") && !text.contains(secret), "{text}");
    assert!(!instance.read("log/artemis.log").contains(secret));
}

#[test]
fn acceptors_that_others_reach_are_warned_of() {
    let instance = Instance::new();
    instance.replace("etc/broker.xml", "tcp://127.0.0.1:0", "tcp://0.0.0.0:0");
    let broker = instance.start();
    broker.process.wait_for("acceptor mqtt at 0.0.0.0:0 lets in everybody who can reach it");
    broker.process.wait_for("acceptor mqtt at 0.0.0.0:0 is not encrypted");
    broker.stop().success();
    let login = instance.read("etc/login.config");
    let guest = login.find("   // Everybody else").expect("the shipped file has guests");
    instance.write("etc/login.config", &format!("{}}};\n", &login[..guest]));
    instance.write("etc/artemis-users.properties", "ann = secret\n");
    let text = instance.start().stop().success();
    assert!(text.contains("is not encrypted") && !text.contains("lets in everybody"), "{text}");
    instance.replace("etc/broker.xml", "tcp://0.0.0.0:0", "tcp://127.0.0.1:0");
    let text = instance.start().stop().success();
    assert!(!text.contains("is not encrypted"), "{text}");
}

/// Every file below a directory.
fn files_below(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { [vec![path.clone()], files_below(&path)].concat() } else { vec![path] })
        .collect()
}

#[test]
fn data_is_the_owners_alone() {
    let instance = Instance::new();
    instance.start().stop().success();
    let data = instance.path("data");
    for path in [vec![data.clone()], files_below(&data)].concat() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", path.display());
    }
}

#[test]
fn root_becomes_somebody_else() {
    let instance = Instance::new();
    let own = fs::metadata(instance.path("etc")).unwrap().uid();
    if own != 0 {
        let finished = run(&instance, &["run", "--user", "root"]);
        assert!(finished.status.code() == Some(2) && finished.text.contains("only root can"), "{}", finished.text);
        return;
    }
    let finished = run(&instance, &["run", "--user", "no-such-account"]);
    assert!(
        finished.status.code() == Some(2) && finished.text.contains("there is no such account"),
        "{}",
        finished.text
    );
    let mut command = instance.command(&["run", "--user", "nobody"]);
    let broker = Broker::active(process::start(&mut command, "the broker"), &instance.path(""));
    let status = fs::read_to_string(format!("/proc/{}/status", broker.process.id())).unwrap();
    let ids = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    assert!(!ids("Uid:").split_whitespace().any(|id| id == "0"), "{status}");
    assert!(!ids("Gid:").split_whitespace().any(|id| id == "0"), "{status}");
    assert!(!ids("Groups:").split_whitespace().any(|id| id == "0"), "{status}");
    let mut client = Hello::new(Version::V5, "c").kept().connect(broker.port());
    client.publish("t", b"kept", true);
    broker.stop().success();
    assert!(files_below(&instance.path("data")).iter().all(|path| fs::metadata(path).unwrap().uid() != 0));
}
