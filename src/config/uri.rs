//! The URI of an acceptor: `tcp://host:port?key=value;key=value`.

use super::acceptor_keys;

/// An acceptor's URI, taken apart and percent-decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Uri {
    pub scheme: String,
    /// One or more: `tcp://a,b:1883` listens on two.
    pub hosts: Vec<(String, u16)>,
    pub parameters: Vec<(String, String)>,
}

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_PORT: u16 = 61616;

impl Uri {
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected tcp://host:port?key=value;key=value, found {:?}", without_query(text));
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters = query.split(['&', ';']).map(str::trim).filter(|pair| !pair.is_empty()).map(parameter);
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            hosts: hosts(authority.trim_end_matches('/'))?,
            parameters: parameters.collect::<Result<_, _>>()?,
        })
    }
}

/// What may be shown: the parameters can hold passwords.
pub(super) fn without_query(text: &str) -> &str {
    text.split_once('?').map_or(text, |(before, _)| before)
}

fn parameter(pair: &str) -> Result<(String, String), String> {
    if acceptor_keys::names().any(|name| name == pair) {
        // Artemis's own files have useKQueue without a value.
        return Ok((pair.to_owned(), String::new()));
    }
    // A part of a password may stand alone here, so nothing of it is shown.
    let (key, value) =
        pair.split_once('=').ok_or("expected key=value between ? ; and &: write %3B for ; in a value")?;
    let key = decode(key.trim()).map_err(|_| "a key is not percent-encoded correctly")?;
    let value = decode(value.trim()).map_err(|_| format!("the value of {key} is not percent-encoded correctly"))?;
    Ok((key, value))
}

// A host without a port has the port of the next that has one.
fn hosts(authority: &str) -> Result<Vec<(String, u16)>, String> {
    let mut hosts = Vec::new();
    let mut port = DEFAULT_PORT;
    for part in authority.rsplit(',').map(str::trim) {
        let (host, own_port) = host_and_port(part)?;
        port = own_port.unwrap_or(port);
        hosts.push((if host.is_empty() { DEFAULT_HOST.to_owned() } else { decode(host)? }, port));
    }
    hosts.reverse();
    Ok(hosts)
}

fn host_and_port(part: &str) -> Result<(&str, Option<u16>), String> {
    let wrong = || format!("expected host:port, [IPv6 address]:port or host, found {part:?}");
    let (host, port) = match part.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(wrong)?) })
        }
        None => part.split_once(':').map_or((part, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(|port| port.parse().map_err(|_| format!("expected a port from 0 to 65535, found {port:?}")));
    Ok((host, port.transpose()?))
}

fn decode(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not percent-encoded correctly");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return Err(wrong()) };
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        bytes.push(digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low).ok_or_else(wrong)?);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_taken_apart() {
        for (text, hosts, parameters) in [
            ("tcp://h:1", &[("h", 1)][..], &[][..]),
            ("TCP://h", &[("h", 61616)], &[]),
            ("tcp://:1883/", &[("localhost", 1883)], &[]),
            ("tcp://[::1]:1883?a=b", &[("::1", 1883)], &[("a", "b")]),
            ("tcp://[::]?a=", &[("::", 61616)], &[("a", "")]),
            ("tcp://a,b:5?x=1;y=2&z=3;", &[("a", 5), ("b", 5)], &[("x", "1"), ("y", "2"), ("z", "3")]),
            ("tcp://a:1, b:2", &[("a", 1), ("b", 2)], &[]),
            ("tcp://h:1?p=a%3Db%20c%C3%A9+", &[("h", 1)], &[("p", "a=b cé+")]),
            ("tcp://h:1? p = MQTT ; q=1\n", &[("h", 1)], &[("p", "MQTT"), ("q", "1")]),
            ("tcp://h:1?useKQueue;q=1", &[("h", 1)], &[("useKQueue", ""), ("q", "1")]),
        ] {
            let own = |list: &[(&str, &str)]| list.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            let expected = Uri {
                scheme: "tcp".into(),
                hosts: hosts.iter().map(|(host, port)| (host.to_string(), *port)).collect(),
                parameters: own(parameters),
            };
            assert_eq!(Uri::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_part_of_a_password_is_not_shown() {
        for text in
            ["tcp://h:1?p=a;secret", "tcp://h:1?p=a;secret%zz=x", "tcp://h:1?p=a;secret%=", "tcp://h:1?p=secret%"]
        {
            let message = Uri::parse(text).unwrap_err();
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for text in [
            "",
            "h:1",
            "tcp:/h:1",
            "tcp://h:x",
            "tcp://h:65536",
            "tcp://[::1",
            "tcp://[::1]x",
            "tcp://h:1?a",
            "tcp://h:1?a=%2",
            "tcp://h:1?a=%FF",
            "tcp://h:1?a=%zz",
        ] {
            assert!(Uri::parse(text).is_err(), "{text}");
        }
    }
}
