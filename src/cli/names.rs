// Those of the files' formats: a list's comma, and what a properties file needs escaped.
const RESERVED: &str = ",=:#!\\";

/// A user's name that can stand in the users and roles files as it is.
pub(super) fn user_name(name: &str) -> Result<String, String> {
    plain("a user's name", name)
}

/// A role's name that can stand in the roles file and in broker.xml as it is.
pub(super) fn role_name(name: &str) -> Result<String, String> {
    plain("a role's name", name)
}

fn plain(what: &str, name: &str) -> Result<String, String> {
    let unfit = |c: char| c.is_whitespace() || c.is_control() || RESERVED.contains(c);
    match name.chars().find(|c| unfit(*c)) {
        _ if name.is_empty() => Err(format!("{what} is not empty")),
        Some(c) => Err(format!("{what} has no {c:?}")),
        None => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_escapes() {
        for good in ["a", "müller", "a@b.c", "a-b_c/d"] {
            assert_eq!(user_name(good).as_deref(), Ok(good));
        }
        for bad in ["", " ", "a b", "a,b", "a=b", "a:b", "#a", "!a", "a\\", "a\n"] {
            assert!(role_name(bad).is_err(), "{bad:?}");
        }
    }
}
