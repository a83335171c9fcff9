use super::*;
use crate::core::settings::AddressFullPolicy;

fn core(body: &str) -> Result<Config, Vec<String>> {
    let text = format!("<configuration>\n<core>\n{body}\n</core>\n</configuration>\n");
    let lookup = |name: &str| (name == "data.dir").then(|| "/var/data".to_owned());
    load("broker.xml", &text, &lookup).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn messages(config: &Config) -> Vec<String> {
    config.warnings.iter().map(ToString::to_string).collect()
}

fn acceptor(uri: &str) -> Result<Config, Vec<String>> {
    core(&format!("<acceptors>\n<acceptor name='x'>{}</acceptor></acceptors>", uri.replace('&', "&amp;")))
}

#[test]
fn an_empty_core_is_the_defaults() {
    assert_eq!(core(""), Ok(Config::default()));
}

#[test]
fn what_artemis_generates_loads() {
    let config = load("broker.xml", include_str!("tests/generated.xml"), &|_| None).unwrap();
    let opened: Vec<_> = config.acceptors.iter().map(|a| (a.name.as_str(), a.host.as_str(), a.port, a.line)).collect();
    assert_eq!(opened, [("artemis", "0.0.0.0", 61616, 34), ("mqtt", "0.0.0.0", 1883, 38)]);
    assert!(config.acceptors.iter().all(|a| a.tcp_send_buffer == Some(1 << 20) && a.mqtt == Mqtt::default()));
    let warnings = messages(&config).join("\n");
    for expected in [
        "broker.xml:35: <core><acceptors><acceptor>: acceptor amqp is not opened: of its protocols (AMQP) none is supported yet",
        "acceptor stomp is not opened",
        "acceptor hornetq is not opened: of its protocols (HORNETQ,STOMP) none",
        "broker.xml:34: <core><acceptors><acceptor>: acceptor artemis: the protocols CORE, AMQP, STOMP, HORNETQ, OPENWIRE are not supported yet",
        "broker.xml:38: <core><acceptors><acceptor>: acceptor mqtt: useEpoll has no effect",
        "broker.xml:12: <core><journal-type>: <journal-type> has no effect",
        "page-size-bytes for \"#\" has no effect",
    ] {
        assert!(warnings.contains(expected), "{expected} in {warnings}");
    }
    assert!(!warnings.contains("unknown"), "{warnings}");
    let settings = config.address_settings.resolve("activemq.management.x");
    assert_eq!(settings.page_size_bytes, Some(10 << 20));
    assert_eq!(settings.address_full_policy, Some(AddressFullPolicy::Page));
    let security = |address| config.security_settings.most_specific(address).unwrap();
    assert_eq!(security("a").roles(PermissionType::Send), ["amq"]);
    assert!(security("a").roles(PermissionType::Manage).is_empty());
    assert!(security("activemq.management.a").roles(PermissionType::Browse).is_empty());
    assert_eq!(config.addresses.len(), 2);
    assert_eq!(config.addresses[0].anycast.as_ref().map(Vec::len), Some(1));
    assert_eq!(config.addresses[0].multicast, None);
}

#[test]
fn errors_name_file_line_element_and_value() {
    for (body, expected) in [
        (
            "\n<journal-sync-transactional>yes-please</journal-sync-transactional>",
            "broker.xml:4: <core><journal-sync-transactional>: expected true or false, found \"yes-please\"",
        ),
        ("<global-max-size>10Q</global-max-size>", "<core><global-max-size>: expected a size such as"),
        (
            "<mqtt-session-scan-interval>0</mqtt-session-scan-interval>",
            "expected a whole number of 1 or more, found \"0\"",
        ),
        ("<journal-directory>${nothing}</journal-directory>", "expected a directory, found nothing"),
        ("<name>a</name>\n<name>b</name>", "broker.xml:4: <core><name>: is given twice, first in line 3"),
        (
            "<wildcard-addresses><delimiter>::</delimiter></wildcard-addresses>",
            "expected one printable ASCII character",
        ),
        ("<wildcard-addresses><delimiter>#</delimiter></wildcard-addresses>", "must differ from each other"),
        (
            "<address-settings><address-setting match='#'><max-size-bytes>x</max-size-bytes></address-setting></address-settings>",
            "<core><address-settings><address-setting><max-size-bytes>: expected a size",
        ),
        (
            "<address-settings><address-setting match='#'><address-full-policy>page</address-full-policy></address-setting></address-settings>",
            "expected PAGE or DROP or FAIL or BLOCK, found \"page\"",
        ),
        ("<address-settings><address-setting/></address-settings>", "expected an attribute match"),
        (
            "<security-settings><security-setting match='#'><permission type='sent' roles='a'/></security-setting></security-settings>",
            "unknown permission type \"sent\" (did you mean send?)",
        ),
        // To leave it out would open what it closes.
        (
            "<security-settings><security-seting match='a.secret'/></security-settings>",
            "unknown element \"security-seting\" (did you mean security-setting?)",
        ),
        (
            "<security-settings><security-setting match='#'><permision type='send' roles='a'/></security-setting></security-settings>",
            "unknown element \"permision\" (did you mean permission?)",
        ),
        (
            "<security-settings><security-setting match='#'><permission type='send' roles='a' role='b'/></security-setting></security-settings>",
            "unknown attribute \"role\" (did you mean roles?)",
        ),
        ("<security-settings><role-mapping from='a' to='b' two='c'/></security-settings>", "unknown attribute \"two\""),
        (
            "<security-settings><security-setting-plugin class-name='x'/></security-settings>",
            "the plugin is not supported",
        ),
    ] {
        let errors = core(body).unwrap_err();
        assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:?}");
    }
}

