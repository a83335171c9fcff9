use super::*;

fn read(text: &str) -> Result<Login, Vec<String>> {
    let lookup = |name: &str| (name == "dir").then(|| "/etc".to_owned());
    load("login.config", text, &["activemq"], &lookup)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn modules_are_read_in_order() {
    let text = r#"
        other { com.sun.security.auth.module.Krb5LoginModule required doNotPrompt=true; };
        activemq {
           // those with a password
           org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModule sufficient
               debug=false
               reload=true
               org.apache.activemq.jaas.properties.user="${dir}/artemis-users.properties"
               org.apache.activemq.jaas.properties.role='artemis-roles.properties';
           /* and
              everybody */
           org.apache.activemq.artemis.spi.core.security.jaas.GuestLoginModule SUFFICIENT
               org.apache.activemq.jaas.guest.user="gu\"est" colour = red;
        };"#;
    let login = read(text).unwrap();
    assert_eq!((login.domains.len(), login.domains[0].name.as_str()), (1, "activemq"));
    assert_eq!(
        login.domains[0].modules,
        [
            LoginModule {
                kind: LoginKind::Properties(UserFiles {
                    users: "/etc/artemis-users.properties".into(),
                    roles: "artemis-roles.properties".into(),
                    reload: true,
                }),
                flag: Flag::Sufficient,
                line: 5,
            },
            LoginModule {
                kind: LoginKind::Guest { user: "gu\"est".into(), role: "guests".into(), credentials_invalidate: false },
                flag: Flag::Sufficient,
                line: 12,
            },
        ]
    );
    let warnings: Vec<_> = login.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["login.config:12: the option colour has no effect"]);
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let guest = "org.apache.activemq.artemis.spi.core.security.jaas.GuestLoginModule";
    let properties = "org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModule";
    for (text, expected) in [
        ("", "login.config:1: there is no domain \"activemq\""),
        ("other { };", "login.config:1: there is no domain \"activemq\""),
        (
            "activemq {\n a.b.LDAPLoginModule required; };",
            "login.config:2: the login module a.b.LDAPLoginModule is not",
        ),
        (&format!("activemq {{\n{guest} maybe; }};"), "login.config:2: expected required, requisite"),
        (
            &format!("activemq {{\n{properties} required; }};"),
            "login.config:2: the option org.apache.activemq.jaas.properties.user is missing",
        ),
        (&format!("activemq {{ {guest} required\n a b; }};"), "login.config:2: expected '=', found \"b\""),
        (&format!("activemq {{ {guest} required\n a=\"b; }};"), "login.config:2: a quoted value is not closed"),
        (
            &format!("activemq {{ {guest} required credentialsInvalidate=1; }};"),
            "login.config:1: the option credentialsInvalidate: expected true or false",
        ),
        ("activemq { };", "login.config:1: the domain \"activemq\" has no module"),
        (
            &format!("activemq {{ {guest} required; }};\nactivemq {{ {guest} required; }};"),
            "login.config:2: a second domain \"activemq\"",
        ),
        (
            &format!("activemq {{ {properties} required org.apache.activemq.jaas.properties.password.codec=x; }};"),
            "login.config:1: the option org.apache.activemq.jaas.properties.password.codec is not supported",
        ),
        ("activemq {\n", "login.config:2: expected the class of a login module or }, found the end"),
        ("activemq {\n}", "login.config:2: expected ';', found the end"),
        ("activemq = ", "login.config:1: expected '{', found '='"),
        ("/* x", "login.config:1: a comment is not closed"),
    ] {
        let errors = read(text).unwrap_err();
        assert!(errors.len() == 1 && errors[0].starts_with(expected), "{errors:?}");
    }
}

#[test]
fn several_domains_are_read_and_others_passed_over() {
    let jaas = "org.apache.activemq.artemis.spi.core.security.jaas";
    let text = format!(
        r#"users {{ {jaas}.PropertiesLoginModule required baseDir="/d" reload=false
               org.apache.activemq.jaas.properties.user="u" org.apache.activemq.jaas.properties.role="r"; }};
           unused {{ {jaas}.LDAPLoginModule required; }};
           certificates {{ {jaas}.TextFileCertificateLoginModule requisite normalise=true
               org.apache.activemq.jaas.textfiledn.user="cu" org.apache.activemq.jaas.textfiledn.role="cr";
               {jaas}.ExternalCertificateLoginModule optional; }};"#
    );
    let login = load("login.config", &text, &["certificates", "users"], &|_| None).unwrap();
    let kinds =
        |number: usize| login.domains[number].modules.iter().map(|module| module.kind.clone()).collect::<Vec<_>>();
    let files = |users: &str, roles: &str, reload| UserFiles { users: users.into(), roles: roles.into(), reload };
    assert_eq!(kinds(0), [LoginKind::Certificate(files("cu", "cr", true)), LoginKind::ExternalCertificate]);
    assert_eq!(kinds(1), [LoginKind::Properties(files("/d/u", "/d/r", false))]);
    assert_eq!(login.warnings, []);
    let errors = load("login.config", &text, &["unused", "nowhere"], &|_| None).unwrap_err();
    assert!(errors[0].to_string().contains("LDAPLoginModule is not supported"), "{errors:?}");
    assert!(errors[1].to_string().contains("there is no domain \"nowhere\""), "{errors:?}");
}
