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
            [0x30, rest @ ..] => der(rest),
            _ => text(bytes),
        }
    }
}

// A PKCS12 store begins with its version, a certificate with its body.
fn der(rest: &[u8]) -> Result<Kind, Problem> {
    let body = match rest {
        [length @ 0..0x80, ..] => &rest[usize::from(*length != 0)..],
        [0x80, ..] => &rest[1..],
        [length, ..] => rest.get(1 + usize::from(length & 0x7F)..).unwrap_or_default(),
        [] => rest,
    };
    match body {
        [0x02, 0x01, 0x03, ..] => Ok(Kind::Pkcs12),
        [0x30, ..] => Err(Problem::foreign(
            "a certificate or key in DER",
            "openssl x509 -inform der -in FILE -out FILE.pem, or for a key openssl pkcs8 -topk8 -inform der -in FILE",
        )),
        _ => Err(Problem::Unknown),
    }
}

fn text(bytes: &[u8]) -> Result<Kind, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::Unknown)?;
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
    fn the_first_bytes_tell_the_kind() {
        for (bytes, expected) in [
            (&b"\xFE\xED\xFE\xED\0\0\0\x02"[..], Some(Kind::Jks)),
            (b"\x30\x82\x01\x00\x02\x01\x03\x30", Some(Kind::Pkcs12)),
            (b"\x30\x80\x02\x01\x03\x30", Some(Kind::Pkcs12)),
            (b"subject=x\n-----BEGIN CERTIFICATE-----\n", Some(Kind::Pem)),
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
