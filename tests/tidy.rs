//! What the source tree keeps to. Each rule is tried on a made-up snippet too, so that it is known to fail.

#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use source::{File, item_end, line_of, words};

/// Modules by row: each imports from lower rows only.
const LAYERS: [&[&str]; 7] = [
    &["core"],
    &["store", "security", "config", "keystore"],
    &["protocol"],
    &["engine"],
    &["net", "management"],
    &["broker"],
    &["cli", "main"],
];

/// Imports that the rows forbid, and why they are right all the same.
const IMPORTS: &[(&str, &str, &str)] = &[
    ("net", "management::control", "the control socket speaks management's messages"),
    ("main", "cli", "the program is the command line"),
];

const LINES_MAX: usize = 800;
const LINES_USUAL: usize = 500;
const FUNCTION_MAX: usize = 70;
const DEPENDENCIES_MAX: usize = 30;

/// Files that may be longer than usual.
const LONG_FILES: &[&str] = &["src/core/trie.rs"];

/// Tests of a broker in a process of its own: it has the real clock only, and where time is what is tested they let it pass.
const REAL_TIME: [&str; 4] =
    ["tests/clients/support/process.rs", "tests/packet_log.rs", "tests/recovery/bench.rs", "tests/recovery/restart.rs"];

/// Modules without locks, tasks and clocks.
const PURE: [&str; 3] = ["core", "protocol", "engine"];
const IMPURE: [&str; 7] = ["Mutex", "RwLock", "async", "await", "tokio", "Instant", "SystemTime"];

/// What the core knows nothing of.
const PROTOCOL_WORDS: [&str; 5] = ["mqtt", "amqp", "stomp", "qos", "packet"];

const VAGUE_ENDINGS: [&str; 7] = ["Manager", "Handler", "Helper", "Util", "Utils", "Service", "Impl"];

fn row(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// Paths that follow `crate::`, or the crate's name in the program, braces taken apart one level.
fn imports(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for root in ["crate::", "artemis_rs::"] {
        for (at, _) in code.match_indices(root) {
            let rest: String = code[at + root.len()..].chars().take_while(|c| *c != ';').collect();
            let Some(group) = rest.strip_prefix('{') else {
                let path = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "_:".contains(*c)).collect();
                found.push((at, path));
                continue;
            };
            let mut depth = 0;
            let parts = group.split(|c: char| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                c == ',' && depth == 0
            });
            found.extend(parts.map(|part| (at, part.trim().trim_end_matches('}').to_owned())));
        }
    }
    found
}

fn layering(file: &File) -> Vec<String> {
    let module = file.module();
    let Some(own) = row(module) else { return Vec::new() };
    let mut wrong = Vec::new();
    for (at, path) in imports(&file.shipped) {
        let target = path.split("::").next().unwrap_or_default();
        let is_named = IMPORTS.iter().any(|(from, to, _)| *from == module && path.starts_with(to));
        if target != module && !is_named && row(target).is_some_and(|row| row >= own) {
            wrong.push(format!("{}:{}: {module} imports {path}", file.path, line_of(&file.code, at)));
        }
    }
    wrong
}

fn found(file: &File, at: usize, what: &str) -> String {
    format!("{}:{}: {what}", file.path, line_of(&file.code, at))
}

fn purity(file: &File) -> Vec<String> {
    if !PURE.contains(&file.module()) {
        return Vec::new();
    }
    let impure = words(&file.shipped).filter(|(_, word)| IMPURE.contains(word));
    let mut wrong: Vec<_> = impure.map(|(at, word)| found(file, at, word)).collect();
    wrong.extend(file.shipped.match_indices("std::time").map(|(at, path)| found(file, at, path)));
    wrong
}

fn neutrality(file: &File) -> Vec<String> {
    if file.module() != "core" {
        return Vec::new();
    }
    let is_protocol = |word: &str| PROTOCOL_WORDS.iter().any(|other| word.to_lowercase().contains(other));
    words(&file.code).filter(|(_, word)| is_protocol(word)).map(|(at, word)| found(file, at, word)).collect()
}

fn length(file: &File) -> Vec<String> {
    let lines = file.code.lines().count();
    let most = if LONG_FILES.contains(&&*file.path) { LINES_MAX } else { LINES_USUAL };
    (lines > most).then(|| format!("{}: {lines} lines, at most {most}", file.path)).into_iter().collect()
}

