//! A configuration file as a tree of elements that know where they stand.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::error::ConfigError;
use super::substitute::{Lookup, substitute};

const SIZE_MAX: usize = 4 << 20;
const DEPTH_MAX: usize = 64;

/// One element: text and attributes are trimmed and have their `${...}` replaced, namespaces are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub line: u32,
    pub column: u32,
    /// This element and those around it, without the root, as `<core><name>`.
    pub path: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// Parses a whole file; `lookup` answers the names in `${name}` and `${name:default}`.
pub fn parse(file: &str, text: &str, lookup: Lookup<'_>) -> Result<Element, ConfigError> {
    if text.len() > SIZE_MAX {
        return Err(ConfigError::at_line(file, 1, format!("the file is larger than {SIZE_MAX} bytes")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut tree = Tree { positions: Positions::of(text), lookup, open: Vec::new(), root: None };
    let mut reader = Reader::from_str(text);
    loop {
        let at = reader.buffer_position() as usize;
        let step = match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => tree.take(event, at),
            Err(error) => {
                let line = tree.positions.line(reader.error_position() as usize);
                return Err(ConfigError::at_line(file, line, format!("not well-formed XML: {error}")));
            }
        };
        step.map_err(|message| ConfigError::at_line(file, tree.positions.line(at), message))?;
    }
    let line = tree.positions.line(text.len());
    tree.finish().map_err(|message| ConfigError::at_line(file, line, message))
}

struct Tree<'a> {
    positions: Positions,
    lookup: Lookup<'a>,
    open: Vec<Element>,
    root: Option<Element>,
}

impl Tree<'_> {
    fn take(&mut self, event: Event<'_>, at: usize) -> Result<(), String> {
        match event {
            Event::Start(start) => self.open(&start, at),
            Event::Empty(start) => self.open(&start, at).and_then(|()| self.close()),
            Event::End(_) => self.close(),
            Event::Text(text) => self.text(&text.xml10_content()),
            Event::CData(text) => self.text(&text.xml10_content()),
            Event::GeneralRef(name) => match reference(&name) {
                Some(c) => self.text(c.encode_utf8(&mut [0; 4])),
                None => Err(format!("the entity &{}; is not defined: only the five of XML are", &*name)),
            },
            Event::DocType(_) => Err("a document type (<!DOCTYPE) is not accepted".into()),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Eof => Ok(()),
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, at: usize) -> Result<(), String> {
        if self.open.len() == DEPTH_MAX {
            return Err(format!("elements are nested deeper than {DEPTH_MAX}"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err("a second root element".into());
        }
        let name = local(start.name().0).to_owned();
        if name == "include" {
            return Err("xi:include is not supported: put the included elements here".into());
        }
        let (line, column) = self.positions.line_and_column(at);
        let path = match self.open.last() {
            Some(parent) => format!("{}<{name}>", parent.path),
            None => String::new(),
        };
        let attributes = self.attributes(start)?;
        self.open.push(Element { name, line, column, path, attributes, ..Element::default() });
        Ok(())
    }

    fn attributes(&self, start: &BytesStart<'_>) -> Result<Vec<(String, String)>, String> {
        let mut attributes = Vec::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| format!("not well-formed XML: {error}"))?;
            let key = attribute.key.0;
            if key == "xmlns" || key.starts_with("xmlns:") || key.starts_with("xsi:") {
                continue;
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| format!("attribute {key}: {error}"))?;
            attributes.push((local(key).to_owned(), substitute(value.trim(), self.lookup)));
        }
        Ok(attributes)
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("text outside of the root element".into()),
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), String> {
        let Some(mut element) = self.open.pop() else {
            return Err("an end tag without its start".into());
        };
        element.text = substitute(element.text.trim(), self.lookup);
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn finish(self) -> Result<Element, String> {
        match self.open.last() {
            Some(element) => Err(format!("<{}> of line {} is not closed", element.name, element.line)),
            None => self.root.ok_or_else(|| "the file has no element".into()),
        }
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| *c != '\0');
    }
    let predefined = [("lt", '<'), ("gt", '>'), ("amp", '&'), ("quot", '"'), ("apos", '\'')];
    predefined.iter().find(|(known, _)| *known == name).map(|(_, c)| *c)
}

struct Positions {
    newlines: Vec<usize>,
}

impl Positions {
    fn of(text: &str) -> Self {
        Self { newlines: memchr::memchr_iter(b'\n', text.as_bytes()).collect() }
    }

    fn line(&self, offset: usize) -> u32 {
        self.line_and_column(offset).0
    }

    fn line_and_column(&self, offset: usize) -> (u32, u32) {
        let before = self.newlines.partition_point(|newline| *newline < offset);
        let start = before.checked_sub(1).map_or(0, |at| self.newlines[at] + 1);
        (before as u32 + 1, (offset - start) as u32 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Element, String> {
        let lookup = |name: &str| (name == "who").then(|| "<me>".to_owned());
        parse("f.xml", text, &lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn elements_know_place_text_and_attributes() {
        let text = "\u{feff}<?xml version='1.0'?>\n<!-- <x/> -->\n<c:root xmlns:c='urn:c' xsi:s='x'>\n  <a  k=' 1 &amp; 2 '>\n x&lt;${who}<!-- no -->y&#65;&#x42; <![CDATA[<&]]>\n</a><b/></c:root>\n";
        let root = read(text).unwrap();
        assert_eq!((root.name.as_str(), root.line, root.attributes.len(), root.path.as_str()), ("root", 3, 0, ""));
        let a = root.child("a").unwrap();
        assert_eq!((a.line, a.column, a.path.as_str()), (4, 3, "<a>"));
        assert_eq!(a.attribute("k"), Some("1 & 2"));
        assert_eq!(a.text, "x<<me>yAB <&");
        assert_eq!(root.children.len(), 2);
    }

    #[test]
    fn what_is_not_accepted_is_named_with_its_line() {
        let deep = "<a>".repeat(65);
        let large = " ".repeat(SIZE_MAX + 1);
        for (text, expected) in [
            ("<a>\n<b>\n</a>", "f.xml:3: not well-formed XML"),
            ("<a>\n<b></b>\n", "f.xml:3: <a> of line 1 is not closed"),
            ("", "f.xml:1: the file has no element"),
            ("<a/><b/>", "f.xml:1: a second root element"),
            ("<a/>\nx", "f.xml:1: text outside"),
            ("<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>", "f.xml:1: a document type"),
            ("<a>\n&x;</a>", "f.xml:2: the entity &x; is not defined"),
            ("<a k='&x;'/>", "f.xml:1: attribute k"),
            ("<a>&#0;</a>", "f.xml:1: the entity &#0; is not defined"),
            ("<a k='1' k='2'/>", "f.xml:1: not well-formed XML"),
            ("<a>\n<xi:include href='x'/></a>", "f.xml:2: xi:include is not supported"),
            ("<a", "f.xml:1: not well-formed XML"),
            ("</a>", "f.xml:1: not well-formed XML"),
            (&deep, "f.xml:1: elements are nested deeper than 64"),
            (&large, "f.xml:1: the file is larger"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
