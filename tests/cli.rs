//! The command line as its users have it.
#![expect(clippy::unwrap_used, reason = "a failed test is told by its panic")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use artemis_rs::broker::{Files, Instance};
use artemis_rs::engine::{AddressReport, QueueReport};
use artemis_rs::management::control::{Answer, Question, socket_path};
use artemis_rs::security::StoredPassword;

/// A directory that goes away with this.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("artemis-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.file(path)).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.file(path)).unwrap().permissions().mode() & 0o777
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn command(directory: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_artemis-rs"));
    command.args(arguments.split_whitespace()).current_dir(directory).env_remove("ARTEMIS_INSTANCE");
    command.stdin(Stdio::null());
    command
}

/// Exit code, standard output and standard error.
fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn call(directory: &Directory, arguments: &str) -> (i32, String, String) {
    outcome(&command(&directory.0, arguments).output().unwrap())
}

fn call_with_input(directory: &Directory, arguments: &str, input: &str) -> (i32, String, String) {
    let mut command = command(&directory.0, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    outcome(&child.wait_with_output().unwrap())
}

#[track_caller]
fn succeed(directory: &Directory, arguments: &str) -> String {
    let (code, out, err) = call(directory, arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{arguments}: {out}");
    out
}

/// The value of `key` in a properties file.
fn value_of(text: &str, key: &str) -> String {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = ")).unwrap_or_default();
    value.to_owned()
}

fn is_hash_of(value: &str, password: &str) -> bool {
    value.starts_with("$argon2id$") && StoredPassword::parse(value).unwrap().unwrap().verify(password.as_bytes())
}

#[test]
fn create_makes_an_instance_that_loads() {
    let directory = Directory::new();
    let out = succeed(&directory, "create broker --user admin --password secret --port-offset 7");
    let config = Files::load(&Instance::new(directory.file("broker"))).unwrap().config;
    assert_eq!(config.warnings, []);
    assert_eq!(config.acceptors.iter().map(|acceptor| acceptor.port).collect::<Vec<_>>(), [61623, 1890]);
    assert!(succeed(&directory, "check --instance broker").contains("can be loaded"));
    assert!(out.contains(" run --instance ") && out.contains(" queue stat --instance "), "{out}");
    assert!(!out.contains("secret"), "{out}");
}

#[test]
fn create_keeps_secrets_to_the_owner() {
    let directory = Directory::new();
    succeed(&directory, "create broker --user admin --password secret");
    let users = directory.text("broker/etc/artemis-users.properties");
    assert!(!users.contains("secret"));
    assert!(is_hash_of(&value_of(&users, "admin"), "secret"));
    assert_eq!(value_of(&directory.text("broker/etc/artemis-roles.properties"), "amq"), "admin");
    assert!(!directory.text("broker/etc/login.config").contains("GuestLoginModule"));
    let modes = ["etc/artemis-users.properties", "etc/artemis-roles.properties", "data"];
    assert_eq!(modes.map(|path| directory.mode(&format!("broker/{path}"))), [0o600, 0o600, 0o700]);
    assert!(directory.file("broker/log").is_dir());
}

#[test]
fn create_writes_over_nothing_unless_forced() {
    let directory = Directory::new();
    assert_eq!(succeed(&directory, "create . --silent"), "");
    fs::write(directory.file("etc/mine"), "").unwrap();
    let mode = fs::Permissions::from_mode(0o644);
    fs::set_permissions(directory.file("etc/artemis-users.properties"), mode).unwrap();
    let (code, out, err) = call(&directory, "create . --user admin --password secret");
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("--force"), "{err}");
    assert_eq!(value_of(&directory.text("etc/artemis-users.properties"), "admin"), "");
    succeed(&directory, "create . --user admin --password secret --force");
    assert!(is_hash_of(&value_of(&directory.text("etc/artemis-users.properties"), "admin"), "secret"));
    assert_eq!(directory.mode("etc/artemis-users.properties"), 0o600);
    assert!(directory.file("etc/mine").exists());
}

#[test]
fn create_takes_another_data_directory() {
    let directory = Directory::new();
    let data = directory.file("elsewhere/data");
    succeed(&directory, &format!("create broker --data {} --disable-persistence", data.display()));
    let config = Files::load(&Instance::new(directory.file("broker"))).unwrap().config;
    assert_eq!(config.journal_directory, data.join("journal"));
    assert!(!config.persistence_enabled && data.is_dir() && !directory.file("broker/data").exists());
}

#[test]
fn create_writes_nothing_that_does_not_load() {
    let directory = Directory::new();
    let (code, _, err) = call(&directory, "create broker --host 1.2.3.4?a=b:c/ --name \u{1}");
    assert_eq!(code, 2, "{err}");
    assert!(!directory.file("broker").exists());
}

#[test]
fn wrong_arguments_end_with_2() {
    let directory = Directory::new();
    for arguments in [
        "",
        "create",
        "create d --nonsense",
        "create d --allow-anonymous --require-login",
        "create d --user admin",
        "create d --password secret",
        "create d --port-offset 65535",
        "nonsense",
        "queue",
        "queue stat --maxRows x",
    ] {
        assert_eq!(call(&directory, arguments).0, 2, "{arguments}");
    }
    assert!(!directory.file("d").exists());
}

#[test]
fn without_an_instance_there_is_a_way_to_one() {
    let directory = Directory::new();
    for arguments in ["run", "run --instance nowhere", "check", "address show", "queue stat", "user add u"] {
        let (code, out, err) = call(&directory, arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments}");
        assert!(err.contains("etc/broker.xml") && err.contains(" create "), "{arguments}: {err}");
    }
}

#[test]
fn without_a_broker_there_is_a_way_to_it() {
    let directory = Directory::new();
    succeed(&directory, "create .");
    for arguments in ["address show", "queue stat --json"] {
        let (code, out, err) = call(&directory, arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments}");
        assert!(err.contains("no broker is running") && err.contains(" run --instance "), "{arguments}: {err}");
    }
}

#[test]
fn configuration_errors_end_with_2_and_name_their_lines() {
    let directory = Directory::new();
    succeed(&directory, "create .");
    let broken = directory
        .text("etc/broker.xml")
        .replace("<mqtt-session-scan-interval>5000<", "<mqtt-session-scan-interval>soon<");
    fs::write(directory.file("etc/broker.xml"), broken).unwrap();
    for arguments in ["run", "check"] {
        let (code, _, err) = call(&directory, arguments);
        assert_eq!(code, 2, "{arguments}: {err}");
        assert!(err.contains("broker.xml:") && err.contains("mqtt-session-scan-interval"), "{arguments}: {err}");
    }
}

#[test]
fn check_names_what_has_no_effect() {
    let directory = Directory::new();
    succeed(&directory, "create .");
    let odd = directory.text("etc/broker.xml").replace("<name>", "<nmae>x</nmae><name>");
    fs::write(directory.file("etc/broker.xml"), odd).unwrap();
    assert!(succeed(&directory, "check").starts_with("warning: broker.xml:"));
}

#[test]
fn a_user_is_added_beside_others() {
    let directory = Directory::new();
    succeed(&directory, "create . --user admin --password secret");
    succeed(&directory, "user add one --password 1");
    let (code, ..) = call_with_input(&directory, "user add two --role amq,guests", "2 2\n");
    assert_eq!(code, 0);
    let users = directory.text("etc/artemis-users.properties");
    for (name, password) in [("admin", "secret"), ("one", "1"), ("two", "2 2")] {
        assert!(is_hash_of(&value_of(&users, name), password), "{name}");
    }
    let roles = directory.text("etc/artemis-roles.properties");
    assert_eq!((value_of(&roles, "amq"), value_of(&roles, "guests")), ("admin,one,two".into(), "two".into()));
    assert_eq!(directory.mode("etc/artemis-users.properties"), 0o600);
    let (code, _, err) = call(&directory, "user add one --password 3");
    assert!(code == 1 && err.contains("already"), "{err}");
}

#[test]
fn mask_prints_a_hash() {
    let directory = Directory::new();
    assert!(is_hash_of(succeed(&directory, "mask --hash secret").trim(), "secret"));
    let (code, out, _) = call_with_input(&directory, "mask --hash", "from a pipe\n");
    assert!(code == 0 && is_hash_of(out.trim(), "from a pipe"), "{out}");
}

#[test]
fn mask_prints_what_artemis_reads() {
    let directory = Directory::new();
    assert_eq!(succeed(&directory, "mask password"), "ENC(3a34fd21b82bf2a822fa49a8d8fa115d)\n");
    assert_eq!(succeed(&directory, "mask --key my-own-key secret"), "ENC(3c9784a1e40308df)\n");
    let mut keyed = command(&directory.0, "mask secret");
    keyed.env("ARTEMIS_DEFAULT_SENSITIVE_STRING_CODEC_KEY", "my-own-key");
    assert_eq!(outcome(&keyed.output().unwrap()).1, "ENC(3c9784a1e40308df)\n");
    let (code, _, err) = call(&directory, "mask --key abc secret");
    assert!(code == 2 && err.contains("4 to 56 bytes"), "{err}");
}

#[test]
fn users_are_listed_changed_and_removed() {
    let directory = Directory::new();
    succeed(&directory, "create . --user admin --password secret");
    succeed(&directory, "user add ann --password 1 --role amq,view");
    let list = succeed(&directory, "user list");
    assert_eq!(list, "--- \"user\"(roles) ---\n\n\"admin\"(amq)\n\"ann\"(amq,view)\n\n Total: 2\n");
    succeed(&directory, "user reset --user-command-user ann --user-command-password 2 --role few");
    assert!(is_hash_of(&value_of(&directory.text("etc/artemis-users.properties"), "ann"), "2"));
    assert!(succeed(&directory, "user list --user ann").contains("\"ann\"(few)\n\n Total: 1\n"));
    succeed(&directory, "user reset ann --password a:b=c --plaintext");
    assert_eq!(value_of(&directory.text("etc/artemis-users.properties"), "ann"), "a:b=c");
    assert_eq!(call(&directory, "user reset ann --password ENC(1:2) --plaintext").0, 1);
    succeed(&directory, "user rm ann");
    assert!(!succeed(&directory, "user list").contains("ann"));
    for arguments in ["user rm ann", "user reset ann --password 3"] {
        let (code, _, err) = call(&directory, arguments);
        assert!(code == 1 && err.contains("there is no user ann"), "{err}");
    }
    assert_eq!(directory.mode("etc/artemis-users.properties"), 0o600);
}

#[test]
fn users_are_in_the_files_that_login_config_names() {
    let directory = Directory::new();
    succeed(&directory, "create . --user admin --password secret");
    let login = directory.text("etc/login.config").replace("artemis-users.properties", "others.properties");
    fs::write(directory.file("etc/login.config"), login).unwrap();
    fs::write(directory.file("etc/others.properties"), "").unwrap();
    succeed(&directory, "user add ann --password 1");
    assert!(is_hash_of(&value_of(&directory.text("etc/others.properties"), "ann"), "1"));
}

#[test]
fn version_is_that_of_the_package() {
    let expected = concat!("artemis-rs ", env!("CARGO_PKG_VERSION"), "\n");
    for arguments in ["version", "--version"] {
        assert_eq!(succeed(&Directory::new(), arguments), expected);
    }
}

/// Answers one question at the socket of the instance in `directory`, as a broker would.
fn answer_once(directory: &Directory, answer: impl FnOnce(Question) -> Answer + Send + 'static) {
    let listener = UnixListener::bind(socket_path(&directory.file("data"))).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        let mut text = serde_json::to_string(&answer(serde_json::from_str(&line).unwrap())).unwrap();
        text.push('\n');
        stream.write_all(text.as_bytes()).unwrap();
    });
}

