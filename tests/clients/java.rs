//! Java as the tests have it.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use super::python::test_file;
use super::support::process;

/// What is missing where Java does not start.
pub const PACKAGE: &str = "default-jdk-headless";

/// The classes of tests/java, compiled once.
static CLASS_PATH: LazyLock<String> = LazyLock::new(|| {
    let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-java/lib");
    assert!(libraries.exists(), "this test needs the libraries of tests/java, see bin/test");
    let classes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("java");
    let libraries = format!("{}/*", libraries.display());
    let mut compiler = Command::new("javac");
    compiler.args(["-Xlint:all", "-Werror", "-cp", &libraries, "-d"]).arg(&classes);
    let sources = std::fs::read_dir(test_file("java/src")).unwrap().map(|file| file.unwrap().path());
    process::run(compiler.args(sources), PACKAGE, Duration::from_secs(120)).success();
    format!("{}:{libraries}", classes.display())
});

/// A program of tests/java.
pub fn command(class: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-XX:TieredStopAtLevel=1", "-cp", &CLASS_PATH, class]);
    command
}
