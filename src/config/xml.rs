//! A configuration file as a tree of elements that know where they stand.

use std::cell::Cell;
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::error::ConfigError;
use super::substitute::{Lookup, substitute};

/// Bytes of a file and all that it includes.
pub const SIZE_MAX: usize = 4 << 20;
const DEPTH_MAX: usize = 64;
const INCLUDES_MAX: usize = 8;
const INCLUDE: &str = "xi:include";

/// One element: text and attributes are trimmed and have their `${...}` replaced, namespaces are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub file: Arc<str>,
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

/// Finds the file that another one includes: of that one's name and the `href` it makes the other's name and text.
pub type Include<'a> = &'a dyn Fn(&str, &str) -> Result<(String, String), String>;

/// Parses a whole file; `lookup` answers the names in `${name}` and `${name:default}`.
pub fn parse(file: &str, text: &str, lookup: Lookup<'_>) -> Result<Element, ConfigError> {
    parse_including(file, text, lookup, &|_, _| Err("is not supported in this file".into()))
}

/// Parses a whole file, with other files in place of each `<xi:include href="..."/>`.
pub fn parse_including(
    file: &str,
    text: &str,
    lookup: Lookup<'_>,
    include: Include<'_>,
) -> Result<Element, ConfigError> {
    Reading { lookup, include, bytes_left: Cell::new(SIZE_MAX) }.file(file, text, None, 0)
}

struct Reading<'a> {
    lookup: Lookup<'a>,
    include: Include<'a>,
    bytes_left: Cell<usize>,
}

impl Reading<'_> {
    /// Parses one file; `around` is the path of the element that includes it, `depth` says how many files are around it.
    fn file(&self, file: &str, text: &str, around: Option<&str>, depth: usize) -> Result<Element, ConfigError> {
        let Some(left) = self.bytes_left.get().checked_sub(text.len()) else {
            return Err(ConfigError::at_line(file, 1, format!("the file is larger than {SIZE_MAX} bytes")));
        };
        self.bytes_left.set(left);
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut tree = Tree::new(file, text, around, self.lookup);
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
            if let (Some(wanted), Some(parent)) = (tree.wanted.take(), tree.open.last_mut()) {
                parent.children.push(self.included(&wanted, &parent.path, depth)?);
            }
        }
        let line = tree.positions.line(text.len());
        tree.finish().map_err(|message| ConfigError::at_line(file, line, message))
    }

    fn included(&self, element: &Element, around: &str, depth: usize) -> Result<Element, ConfigError> {
        let wrong = |message: String| ConfigError::at(element, message);
        let attributes = element.attributes.iter().filter(|(name, _)| name != "href").map(|(name, _)| name);
        if let Some(other) = attributes.chain(element.children.iter().map(|child| &child.name)).next() {
            return Err(wrong(format!("{other} is not supported: only a whole file can be included")));
        }
        if depth == INCLUDES_MAX {
            return Err(wrong(format!("files include each other deeper than {INCLUDES_MAX}")));
        }
        let href = element.attribute("href").unwrap_or_default();
        let (file, text) = (self.include)(&element.file, href).map_err(wrong)?;
        self.file(&file, &text, Some(around), depth + 1)
    }
}

struct Tree<'a> {
    file: Arc<str>,
    positions: Positions,
    around: Option<&'a str>,
    lookup: Lookup<'a>,
    open: Vec<Element>,
    root: Option<Element>,
    /// An element in whose place another file is to be put.
    wanted: Option<Element>,
}

