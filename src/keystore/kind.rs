use super::error::Problem;

/// The format of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Pkcs12,
    Jks,
    Pem,
    /// A properties file whose `source.` entries name PEM files.
    PemConfig,
}

const NAMES: [(&str, Kind); 6] = [
    ("PKCS12", Kind::Pkcs12),
    ("P12", Kind::Pkcs12),
    ("JKS", Kind::Jks),
    ("PEM", Kind::Pem),
    ("PEMCA", Kind::Pem),
    ("PEMCFG", Kind::PemConfig),
];

impl Kind {
    /// The kind that Artemis calls so; case does not matter.
    pub fn named(name: &str) -> Option<Self> {
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Pkcs12 => "PKCS12",
            Self::Jks => "JKS",
            Self::Pem => "PEM",
            Self::PemConfig => "PEMCFG",
        }
    }

    /// What the bytes of a file are.
    pub(super) fn detect(bytes: &[u8]) -> Result<Self, Problem> {
        match bytes {
            [] => Err(Problem::Empty),
            [0xFE, 0xED, 0xFE, 0xED, ..] => Ok(Self::Jks),
            [0xCE, 0xCE, 0xCE, 0xCE, ..] => Err(Problem::foreign(
                "a JCEKS store",
                "keytool -importkeystore -srckeystore FILE -srcstoretype JCEKS -destkeystore FILE.p12 -deststoretype PKCS12",
            )),
            [0, 0, 0, 1 | 2, ..] => Err(Problem::foreign(
                "a BKS store",
                "keytool -importkeystore -srckeystore FILE -srcstoretype BKS -destkeystore FILE.p12 -deststoretype PKCS12 \
                 with the provider of Bouncy Castle",
            )),
            [0x30, rest @ ..] => der(rest).unwrap_or_else(|| text(bytes)),
            _ => text(bytes),
        }
    }
}

// A PKCS12 store begins with its version, as a key does; a certificate with its body, PKCS7 with the name of its kind.
fn der(rest: &[u8]) -> Option<Result<Kind, Problem>> {
    let body = match rest {
        [length @ 0..0x80, ..] => &rest[usize::from(*length != 0)..],
        [0x80, ..] => &rest[1..],
        [length, ..] => rest.get(1 + usize::from(length & 0x7F)..).unwrap_or_default(),
        [] => rest,
    };
    Some(match body {
        [0x02, 0x01, 0x03, ..] => Ok(Kind::Pkcs12),
        [0x30, ..] | [0x02, 0x01, 0x00 | 0x01, ..] => Err(Problem::foreign(
            "a certificate or key in DER",
            "openssl x509 -inform der -in FILE -out FILE.pem, or for a key openssl pkcs8 -topk8 -inform der -in FILE",
        )),
        [0x06, ..] => {
            Err(Problem::foreign("a bundle in PKCS7", "openssl pkcs7 -inform der -print_certs -in FILE -out FILE.pem"))
        }
        _ => return None,
    })
}

fn text(bytes: &[u8]) -> Result<Kind, Problem> {
    // What stands between sections may be in any encoding.
    let text = String::from_utf8_lossy(bytes);
    if text.contains("-----BEGIN ") {
        return Ok(Kind::Pem);
    }
    let is_source = |line: &str| line.trim_start().starts_with("source.");
    if text.lines().any(is_source) { Ok(Kind::PemConfig) } else { Err(Problem::Unknown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_and_not_read_is_told_with_its_command() {
        for (bytes, command) in [
            (&b"\x30\x82\x01\x00\x30\x82"[..], "openssl x509 -inform der"),
            (b"\x30\x77\x02\x01\x01\x04\x20", "openssl pkcs8 -topk8 -inform der"),
            (b"\x30\x82\x04\xA4\x02\x01\x00\x02", "openssl pkcs8 -topk8 -inform der"),
            (b"\x30\x82\x01\x00\x06\x09", "openssl pkcs7 -inform der"),
            (b"\xCE\xCE\xCE\xCE\0\0\0\x02", "-srcstoretype JCEKS"),
            (b"\0\0\0\x02\0\0\0\x14", "-srcstoretype BKS"),
        ] {
            let Err(Problem::Foreign { command: told, .. }) = Kind::detect(bytes) else { panic!("{bytes:x?}") };
            assert!(told.contains(command), "{bytes:x?}: {told}");
        }
    }

    #[test]
    fn the_first_bytes_tell_the_kind() {
        for (bytes, expected) in [
            (&b"\xFE\xED\xFE\xED\0\0\0\x02"[..], Some(Kind::Jks)),
            (b"\x30\x82\x01\x00\x02\x01\x03\x30", Some(Kind::Pkcs12)),
            (b"\x30\x80\x02\x01\x03\x30", Some(Kind::Pkcs12)),
            (b"subject=x\n-----BEGIN CERTIFICATE-----\n", Some(Kind::Pem)),
            (b"O=Z\xE4hler\n-----BEGIN CERTIFICATE-----\n", Some(Kind::Pem)),
            (b"0 s:CN=x\n-----BEGIN CERTIFICATE-----\n", Some(Kind::Pem)),
            (b"alias=a\nsource.cert=/x\n", Some(Kind::PemConfig)),
            (b"", None),
            (b"\x30", None),
            (b"\x30\x82", None),
            (b"\x30\x82\x01\x00\x30\x82", None),
            (b"\xCE\xCE\xCE\xCE\0\0\0\x02", None),
            (b"hello", None),
            (b"\xFF\xFF", None),
        ] {
            assert_eq!(Kind::detect(bytes).ok(), expected, "{bytes:?}");
        }
    }
}
