//! docs/conformance.md against the standards, the tests and the source: nothing is missing, and all it names is there. Each
//! rule is tried on made-up tables too, so that it is known to fail.

#[path = "statement/document.rs"]
mod document;
#[path = "statement/numbers.rs"]
mod numbers;
#[path = "statement/tree.rs"]
mod tree;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use document::Row;
use tree::{Check, File};

/// Chapters with one row per statement, and their numbers.
const STANDARDS: [(&str, &[numbers::Run]); 2] = [("MQTT 5", numbers::MQTT_5), ("MQTT 3.1.1", numbers::MQTT_3_1_1)];

/// Traps, numbered from 1: those of shipped brokers, what is easily done otherwise than Artemis, Artemis's own faults, and what
/// could be decided otherwise.
const TRAPS: [(&str, usize); 4] = [("T", 25), ("A", 25), ("B", 34), ("D", 9)];

const SHOWN: &str = "shown by";
const PLACE: &str = "enforced in";

fn document() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    document::rows(&fs::read_to_string(path).expect("docs/conformance.md"))
}

fn scripts() -> Vec<Check> {
    tree::checks(&tree::read("tests/conformance", "py"))
}

fn sources() -> Vec<File> {
    let mut files = tree::read("src", "rs");
    files.extend(tree::read("tests", "rs"));
    files
}

/// Numbers that a chapter does not have, has twice, or should not have.
fn incomplete(rows: &[Row], chapter: &str, expected: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.chapter == chapter) {
        for number in row.items("number").into_iter().chain(row.items("numbers")) {
            *found.entry(number).or_default() += 1;
        }
    }
    let mut wrong = Vec::new();
    for number in expected {
        match found.remove(number.as_str()) {
            None => wrong.push(format!("{chapter}: no row for {number}")),
            Some(1) => {}
            Some(count) => wrong.push(format!("{chapter}: {count} rows for {number}")),
        }
    }
    wrong.extend(found.keys().map(|number| format!("{chapter}: there is no {number}")));
    wrong
}

/// Rows without a test, and tests that are not there.
fn untested(rows: &[Row], files: &[File], checks: &[Check]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows.iter().filter(|row| row.has(SHOWN)) {
        let tests = row.items(SHOWN);
        if tests.is_empty() {
            wrong.push(format!("line {}: no test", row.line));
        }
        for test in tests {
            let is_there = checks.iter().any(|check| check.name == test) || tree::has_test(files, test);
            if !is_there {
                wrong.push(format!("line {}: no test {test}", row.line));
            }
        }
    }
    wrong
}

/// Checks of the script that do not carry the number of a row that names them.
fn unmarked(rows: &[Row], checks: &[Check]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        let Some(standard) = STANDARDS.iter().position(|(chapter, _)| *chapter == row.chapter) else { continue };
        for number in row.items("number") {
            let named = row.items(SHOWN);
            for check in checks.iter().filter(|check| named.contains(&check.name.as_str())) {
                if !check.statements[standard].iter().any(|carried| carried == number) {
                    wrong.push(format!("line {}: {} does not carry {number}", row.line, check.name));
                }
            }
        }
    }
    wrong
}

/// Numbers that checks carry and no standard has.
fn unknown(checks: &[Check]) -> Vec<String> {
    let mut wrong = Vec::new();
    for check in checks {
        for ((chapter, runs), carried) in STANDARDS.iter().zip(&check.statements) {
            let strange = carried.iter().filter(|number| !numbers::all(runs).any(|known| known == **number));
            wrong.extend(strange.map(|number| format!("{}: {chapter} has no {number}", check.name)));
        }
    }
    wrong
}

/// Rows without a place of enforcement, and places that are not there.
fn unenforced(rows: &[Row], files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows.iter().filter(|row| row.has(PLACE)) {
        let places = row.items(PLACE);
        if places.is_empty() {
            wrong.push(format!("line {}: no place", row.line));
        }
        let lost = places.into_iter().filter(|place| !tree::has_place(files, place));
        wrong.extend(lost.map(|place| format!("line {}: no place {place}", row.line)));
    }
    wrong
}

#[track_caller]
fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} times:\n{}", wrong.len(), wrong.join("\n"));
}

fn table(rows: &str) -> Vec<Row> {
    document::rows(&format!("## MQTT 5\n\n| number | {SHOWN} | {PLACE} |\n| --- | --- | --- |\n{rows}\n"))
}

fn script(text: &str) -> Vec<Check> {
    tree::checks(&[File { path: "tests/conformance/checks_a.py".into(), text: text.into() }])
}

fn source(text: &str) -> Vec<File> {
    vec![File { path: "src/a/b.rs".into(), text: text.into() }]
}

