use super::super::manager::now;
use super::super::{ClientLimits, Permission, PropertiesLogin, PropertiesOptions, WillRequest};
use super::super::{Flag, LoginChain};
use super::*;

fn script(source: &str) -> ScriptedSecurity {
    ScriptedSecurity::new(source, None).unwrap()
}

fn ask(security: &ScriptedSecurity, client_id: &str) -> (Result<Principal, Denied>, String) {
    let mut request = ConnectionRequest::new("MQTT", client_id).with_credentials("ann", "secret");
    request.remote_address = "127.0.0.1:5".to_owned();
    let result = now(security.authenticate(&mut request));
    (result, request.client_id)
}

/// The answer of an `authenticate` with this body.
fn answer(body: &str) -> Result<Principal, Denied> {
    ask(&script(&format!("fn authenticate(request) {{ {body} }}")), "c1").0
}

fn may(security: &ScriptedSecurity, permission: Permission, address: &str) -> Decision {
    let principal = Principal::of("ann").with_roles(["amq"]);
    security.authorize(&Access::new(&principal, "c1", permission, address))
}

#[test]
fn a_script_lets_in_and_names() {
    let security = script(
        r##"const USERS = #{ ann: "secret" };
        fn authenticate(request) {
            let stored = global::USERS[request.username];
            if stored == () || !is_password(request.password, stored) { return "bad_credentials"; }
            if request.client_id.starts_with("admin") { return "invalid_client_id"; }
            #{
                user: request.username,
                roles: ["amq"],
                client_id: request.username + "-" + request.client_id.to_lower(),
                allow: #{ send: ["a.#"], consume: "b" },
                deny: #{ send: "a.secret" },
                limits: #{ messages_per_second: 10 },
            }
        }"##,
    );
    let (principal, client_id) = ask(&security, "C1");
    let limits = ClientLimits { messages_per_second: Some(10), ..ClientLimits::default() };
    let expected = Principal::of("ann")
        .with_roles(["amq"])
        .allow(Permission::Consume, "b")
        .allow(Permission::Send, "a.#")
        .deny(Permission::Send, "a.secret")
        .with_limits(limits);
    assert_eq!((principal, client_id.as_str()), (Ok(expected), "ann-c1"));
    assert_eq!(ask(&security, "admin1").0, Err(Denied::InvalidClientId));
    let mut eve = ConnectionRequest::new("MQTT", "c").with_credentials("eve", "secret");
    assert_eq!(now(security.authenticate(&mut eve)), Err(Denied::BadCredentials));
}

#[test]
fn reasons_are_words() {
    for (body, denied) in [
        ("\"bad_credentials\"", Denied::BadCredentials),
        ("\"not_authorized\"", Denied::NotAuthorized),
        ("\"banned\"", Denied::Banned),
        ("\"unavailable\"", Denied::Unavailable),
        ("false", Denied::NotAuthorized),
        ("()", Denied::BadCredentials),
        ("true", Denied::BadCredentials),
        ("#{}", Denied::BadCredentials),
    ] {
        assert_eq!(answer(body), Err(denied), "{body}");
    }
}

#[test]
fn an_error_denies() {
    for body in [
        "1 / 0",
        "request.nothing.at_all",
        "unknown()",
        "\"go away\"",
        "42",
        "#{ user: 1 }",
        "#{ user: \"ann\", role: \"amq\" }",
        "#{ user: \"ann\", roles: [1] }",
        "#{ user: \"ann\", allow: #{ fly: \"a\" } }",
        "#{ user: \"ann\", limits: #{ messages_per_second: -1 } }",
        "#{ user: \"ann\", limits: #{ colour: 1 } }",
        "throw \"no\"",
        "import \"/etc/passwd\" as x; #{ user: \"ann\" }",
        "sleep(1); #{ user: \"ann\" }",
        "for n in 0..9 { is_password(\"a\", \"b\"); } #{ user: \"ann\" }",
    ] {
        assert_eq!(answer(body), Err(Denied::NotAuthorized), "{body}");
    }
}