fn function_lengths(file: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, _) in words(&file.code).filter(|(_, word)| *word == "fn") {
        let name = words(&file.code[at + 2..]).next().map(|(_, name)| name).unwrap_or_default();
        let is_named = file.code[at + 2..].trim_start().starts_with(name) && !name.is_empty();
        let lines = file.code[at..item_end(&file.code, at)].lines().count();
        if is_named && lines > FUNCTION_MAX {
            wrong.push(found(file, at, &format!("{name} has {lines} lines, at most {FUNCTION_MAX}")));
        }
    }
    wrong
}

fn type_names(file: &File) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut words = words(&file.code);
    while let Some((_, word)) = words.next() {
        if !["struct", "enum", "trait", "type", "union"].contains(&word) {
            continue;
        }
        let Some((at, name)) = words.next() else { break };
        if name != "SecurityManager" && VAGUE_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            wrong.push(found(file, at, name));
        }
    }
    wrong
}

fn unwraps(file: &File) -> Vec<String> {
    file.shipped.match_indices(".unwrap()").map(|(at, what)| found(file, at, what)).collect()
}

fn leftovers(file: &File) -> Vec<String> {
    let everywhere = ["todo!", "unimplemented!", "#[ignore"].into_iter().map(|what| (what, &file.code));
    let in_tests = (!REAL_TIME.contains(&file.path.as_str())).then_some(("sleep(", &file.tested));
    let all = everywhere.chain(in_tests);
    all.flat_map(|(what, code)| code.match_indices(what).map(|(at, what)| found(file, at, what))).collect()
}

/// The direct dependencies of a Cargo.toml: too many, or without a word on what they are for.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut section = "";
    let (mut count, mut wrong) = (0, Vec::new());
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && !line.is_empty() && !line.starts_with('#') {
            count += usize::from(section == "[dependencies]");
            if !line.contains('#') {
                wrong.push(format!("Cargo.toml: no word on {line}"));
            }
        }
    }
    if count > DEPENDENCIES_MAX {
        wrong.push(format!("Cargo.toml: {count} dependencies, at most {DEPENDENCIES_MAX}"));
    }
    wrong
}

/// Declared modules of a file: their possible paths, and whether they are tests.
fn declared(file: &File) -> Vec<(String, String, bool)> {
    let code = &file.code;
    let folder = match file.path.rsplit_once('/') {
        Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
        _ => file.path.trim_end_matches(".rs").to_owned(),
    };
    let names = words(code)
        .zip(words(code).skip(1))
        .filter(|((_, word), (at, name))| *word == "mod" && code[at + name.len()..].starts_with(';'));
    names
        .map(|(_, (at, name))| {
            let is_test = file.tested[at..].starts_with(name);
            (format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs"), is_test)
        })
        .collect()
}

/// Files that a root leads to, and those of them that are tests.
fn reached(files: &[File], roots: &[&str]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut all, mut tests) = (BTreeSet::new(), BTreeSet::new());
    let mut open: Vec<(String, bool)> = roots.iter().map(|root| ((*root).to_owned(), false)).collect();
    while let Some((path, is_test)) = open.pop() {
        let Some(file) = files.iter().find(|file| file.path == path) else { continue };
        if !all.insert(path.clone()) {
            continue;
        }
        if is_test {
            tests.insert(path);
        }
        for (file, folder, is_declared_test) in declared(file) {
            open.extend([file, folder].map(|path| (path, is_test || is_declared_test)));
        }
    }
    (all, tests)
}

fn read(folder: &Path, base: &Path, files: &mut Vec<File>) {
    let entries = fs::read_dir(folder).expect("a folder of sources");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(&path, base, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(base).expect("below the package").to_string_lossy().replace('\\', "/");
            files.push(File::new(&name, &fs::read_to_string(&path).expect("a source file")));
        }
    }
}

/// The tree, with the files that only tests lead to marked as such.
fn tree() -> Vec<File> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    read(&base.join("src"), base, &mut files);
    let (_, tests) = reached(&files, &["src/lib.rs", "src/main.rs"]);
    for file in &mut files {
        if tests.contains(&file.path) {
            file.shipped = String::new();
            file.tested = file.code.clone();
        }
    }
    read(&base.join("tests"), base, &mut files);
    files
}

fn holds(rule: impl Fn(&File) -> Vec<String>) {
    let wrong: Vec<_> = tree().iter().flat_map(rule).collect();
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}

/// The rule finds fault with one source and not with another.
fn tells(rule: impl Fn(&File) -> Vec<String>, path: &str, wrong: &str, right: &str) {
    assert!(!rule(&File::new(path, wrong)).is_empty(), "not found: {wrong}");
    assert_eq!(rule(&File::new(path, right)), Vec::<String>::new());
}