#[test]
fn all_errors_are_reported() {
    let errors = core(
        "<persistence-enabled>1</persistence-enabled>\n<security-enabled>no</security-enabled>\n<acceptors><acceptor>tcp://h:1?receiveMaximum=0;maximumPacketSize=0</acceptor></acceptors>",
    );
    let errors = errors.unwrap_err();
    let lines: Vec<_> = errors.iter().map(|error| &error[..12]).collect();
    assert_eq!(lines, ["broker.xml:3", "broker.xml:4", "broker.xml:5", "broker.xml:5"]);
}

#[test]
fn the_root_is_checked() {
    for (text, expected) in [
        ("<broker/>", "broker.xml:1: expected <configuration> as the root element, found <broker>"),
        ("<configuration/>", "broker.xml:1: expected an element <core>"),
        ("<configuration><core></configuration>", "broker.xml:1: not well-formed XML"),
    ] {
        let errors = load("broker.xml", text, &|_| None).unwrap_err();
        assert!(errors.len() == 1 && errors[0].to_string().starts_with(expected), "{errors:?}");
    }
    assert!(load("f", "<core><name>n</name></core>", &|_| None).is_ok_and(|config| config.name == "n"));
}

#[test]
fn names_without_effect_are_warned_of() {
    for (body, expected) in [
        ("<jmx-domain>x</jmx-domain>", "broker.xml:3: <core><jmx-domain>: <jmx-domain> has no effect"),
        (
            "<persistance-enabled/>",
            "unknown element \"persistance-enabled\" is ignored (did you mean persistence-enabled?)",
        ),
        ("<bogus/>", "broker.xml:3: <core><bogus>: unknown element \"bogus\" is ignored"),
        (
            "<address-settings><address-setting match='a.#'><expiry-dely>1</expiry-dely></address-setting></address-settings>",
            "unknown element \"expiry-dely\" is ignored (did you mean expiry-delay?)",
        ),
        (
            "<addresses><address name='a'><multicast><queue name='q' exclusive='true'/></multicast></address></addresses>",
            "queue q: exclusive has no effect",
        ),
    ] {
        let config = core(body).unwrap();
        assert!(config.warnings.len() == 1 && messages(&config)[0].contains(expected), "{:?}", config.warnings);
    }
}