fn queue(name: &str) -> QueueReport {
    QueueReport {
        name: name.into(),
        address: "a.b".into(),
        routing_type: "MULTICAST".into(),
        durable: true,
        consumer_count: 1,
        message_count: 2,
        messages_added: 3,
        delivering_count: 4,
        messages_acked: 5,
    }
}

#[test]
fn queue_stat_shows_what_the_broker_answers() {
    let directory = Directory::new();
    succeed(&directory, "create .");
    answer_once(&directory, |question| {
        assert_eq!(question, Question::Queues);
        Answer::Queues(vec![queue("one.a.b"), queue("two.a.b"), queue("twofold.a.b")])
    });
    let out = succeed(&directory, "queue stat --queueName two --maxRows 1");
    let words: Vec<_> = out.lines().nth(1).unwrap().split('|').map(str::trim).collect();
    assert_eq!(words, ["", "two.a.b", "a.b", "1", "2", "3", "4", "5", "0", "MULTICAST", ""]);
    assert!(
        out.starts_with("|NAME ") && out.ends_with("displayed queues are 1/2, set maxRows to display more queues.\n")
    );
}

#[test]
fn address_show_lists_names_or_all_there_is() {
    let directory = Directory::new();
    succeed(&directory, "create .");
    for (arguments, expected) in [
        ("address show", "DLQ\n"),
        ("address show --bindings", "Address [name=DLQ, routingTypes={ANYCAST}, bindings={DLQ}]\n"),
    ] {
        answer_once(&directory, |question| {
            assert_eq!(question, Question::Addresses);
            let (name, kind) = ("DLQ".to_owned(), "ANYCAST".to_owned());
            Answer::Addresses(vec![AddressReport {
                name: name.clone(),
                routing_types: vec![kind],
                bindings: vec![name],
            }])
        });
        assert_eq!(succeed(&directory, arguments), expected);
        fs::remove_file(socket_path(&directory.file("data"))).unwrap();
    }
}

#[test]
fn an_answer_of_another_kind_is_a_failure() {
    let directory = Directory::new();
    succeed(&directory, "create .");
    answer_once(&directory, |_| Answer::Unknown("what?".into()));
    let (code, _, err) = call(&directory, "address show");
    assert!(code == 1 && err.contains("what?"), "{err}");
}