impl<'a> Tree<'a> {
    fn new(file: &str, text: &str, around: Option<&'a str>, lookup: Lookup<'a>) -> Self {
        let (file, positions) = (file.into(), Positions::of(text));
        Self { file, positions, around, lookup, open: Vec::new(), root: None, wanted: None }
    }

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
        let name = start.name().0;
        // Federations have an include of their own, without a prefix.
        let name = if name.ends_with(":include") { INCLUDE } else { local(name) }.to_owned();
        if name == INCLUDE && self.open.is_empty() {
            return Err("xi:include cannot be the root element".into());
        }
        let (line, column) = self.positions.line_and_column(at);
        let path = match self.open.last().map(|parent| parent.path.as_str()).or(self.around) {
            Some(around) => format!("{around}<{name}>"),
            None => String::new(),
        };
        let (file, attributes) = (self.file.clone(), self.attributes(start)?);
        self.open.push(Element { file, name, line, column, path, attributes, ..Element::default() });
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
            Some(_) if element.name == INCLUDE => self.wanted = Some(element),
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
            ("<a>\n<xi:include href='x'/></a>", "f.xml:2: <xi:include>: is not supported in this file"),
            ("<xi:include href='x'/>", "f.xml:1: xi:include cannot be the root element"),
            ("<a", "f.xml:1: not well-formed XML"),
            ("</a>", "f.xml:1: not well-formed XML"),
            (&deep, "f.xml:1: elements are nested deeper than 64"),
            (&large, "f.xml:1: the file is larger"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    /// The tree of `main`, or what is wrong with it, where these files may be included.
    fn include(main: &str, files: &[(&str, &str)]) -> Result<Element, String> {
        let find = |from: &str, href: &str| {
            let file = files.iter().find(|(name, _)| *name == href);
            file.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).ok_or(format!("{from} has no {href:?}"))
        };
        parse_including("f.xml", main, &|_| Some("b".to_owned()), &find).map_err(|error| error.to_string())
    }

    #[test]
    fn another_file_takes_the_place_of_its_include() {
        let main = "<a><x/>\n<xi:include href='${b}.xml'/><y/><include href='q'/></a>";
        let root = include(main, &[("b.xml", "<b>\n<xi:include href='c'/></b>"), ("c", "\u{feff}<c>\n<d/>t</c>")]);
        let root = root.unwrap();
        let names: Vec<_> = root.children.iter().map(|child| child.name.as_str()).collect();
        assert_eq!(names, ["x", "b", "y", "include"]);
        let c = root.child("b").unwrap().child("c").unwrap();
        let d = c.child("d").unwrap();
        assert_eq!((&*d.file, d.line, d.path.as_str(), c.text.as_str()), ("c", 2, "<b><c><d>", "t"));
    }

    #[test]
    fn what_cannot_be_included_is_named_with_its_place() {
        let files = [
            ("again", "<a><xi:include href='again'/></a>"),
            ("entity", "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>"),
            ("broken", "<a>\n<b></a>"),
            ("only", "<xi:include href='again'/>"),
        ];
        for (inner, expected) in [
            ("", "f.xml:2: <xi:include>: f.xml has no \"\""),
            ("href='none'", "f.xml:2: <xi:include>: f.xml has no \"none\""),
            ("href='again'", "again:1: <a><a><a><a><a><a><a><a><xi:include>: files include each other deeper than 8"),
            ("href='entity'", "entity:1: a document type"),
            ("href='broken'", "broken:2: not well-formed XML"),
            ("href='only'", "only:1: xi:include cannot be the root element"),
            ("href='only' parse='text'", "f.xml:2: <xi:include>: parse is not supported"),
            ("href='only' xpointer='x'", "f.xml:2: <xi:include>: xpointer is not supported"),
        ] {
            let error = include(&format!("<r>\n<xi:include {inner}/></r>"), &files).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let error = include("<r><xi:include href='none'><xi:fallback/></xi:include></r>", &[]).unwrap_err();
        assert!(error.contains("fallback is not supported"), "{error}");
    }

    #[test]
    fn all_files_together_are_bounded() {
        let large = format!("<a>{}</a>", " ".repeat(SIZE_MAX / 3));
        let main = |count| format!("<r>{}</r>", "<xi:include href='large'/>".repeat(count));
        assert_eq!(include(&main(2), &[("large", &large)]).unwrap().children.len(), 2);
        let error = include(&main(3), &[("large", &large)]).unwrap_err();
        assert!(error.starts_with("large:1: the file is larger"), "{error}");
    }
}
