//! Distinguished names as Java prints them, since users' files hold them in these forms.

use x509_parser::asn1_rs::{Oid, Tag};
use x509_parser::der_parser::oid;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// `CN=a,O=b`, the form of RFC 2253 and of Java's `X500Principal.getName()`.
pub(super) fn rfc2253(name: &X509Name<'_>) -> String {
    join(name, ",", "+", |attribute| match (keyword(attribute, &RFC2253_KEYWORDS), text(attribute)) {
        (Some(keyword), Some(text)) => format!("{keyword}={}", escaped(&text)),
        (Some(keyword), None) => format!("{keyword}={}", hexadecimal(attribute)),
        (None, _) => format!("{}={}", attribute.attr_type().to_id_string(), hexadecimal(attribute)),
    })
}

/// `CN=a, O=b`, the form that `keytool` prints and that Artemis compares with its files.
pub(super) fn spaced(name: &X509Name<'_>) -> String {
    join(name, ", ", " + ", |attribute| {
        let known = keyword(attribute, &RFC2253_KEYWORDS).or_else(|| keyword(attribute, &OTHER_KEYWORDS));
        let keyword = known.map_or_else(|| format!("OID.{}", attribute.attr_type().to_id_string()), str::to_owned);
        let value = text(attribute).map_or_else(|| hexadecimal(attribute), |text| quoted(&text));
        format!("{keyword}={value}")
    })
}

/// The text of an attribute's value; `None` where it is no text.
pub(super) fn text(attribute: &AttributeTypeAndValue<'_>) -> Option<String> {
    let value = attribute.attr_value();
    match value.tag() {
        Tag::BmpString => {
            let units = value.data.chunks(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0xD800,
            });
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        Tag::T61String => Some(value.data.iter().map(|byte| char::from(*byte)).collect()),
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            std::str::from_utf8(value.data).ok().map(str::to_owned)
        }
        _ => None,
    }
}

type Keyword = (Oid<'static>, &'static str);

static RFC2253_KEYWORDS: [Keyword; 9] = [
    (oid!(2.5.4.3), "CN"),
    (oid!(2.5.4.6), "C"),
    (oid!(2.5.4.7), "L"),
    (oid!(2.5.4.8), "ST"),
    (oid!(2.5.4.10), "O"),
    (oid!(2.5.4.11), "OU"),
    (oid!(2.5.4.9), "STREET"),
    (oid!(0.9.2342.19200300.100.1.25), "DC"),
    (oid!(0.9.2342.19200300.100.1.1), "UID"),
];

static OTHER_KEYWORDS: [Keyword; 8] = [
    (oid!(1.2.840.113549.1.9.1), "EMAILADDRESS"),
    (oid!(2.5.4.5), "SERIALNUMBER"),
    (oid!(2.5.4.12), "T"),
    (oid!(2.5.4.46), "DNQ"),
    (oid!(2.5.4.4), "SURNAME"),
    (oid!(2.5.4.42), "GIVENNAME"),
    (oid!(2.5.4.43), "INITIALS"),
    (oid!(2.5.4.44), "GENERATION"),
];

fn keyword(attribute: &AttributeTypeAndValue<'_>, keywords: &[Keyword]) -> Option<&'static str> {
    keywords.iter().find(|(known, _)| known == attribute.attr_type()).map(|(_, keyword)| *keyword)
}

// The last part of the encoded name is the most specific, and is written first.
fn join(name: &X509Name<'_>, comma: &str, plus: &str, shown: impl Fn(&AttributeTypeAndValue<'_>) -> String) -> String {
    let mut parts: Vec<_> =
        name.iter_rdn().map(|part| part.iter().map(&shown).collect::<Vec<_>>().join(plus)).collect();
    parts.reverse();
    parts.join(comma)
}

/// `#` and the encoded value.
fn hexadecimal(attribute: &AttributeTypeAndValue<'_>) -> String {
    let value = attribute.attr_value();
    let length = value.data.len();
    let mut head = vec![value.tag().0 as u8];
    if length < 0x80 {
        head.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let used = &bytes[length.leading_zeros() as usize / 8..];
        head.push(0x80 | used.len() as u8);
        head.extend_from_slice(used);
    }
    head.iter().chain(value.data).fold(String::from("#"), |out, byte| out + format!("{byte:02x}").as_str())
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let inner = text.trim_matches(' ');
    let leading = text.len() - text.trim_start_matches(' ').len();
    let trailing = if inner.is_empty() { 0 } else { text.len() - leading - inner.len() };
    out.push_str(&"\\ ".repeat(leading));
    for c in inner.chars() {
        if ",=+<>#;\"\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out.push_str(&"\\ ".repeat(trailing));
    out
}

fn quoted(text: &str) -> String {
    let is_odd = |c: char| ",+=\n<>#;\\\"".contains(c);
    let needs = text.contains(is_odd) || text.starts_with(' ') || text.ends_with(' ') || text.contains("  ");
    if !needs {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}