#[test]
fn values_are_read_and_switched_off() {
    let config = core(
        "<name>n</name><data/><journal-directory>${data.dir:x}/j</journal-directory><global-max-size>100MB</global-max-size>
        
        <message-expiry-scan-period>0</message-expiry-scan-period><journal-buffer-timeout>0</journal-buffer-timeout>",
    )
    .unwrap();
    assert_eq!((config.name.as_str(), config.journal_directory), ("n", PathBuf::from("/var/data/j")));
    assert_eq!(config.global_max_size, Some(100_000_000));
    assert_eq!(config.message_expiry_scan_period_ms, None);
    assert_eq!(config.journal_buffer_timeout_ns, 0);
}

#[test]
fn acceptors_open_or_say_why_not() {
    for (uri, opened, expected) in [
        ("tcp://h:1", 1, None),
        ("tcp://0.0.0:1883?protocols=MQTT;closeMqttConnectionOnPublishAuthorizationFailure=false", 1, None),
        ("tcp://a,b:1", 2, None),
        ("tcp://h:1?protocols=MQTT&useEpoll=false", 1, Some("acceptor x: useEpoll has no effect")),
        ("tcp://h:1?protocols=MQTT,CORE", 1, Some("acceptor x: the protocol CORE is not supported yet")),
        ("tcp://h:1?useEpoll=false&amqpCredits=1", 1, Some("acceptor x: useEpoll, amqpCredits have no effect")),
        ("tcp://h:1?protocols=MQTT,XMPP", 1, Some("unknown protocol of acceptor x: \"XMPP\" is ignored")),
        (
            "tcp://h:1?protocols=mqtt",
            0,
            Some("acceptor x is not opened: of its protocols (mqtt) none is supported yet (did you mean MQTT?)"),
        ),
        ("tcp://h:1?protocols=AMQP;useEpoll=true", 0, Some("acceptor x is not opened")),
        ("tcp://h:1?sslEnabled=true;keyStorePath=k", 1, None),
        ("tcp://h:1?sslEnabled=false", 1, None),
        (
            "tcp://h:1?keyStorePath=k",
            1,
            Some("keyStorePath has no effect without sslEnabled=true: it speaks plain text"),
        ),
        ("tcp://h:1?sslEnabled=true;keyStorePath=k;trustStorePath=t", 1, Some("trustStorePath has no effect")),
        ("tcp://h:1?sslEnabled=true;keyStorePath=k;enabledProtocols=TLSv1,TLSv1.3", 1, Some("TLSv1 is too weak")),
        ("tcp://h:1?sslEnabled=true;keyStorePath=k;sslProvider=OPENSSL", 1, Some("sslProvider has no effect")),
        ("tcp://h:1?verifyHost=true", 1, Some("verifyHost has no effect")),
        ("tcp://h:1?verifyHost=true;sslEnabled=true;keyStorePath=k", 1, Some("verifyHost has no effect")),
        ("tcp://h:1?verifyHost=false;sslEnabled=true;keyStorePath=k;needClientAuth=true;trustStorePath=t", 1, None),
        ("tcp://h:1?autoStart=false", 0, Some("acceptor x is not opened: autoStart=false")),
        ("vm://0", 0, Some("acceptor x is not opened: vm://")),
        ("tcp://h:1?recieveMaximum=5", 1, Some("(did you mean receiveMaximum?)")),
        ("tcp://h:1?proxyProtocolEnabled=true", 1, Some("proxyProtocolEnabled has no effect: clients behind a proxy")),
        ("tcp://h:1?proxyProtocolEnabled=false", 1, None),
    ] {
        let config = acceptor(uri).unwrap();
        let warnings = messages(&config);
        assert_eq!(config.acceptors.len(), opened, "{uri}");
        assert_eq!(warnings.len(), usize::from(expected.is_some()), "{warnings:?}");
        assert!(warnings.iter().all(|warning| warning.contains(expected.unwrap_or_default())), "{warnings:?}");
        assert!(config.warnings.iter().all(|warning| warning.severe == uri.ends_with("?keyStorePath=k")));
    }
}

