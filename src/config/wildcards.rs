//! `<wildcard-addresses>`: the characters that give structure to addresses.

use super::Config;
use super::error::Findings;
use super::units::boolean;
use super::xml::Element;
use crate::core::address::Syntax;

const ELEMENTS: &[&str] = &["routing-enabled", "delimiter", "any-words", "single-word"];

/// Reads `<wildcard-addresses>`.
pub(super) fn read(config: &mut Config, section: &Element, findings: &mut Findings) {
    let mut syntax = Syntax::default();
    for element in &section.children {
        let place = match element.name.as_str() {
            "routing-enabled" | "enabled" => {
                if let Some(enabled) = findings.accept(element, boolean(&element.text)) {
                    config.wildcard_routing_enabled = enabled;
                }
                continue;
            }
            "delimiter" => &mut syntax.delimiter,
            "any-words" => &mut syntax.any,
            "single-word" => &mut syntax.single,
            other => {
                findings.unknown(element, "element", other, ELEMENTS.iter().copied());
                continue;
            }
        };
        if let Some(character) = findings.accept(element, character(&element.text)) {
            *place = character;
        }
    }
    let [delimiter, single, any] = [syntax.delimiter, syntax.single, syntax.any];
    if delimiter == single || delimiter == any || single == any {
        findings.error(section, "delimiter, any-words and single-word must differ from each other");
    }
    if [delimiter, single, any] == *b"/+#" {
        syntax.escape = None;
    }
    config.wildcards = syntax;
}

fn character(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte @ b'!'..=b'~'] if *byte != b'\\' => Ok(*byte),
        _ => Err(format!("expected one printable ASCII character other than \\, found {text:?}")),
    }
}