#[test]
fn modules_import_from_lower_rows_only() {
    tells(layering, "src/core/id.rs", "use crate::engine::Engine;", "use crate::core::queue::Queue;");
    tells(layering, "src/store/mod.rs", "fn a() { crate::config::load() }", "use crate::core::id::Time;");
    tells(
        layering,
        "src/net/mod.rs",
        "use crate::{core::id, broker::Files};",
        "use crate::{core::id, engine::{A, B}};",
    );
    tells(layering, "src/net/mod.rs", "use crate::management::log;", "use crate::management::control::Question;");
    tells(
        layering,
        "src/engine/a.rs",
        "use crate::net::A;",
        "#[cfg(test)] mod tests { use crate::sim::Node; use crate::net::A; }",
    );
    holds(layering);
}

#[test]
fn the_pure_modules_know_no_lock_no_task_and_no_clock() {
    tells(purity, "src/engine/a.rs", "use std::sync::Mutex;", "// Mutex\nuse std::rc::Rc;");
    tells(purity, "src/core/a.rs", "async fn a() {}", "fn a() -> &'static str { \"async\" }");
    tells(purity, "src/protocol/a.rs", "use std::time::Duration;", "use std::fmt;");
    holds(purity);
}

#[test]
fn the_core_knows_no_protocol() {
    tells(neutrality, "src/core/a.rs", "struct PacketId;", "/// As in MQTT.\nstruct Handle;");
    holds(neutrality);
}

#[test]
fn files_and_functions_are_short() {
    tells(length, "src/a.rs", &"\n".repeat(LINES_USUAL + 1), &"\n".repeat(LINES_USUAL));
    let function = |lines| format!("fn a(b: fn(u8)) {{\n{}}}\nfn c();", "\n".repeat(lines));
    tells(function_lengths, "src/a.rs", &function(FUNCTION_MAX), &function(FUNCTION_MAX - 2));
    assert!(LONG_FILES.iter().all(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path).is_file()));
    holds(length);
    holds(function_lengths);
}

#[test]
fn types_are_named_for_what_they_are() {
    tells(type_names, "src/a.rs", "struct QueueManager;", "trait SecurityManager {}");
    holds(type_names);
}

#[test]
fn nothing_is_unwrapped_but_in_tests() {
    tells(
        unwraps,
        "src/a.rs",
        "fn a() { b().unwrap(); }",
        "#[test]\nfn a() { b().unwrap(); }\nfn c() { d().unwrap_or(1); }",
    );
    holds(unwraps);
}

#[test]
fn nothing_is_left_to_be_done_and_no_test_waits_by_the_clock() {
    tells(leftovers, "src/a.rs", "fn a() { todo!() }", "fn a() { b(\"todo!\") }");
    tells(leftovers, "src/a.rs", "#[cfg(test)] mod tests { fn a() { sleep(b); } }", "fn a() { sleep(b); }");
    tells(leftovers, "tests/a.rs", "#[ignore]\n#[test]\nfn a() {}", "#[test]\nfn a() {}");
    holds(leftovers);
}

#[test]
fn dependencies_are_few_and_each_is_accounted_for() {
    let wrong = "[dependencies]\na = \"1\"\n[dev-dependencies]\nb = \"1\" # why\n";
    assert_eq!(dependencies(wrong).len(), 1);
    let many: String = (0..=DEPENDENCIES_MAX).map(|number| format!("a{number} = \"1\" # why\n")).collect();
    assert_eq!(dependencies(&format!("[dependencies]\n{many}")).len(), 1);
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).expect("Cargo.toml");
    assert_eq!(dependencies(&manifest), Vec::<String>::new());
}

#[test]
fn every_file_belongs_to_a_module() {
    let lost = [
        File::new("src/lib.rs", "mod a;\n#[cfg(test)]\nmod tests;"),
        File::new("src/a/mod.rs", "mod b;"),
        File::new("src/a/b.rs", ""),
        File::new("src/tests.rs", ""),
        File::new("src/lost.rs", ""),
    ];
    let (all, tests) = reached(&lost, &["src/lib.rs"]);
    assert_eq!((all.len(), tests.len(), all.contains("src/lost.rs")), (4, 1, false));
    let files = tree();
    let (all, _) = reached(&files, &["src/lib.rs", "src/main.rs"]);
    let lost: Vec<_> = files
        .iter()
        .filter(|file| file.path.starts_with("src/") && !all.contains(&file.path))
        .map(|file| &file.path)
        .collect();
    assert!(lost.is_empty(), "no module leads to {lost:?}");
}