#[test]
fn acceptor_parameters_are_set_or_refused() {
    let config = acceptor(
        "tcp://h:1?connectionsAllowed=5;handshake-timeout=0;backlog=7;tcpNoDelay=false;tcpSendBufferSize=-1;tcpReceiveBufferSize=9;serverKeepAlive=-1",
    );
    let expected = Acceptor {
        name: "x".into(),
        host: "h".into(),
        port: 1,
        connections_allowed: Some(5),
        handshake_timeout_ms: None,
        backlog: Some(7),
        tcp_no_delay: false,
        tcp_receive_buffer: Some(9),
        mqtt: Mqtt { server_keep_alive: KeepAlive::Client, ..Mqtt::default() },
        file: "broker.xml".into(),
        line: 4,
        ..Acceptor::default()
    };
    assert_eq!(config.unwrap().acceptors, [expected]);
    for (uri, expected) in [
        (
            "tcp://h:1?receiveMaximum=0",
            "acceptor x: receiveMaximum: expected -1 or a whole number from 1 to 65535, found \"0\"",
        ),
        ("tcp://h:1?tcpNoDelay=yes", "acceptor x: tcpNoDelay: expected true or false"),
        ("tcp://h:1?sslEnabled=1", "sslEnabled: expected true or false"),
        ("tcp://h:1?connectionsAllowed=-2", "connectionsAllowed: expected a whole number from -1"),
        ("udp://h:1", "acceptor x: expected tcp://, found udp://"),
        ("h:1", "expected tcp://host:port"),
        ("tcp://h:99999", "expected a port from 0 to 65535"),
    ] {
        let errors = acceptor(uri).unwrap_err();
        assert!(errors.len() == 1 && errors[0].contains(expected), "{errors:?}");
    }
}

#[test]
fn wildcards_hold_for_settings_that_stand_before_them() {
    let config = core(
        "<address-settings><address-setting match='a/+'><expiry-delay>1</expiry-delay></address-setting></address-settings>
        <wildcard-addresses><routing-enabled>false</routing-enabled><delimiter>/</delimiter><any-words>#</any-words><single-word>+</single-word></wildcard-addresses>",
    )
    .unwrap();
    assert_eq!(config.wildcards, Syntax { delimiter: b'/', single: b'+', any: b'#', escape: None });
    assert!(!config.wildcard_routing_enabled);
    assert_eq!(config.address_settings.resolve("a/b").expiry_delay, Some(1));
}

#[test]
fn role_mappings_add_roles() {
    let config = core(
        "<security-settings><role-mapping from='cn=ops' to='amq, admin'/><role-mapping from='cn=none' to=''/>
        <security-setting match='#'><permission type='send' roles='amq, other'/><permission type='view' roles=''/></security-setting></security-settings>",
    )
    .unwrap();
    let setting = config.security_settings.most_specific("a").unwrap();
    assert_eq!(setting.roles(PermissionType::Send), ["amq", "cn=ops", "other"]);
    assert!(setting.roles(PermissionType::View).is_empty());
}

#[test]
fn declared_queues_have_their_attributes() {
    let config = core(
        "<addresses><address name='a'><multicast/><anycast>
        <queue name='q' max-consumers='2' purge-on-no-consumers='true' enabled='false'><durable>false</durable><user>u</user></queue>
        <queue name='r' max-consumers='-1'/></anycast></address></addresses>",
    )
    .unwrap();
    let [address] = &config.addresses[..] else { panic!("{:?}", config.addresses) };
    assert_eq!(address.multicast, Some(Vec::new()));
    let [q, r] = &address.anycast.as_ref().unwrap()[..] else { panic!("{address:?}") };
    assert_eq!((q.durable, q.max_consumers, q.purge_on_no_consumers, q.enabled), (false, Some(2), true, false));
    assert_eq!(q.user.as_deref(), Some("u"));
    for attribute in ["max-consumers", "purge-on-no-consumers", "enabled"] {
        let expected = format!("queue q: {attribute} has no effect");
        assert_eq!(messages(&config).iter().filter(|message| message.ends_with(&expected)).count(), 1, "{attribute}");
    }
    assert_eq!(config.warnings.len(), 3);
    assert_eq!((r.durable, r.max_consumers, r.purge_on_no_consumers, r.enabled), (true, None, false, true));
}

