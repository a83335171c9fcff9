//! Tests and places of the source tree, by name.

use std::fs;
use std::path::Path;

/// A text file of the tree.
#[derive(Debug)]
pub struct File {
    /// Below the package's directory.
    pub path: String,
    pub text: String,
}

/// A check of the conformance script.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// `acks.puback_ends_the_flow` is in checks_acks.py.
    pub name: String,
    /// What it shows, by the numbers of MQTT 5 and of MQTT 3.1.1.
    pub statements: [Vec<String>; 2],
}

pub fn read(folder: &str, ending: &str) -> Vec<File> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    read_into(&base.join(folder), base, ending, &mut files);
    files
}

fn read_into(folder: &Path, base: &Path, ending: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a folder of the tree") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("node_modules") {
            read_into(&path, base, ending, files);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            let name = path.strip_prefix(base).expect("below the package").to_string_lossy().replace('\\', "/");
            files.push(File { path: name, text: fs::read_to_string(&path).expect("a text file") });
        }
    }
}

/// The file that a name such as `engine/tests/sessions` ends the path of, and the item it names.
fn locate<'f>(files: &'f [File], name: &str) -> Option<(&'f File, String)> {
    let (file, item) = name.split_once("::")?;
    let is_meant = |path: &str| {
        let stem = path.trim_end_matches(".rs");
        stem.strip_suffix(file).is_some_and(|before| before.ends_with('/'))
    };
    let mut found = files.iter().filter(|candidate| is_meant(&candidate.path));
    let only = found.next().filter(|_| found.next().is_none())?;
    Some((only, item.to_owned()))
}

/// Whether the one file that is meant has a test function of that name.
pub fn has_test(files: &[File], name: &str) -> bool {
    let Some((file, item)) = locate(files, name) else { return false };
    let mut lines = file.text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let is_test = line == "#[test]" || line.starts_with("#[tokio::test");
        let head = format!("fn {item}(");
        if is_test && lines.find(|line| line.contains("fn ")).is_some_and(|line| line.contains(&head)) {
            return true;
        }
    }
    false
}

/// Whether the one file that is meant has a function, constant or type of that name.
pub fn has_place(files: &[File], name: &str) -> bool {
    let Some((file, item)) = locate(files, name) else { return false };
    let words: Vec<_> = file.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let kinds = ["fn", "const", "struct", "enum", "mod"];
    words.windows(2).any(|pair| kinds.contains(&pair[0]) && pair[1] == item)
}

/// The checks of the conformance script's files.
pub fn checks(files: &[File]) -> Vec<Check> {
    files.iter().flat_map(checks_of).collect()
}

fn checks_of(file: &File) -> Vec<Check> {
    let module = file.path.rsplit_once("checks_").map_or("", |(_, name)| name.trim_end_matches(".py"));
    let mut checks = Vec::new();
    let mut decorator = None;
    for line in file.text.lines() {
        if line.starts_with("@check(") || line.starts_with("@on_ws(") {
            decorator = Some(String::new());
        }
        if let Some(rest) = line.strip_prefix("def ") {
            if let Some(decorator) = decorator.take() {
                let function = rest.split('(').next().unwrap_or_default();
                checks.push(Check { name: format!("{module}.{function}"), statements: statements(&decorator) });
            }
        } else if let Some(decorator) = &mut decorator {
            decorator.push_str(line);
        }
    }
    checks
}

/// The numbers that a decorator names, of MQTT 5 and of MQTT 3.1.1. Over WebSocket both have the same.
fn statements(decorator: &str) -> [Vec<String>; 2] {
    let arguments = decorator.split_once('(').map_or("", |(_, arguments)| arguments);
    let (first, rest) = literal(arguments);
    let fourth = rest.split_once("v4=").map(|(_, argument)| literal(argument).0);
    if decorator.starts_with("@on_ws") {
        return [numbers(&first), numbers(&first)];
    }
    let (new, old) = match versions(rest) {
        [true, true] => (first, fourth.unwrap_or_default()),
        [true, false] => (first, String::new()),
        [false, _] => (String::new(), first),
    };
    [numbers(&new), numbers(&old)]
}

/// Whether a check runs on MQTT 5 and on MQTT 3.1.1, by its arguments after the first.
fn versions(arguments: &str) -> [bool; 2] {
    let arguments = arguments.trim_start_matches(',').trim_start();
    let arguments = arguments.strip_prefix("versions=").unwrap_or(arguments);
    match arguments.strip_prefix('(').and_then(|list| list.split(')').next()) {
        Some(list) => [list.contains('5'), list.contains('4')],
        None => [true, arguments.starts_with("ALL") || arguments.starts_with("MODERN")],
    }
}

/// The string at the front, of one or several literals, and what follows.
fn literal(text: &str) -> (String, &str) {
    let (mut value, mut rest) = (String::new(), text);
    while let Some((inner, after)) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        value.push_str(inner);
        rest = after;
    }
    (value, rest)
}

/// Numbers of statements; sections, which have none, are left out.
fn numbers(text: &str) -> Vec<String> {
    let numbered = text.split(' ').filter_map(|word| word.strip_prefix("MQTT-")).filter(|number| number.contains('-'));
    numbered.map(str::to_owned).collect()
}