#[test]
fn every_statement_has_its_row() {
    let expected = || ["1.1-1", "1.1-2"].map(str::to_owned).into_iter();
    let found = |rows: &str| incomplete(&table(rows), "MQTT 5", expected());
    assert_eq!(found("| 1.1-1 | x | y |\n| 1.1-2 | x | y |"), Vec::<String>::new());
    assert_eq!(found("| 1.1-1 | x | y |"), ["MQTT 5: no row for 1.1-2"]);
    assert_eq!(found("| 1.1-1 | x | y |\n| 1.1-2 | x | y |\n| 1.1-2 | x | y |"), ["MQTT 5: 2 rows for 1.1-2"]);
    assert_eq!(found("| 1.1-1, 1.1-2, 1.1-3 | x | y |"), ["MQTT 5: there is no 1.1-3"]);
    let rows = document();
    let wrong: Vec<_> =
        STANDARDS.iter().flat_map(|(chapter, runs)| incomplete(&rows, chapter, numbers::all(runs))).collect();
    assert_none(&wrong);
}

#[test]
fn every_trap_has_its_row() {
    let names = TRAPS.iter().flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}")));
    assert_none(&incomplete(&document(), "Traps", names));
}

#[test]
fn every_test_is_there() {
    let checks = script("@check(\"MQTT-1.1-1\", ALL)\ndef x(t):\n    pass\n\n\ndef helper(t):\n    pass\n");
    let files = source("#[test]\nfn y() {}\nfn z() {}\nproptest! {\n#[test]\n#[cfg(unix)]\nfn w(a in b) {}\n}\n");
    let found = |cell: &str| untested(&table(&format!("| 1.1-1 | {cell} | y |")), &files, &checks);
    assert_eq!(found("`a.x`, `a/b::y`, `a/b::w`"), Vec::<String>::new());
    for missing in ["", "`a.helper`", "`a.y`", "`b.x`", "`a/b::z`", "`b::w2`", "`a/b`", "`other/b::y`"] {
        assert_eq!(found(missing).len(), 1, "{missing}");
    }
    assert_none(&untested(&document(), &sources(), &scripts()));
}

#[test]
fn every_check_carries_the_numbers_of_its_rows() {
    let found = |decorator: &str| {
        let checks = script(&format!("@check({decorator})\ndef x(t):\n    pass\n"));
        unmarked(&table("| 1.1-1 | `a.x` | y |"), &checks).len()
    };
    for right in ["\"MQTT-1.1-1\"", "\"MQTT-1.1-2 MQTT-1.1-1\", MODERN", "\"MQTT-1.1-2 \"\n\"MQTT-1.1-1\", (4, 5)"] {
        assert_eq!(found(right), 0, "{right}");
    }
    for wrong in ["\"MQTT-1.1-11\"", "\"MQTT-1.1-2\", ALL, v4=\"MQTT-1.1-1\"", "\"MQTT-1.1-1\", (3, 4)", "\"MQTT-1.1\""]
    {
        assert_eq!(found(wrong), 1, "{wrong}");
    }
    assert_none(&unmarked(&document(), &scripts()));
}

#[test]
fn every_number_that_a_check_carries_is_one_of_its_standard() {
    let found = |decorator: &str| unknown(&script(&format!("@{decorator}\ndef x(t):\n    pass\n"))).len();
    assert_eq!(found("check(\"MQTT-1.5.4-1 MQTT-1.5.4\", ALL, v4=\"MQTT-1.5.3-1\")"), 0);
    assert_eq!(found("check(\"MQTT-1.5.3-1\", ALL, v4=\"MQTT-1.5.4-1\")"), 2);
    assert_eq!(found("check(\"MQTT-1.5.4-1\", (4,))"), 1);
    assert_eq!((found("on_ws(\"MQTT-6.0.0-1\")"), found("on_ws(\"MQTT-6.0.0-9\")")), (0, 2));
    assert_none(&unknown(&scripts()));
}

#[test]
fn every_place_of_enforcement_is_there() {
    let files = source("const LIMIT: u8 = 1;\nfn check() { called() }\n");
    let found = |cell: &str| unenforced(&table(&format!("| 1.1-1 | x | {cell} |")), &files).len();
    assert_eq!((found("`a/b::check`"), found("`b::check`, `a/b::LIMIT`")), (0, 0));
    assert_eq!((found(""), found("`a/b::called`"), found("`a/c::check`")), (1, 1, 1));
    let shipped: Vec<_> = sources().into_iter().filter(|file| file.path.starts_with("src/")).collect();
    assert_none(&unenforced(&document(), &shipped));
}