#[test]
fn what_an_instance_of_artemis_does_and_this_broker_does_not_is_told() {
    let config = core(
        "<ha-policy><shared-store><backup/></shared-store></ha-policy>
        <store><database-store/></store>\n<store2/>\n<diverts/>",
    );
    let config = config.unwrap();
    assert_eq!(config.warnings.iter().map(|warning| warning.severe).collect::<Vec<_>>(), [true, true, false, false]);
    let messages = messages(&config);
    assert!(
        messages[0]
            .ends_with("<ha-policy> has no effect: this broker is active as soon as it runs, and replicates nothing")
    );
    assert!(messages[1].ends_with("<database-store> has no effect: what is durable is kept in <journal-directory>"));
    assert!(messages[3].ends_with("<diverts> has no effect: no message is diverted"));
    assert!(core("<store><file-store/></store>").unwrap().warnings.iter().all(|warning| !warning.severe));
}

#[test]
fn what_is_declared_twice_counts_once() {
    let config = core(
        "<addresses><address name='a'><anycast><queue name='q'/></anycast></address>
        <address name='b'><multicast><queue name='q'/><queue name='r'/></multicast></address>
        <address name='a'><multicast><queue name='s'/></multicast></address></addresses>
        <address-settings><address-setting match='#'><expiry-delay>1</expiry-delay></address-setting>
        <address-setting match='#'><expiry-delay>2</expiry-delay></address-setting></address-settings>",
    )
    .unwrap();
    let names = |queues: &Option<Vec<QueueDeclaration>>| {
        queues.as_ref().map(|queues| queues.iter().map(|queue| queue.name.clone()).collect::<Vec<_>>().join(" "))
    };
    let found: Vec<_> = config.addresses.iter().map(|a| (&*a.name, names(&a.anycast), names(&a.multicast))).collect();
    let some = |names: &str| Some(names.to_owned());
    assert_eq!(found, [("a", some("q"), some("s")), ("b", None, some("r"))]);
    assert_eq!(config.address_settings.resolve("x").expiry_delay, Some(1));
    assert_eq!(
        messages(&config),
        [
            "broker.xml:4: <core><addresses><address><multicast><queue>: is ignored: the queue \"q\" is declared in broker.xml:3",
            "broker.xml:7: <core><address-settings><address-setting>: is ignored: there is an earlier address-setting for \"#\"",
        ]
    );
}

#[test]
fn a_file_cut_anywhere_is_an_error_and_no_panic() {
    let text = include_str!("tests/generated.xml");
    for end in (0..text.trim_end().len()).filter(|end| text.is_char_boundary(*end)) {
        assert!(load("broker.xml", &text[..end], &|_| None).is_err(), "{end}");
    }
}

#[test]
fn an_acceptor_without_a_name_does_not_show_its_passwords() {
    for parameters in ["sslEnabled=true;keyStorePassword=secret", "sslEnabled=true;keyStorePassword=a;secret"] {
        let errors = core(&format!("<acceptors><acceptor>tcp://h:1?{parameters}</acceptor></acceptors>")).unwrap_err();
        let text: String = errors.iter().map(ToString::to_string).collect();
        assert!(text.contains("broker.xml:") && !text.contains("secret"), "{text}");
    }
    let config = core(
        "<acceptors><acceptor>tcp://h:1?sslEnabled=true;keyStorePath=k;keyStorePassword=secret</acceptor></acceptors>",
    );
    let shown = format!("{config:?}");
    assert!(shown.contains("***") && !shown.contains("secret"), "{shown}");
}