#[test]
fn steps_and_memory_are_bounded() {
    for body in [
        "loop { }",
        "let n = 0; while true { n += 1; }",
        "let text = \"x\"; loop { text += text; }",
        "let list = []; loop { list.push(list); }",
        "let map = #{}; let n = 0; loop { map[n.to_string()] = n; n += 1; }",
        "again(request)",
    ] {
        let source = format!("fn again(x) {{ again(x) }} fn authenticate(request) {{ {body} }}");
        let denied = ask(&script(&source), "c1").0;
        assert_eq!(denied, Err(Denied::NotAuthorized), "{body}");
    }
}

#[test]
fn a_script_sees_the_request() {
    let security = script(
        r#"fn authenticate(request) {
            let will = request.will;
            #{ user: `${request.username}|${request.password}|${request.client_id}|${request.protocol}|`
                + `${request.remote_address}|${request.certificate_subject == ()}|${will.address}:${will.qos}:${will.retain}` }
        }"#,
    );
    let mut request = ConnectionRequest::new("MQTT5", "c1").with_credentials("ann", "secret");
    request.remote_address = "127.0.0.1:5".to_owned();
    request.will = Some(WillRequest::new("a.b", 1, true));
    let principal = now(security.authenticate(&mut request)).unwrap();
    assert_eq!(principal.user(), "ann|secret|c1|MQTT5|127.0.0.1:5|true|a.b:1:true");
}

#[test]
fn a_script_may_permit() {
    let authenticate = "fn authenticate(request) { #{ user: \"ann\" } }";
    let silent = script(authenticate);
    assert_eq!((may(&silent, Permission::Send, "a"), silent.scope()), (Decision::Undecided, Scope::Roles));
    let security = script(&format!(
        r#"{authenticate}
        fn authorize(principal, permission, address) {{
            if address.starts_with("own." + principal.user) {{ return permission == "send" && "amq" in principal.roles; }}
            if address == "bad" {{ return 1 / 0; }}
            if address == "odd" {{ return "yes"; }}
            if address == "hash" {{ return is_password("a", "a"); }}
        }}"#
    ));
    assert_eq!(security.scope(), Scope::Client);
    for (permission, address, expected) in [
        (Permission::Send, "own.ann.x", Decision::Allow),
        (Permission::Consume, "own.ann.x", Decision::Deny),
        (Permission::Send, "bad", Decision::Deny),
        (Permission::Send, "odd", Decision::Deny),
        // It is called where nothing may take as long as a hash.
        (Permission::Send, "hash", Decision::Deny),
        (Permission::Send, "other", Decision::Undecided),
    ] {
        assert_eq!(may(&security, permission, address), expected, "{address}");
    }
}

