//! `docs/attacks.md` names a test for every attack, and the test exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rows of the list of known attacks.
const ROWS: usize = 64;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "py") {
            found.push(path);
        }
    }
}

/// The names of all tests.
fn tests() -> BTreeSet<String> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "tests"].iter().for_each(|folder| sources(&base.join(folder), &mut files));
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if line == "#[test]" {
                let named = lines.by_ref().find_map(|line| line.strip_prefix("fn "));
                names.extend(named.and_then(|line| line.split('(').next()).map(str::to_owned));
            }
        }
    }
    names
}

/// Cells of the rows of both lists.
fn rows() -> Vec<Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/attacks.md")).unwrap();
    let lists = text.split("\n## ").next().unwrap();
    let rows = lists.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #"));
    rows.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_attack_has_a_test_that_exists() {
    let tests = tests();
    for row in rows() {
        let named: Vec<_> = row[3].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty() || row[3].starts_with("none: "), "{row:?}");
        for name in named {
            assert!(tests.contains(name), "there is no test {name}");
        }
    }
}

#[test]
fn every_row_of_the_list_is_there() {
    let numbers: BTreeSet<usize> = rows().iter().filter_map(|row| row[0].parse().ok()).collect();
    assert_eq!(numbers, (1..=ROWS).collect());
}
