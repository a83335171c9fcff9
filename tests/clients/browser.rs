//! The browser page, in Chromium.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use super::support::broker::Instance;
use super::support::process::{self, PATIENCE};
use super::{python, readme_command};

/// Installing MQTT.js takes its time.
const PATIENCE_INSTALL: Duration = Duration::from_secs(120);

fn chromium() -> String {
    let found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let found = found.into_iter().find(|path| std::path::Path::new(path).exists());
    found.expect("this test needs chromium, see bin/test").to_owned()
}

#[test]
fn the_page_publishes_and_subscribes() {
    let instance = Instance::new();
    let broker = instance.start();
    let mut npm = readme_command("npm --prefix examples/browser start", &["--", "0"]);
    let page = process::start(npm.process_group(0), "npm");
    let line = page.wait_for_within("Open http://", PATIENCE_INSTALL);
    let (_, address) = line.split_once("Open ").unwrap();
    let mut person = Command::new("node");
    person.arg(python::test_file("node/page.mjs"));
    person.args([address, &format!("ws://localhost:{}", broker.port()), &chromium()]);
    let text = process::run(&mut person, "node", PATIENCE * 4).success();
    assert_eq!(text, "connected\npublished and received\n");
}