#[test]
fn a_script_comes_after_the_login() {
    let pairs = |key: &str, value: &str| vec![(key.to_owned(), value.to_owned())];
    let options = PropertiesOptions { users: pairs("ann", "secret"), roles: pairs("amq", "ann") };
    let users = Arc::new(PropertiesLogin::new(options).unwrap());
    let chain = LoginChain::new("activemq", vec![(Flag::Required, users.clone())]);
    let source = r#"fn authenticate(request) {
        if request.client_id == "plain" { return; }
        if request.client_id == "renamed" { return #{ user: "x" }; }
        if request.client_id == "other" { return #{ roles: request.roles + ["more"] }; }
        #{ client_id: request.user + "-" + request.client_id }
    }"#;
    let security = ScriptedSecurity::new(source, Some(Arc::new(chain))).unwrap();
    assert_eq!(ask(&security, "c1").1, "ann-c1");
    let plain = ask(&security, "plain").0.unwrap();
    assert_eq!((plain.user(), plain.roles()), ("ann", &["amq".to_owned()][..]));
    let more = ask(&security, "other").0.unwrap();
    assert_eq!(more.roles(), ["amq", "more"]);
    let renamed = ask(&security, "renamed").0.unwrap();
    assert_eq!((renamed.user(), renamed.roles()), ("x", &["amq".to_owned()][..]));
    let mut wrong = ConnectionRequest::new("MQTT", "c1").with_credentials("ann", "wrong");
    assert_eq!(now(security.authenticate(&mut wrong)), Err(Denied::BadCredentials));

    let epoch = security.epoch();
    users.replace(PropertiesOptions { users: pairs("ann", "secret"), roles: Vec::new() }).unwrap();
    assert!(security.epoch() > epoch);
    assert!(security.refresh(&plain).unwrap().roles().is_empty());
    assert!(security.refresh(&renamed).unwrap().roles().is_empty());
    assert_eq!(security.refresh(&more), Some(more.clone()));
    users.replace(PropertiesOptions { users: pairs("bob", "secret"), roles: Vec::new() }).unwrap();
    assert_eq!((security.refresh(&plain), security.refresh(&more)), (None, None));
    assert_eq!(security.refresh(&renamed), None);
}

#[test]
fn a_script_may_say_what_has_become_of_those_whom_it_let_in() {
    let authenticate = "fn authenticate(request) { #{ user: \"ann\", roles: [\"amq\"], allow: #{ send: \"a\" } } }";
    let security = script(authenticate);
    let ann = ask(&security, "c").0.unwrap();
    assert_eq!(security.refresh(&ann), Some(ann.clone()));
    for (body, expected) in [
        ("()", Some(ann.clone())),
        ("principal.user == \"ann\" && principal.roles == [\"amq\"]", Some(ann.clone())),
        ("#{ roles: [] }", Some(ann.clone().without_roles())),
        ("#{ deny: #{ send: \"b\" } }", Some(ann.clone().without_rules().deny(Permission::Send, "b"))),
        ("false", None),
        ("\"banned\"", None),
        ("1 / 0", None),
        ("#{ user: \"bob\" }", None),
        ("#{ client_id: \"c2\" }", None),
        ("is_password(\"a\", \"a\")", None),
    ] {
        security.replace(&format!("{authenticate} fn refresh(principal) {{ {body} }}")).unwrap();
        let renewed = security.refresh(&ann);
        assert_eq!(renewed, expected, "{body}");
        // What is said again changes nothing.
        assert_eq!(renewed.and_then(|principal| security.refresh(&principal)), expected, "{body}");
    }
    assert!(security.replace(&format!("{authenticate} fn refresh() {{ }}")).is_err());
}

#[test]
fn a_new_script_holds_and_a_wrong_one_does_not() {
    let security = script("fn authenticate(request) { \"banned\" }");
    for wrong in ["fn authenticate(request) {", "fn authenticate() {}", "let x = eval(\"1\");"] {
        assert!(security.replace(wrong).is_err(), "{wrong}");
    }
    // A function may have the name of another.
    let more = "fn authenticate(a, b) {} fn authenticate(request) { \"banned\" } fn authenticate() {}";
    assert_eq!(ask(&script(more), "c").0, Err(Denied::Banned));
    let wrong = security.replace("fn authenticate(r) {} fn authorize(p) {}").unwrap_err();
    assert_eq!(wrong.to_string(), "expected authorize(principal, permission, address)");
    assert_eq!((security.epoch(), ask(&security, "c").0), (0, Err(Denied::Banned)));
    security.replace("fn authenticate(request) { #{ user: \"bob\" } }").unwrap();
    assert_eq!(ask(&security, "c").0.unwrap().user(), "bob");
    assert_eq!(security.epoch(), 1);
}

#[test]
fn rabbitmq_2941_errors_of_a_script_are_told_less_and_less_often() {
    let security = script("fn authenticate(request) { 1 / 0 }");
    assert!((0..3).all(|_| ask(&security, "c").0 == Err(Denied::NotAuthorized)));
    assert_eq!(security.script().errors.load(Ordering::Relaxed), 3);
    assert_eq!((1..=100_000).filter(|count| is_told(*count)).count(), 110);
    // Those of another script are news.
    security.replace("fn authenticate(request) { 5 }").unwrap();
    assert_eq!(ask(&security, "c").0, Err(Denied::NotAuthorized));
    assert_eq!(security.script().errors.load(Ordering::Relaxed), 1);
}
