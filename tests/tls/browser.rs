//! wss from Chromium, with the page of the examples.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use crate::python;
use crate::stores::{Stores, instance};
use crate::support::process::{self, PATIENCE};

/// Installing MQTT.js takes its time.
const PATIENCE_INSTALL: Duration = Duration::from_secs(120);

fn chromium() -> String {
    let found = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let found = found.into_iter().find(|path| std::path::Path::new(path).exists());
    found.expect("this test needs chromium, see bin/test").to_owned()
}

#[test]
fn the_page_publishes_and_subscribes_over_wss() {
    let instance = instance("keyStorePath=store;keyStorePassword=changeit");
    let stores = Stores::with_server(&instance);
    stores.pkcs12("server", "store", &["-passout", "pass:changeit"]);
    let broker = instance.start();
    let root = env!("CARGO_MANIFEST_DIR");
    let mut npm = Command::new("npm");
    npm.args(["--prefix", "examples/browser", "start", "--", "0"]).current_dir(root);
    let page = process::start(npm.process_group(0), "npm");
    let line = page.wait_for_within("Open http://", PATIENCE_INSTALL);
    let (_, address) = line.split_once("Open ").unwrap();
    let mut person = Command::new("node");
    person.arg(python::test_file("node/page.mjs"));
    let broker = format!("wss://localhost:{}", broker.port());
    person.args([address, &broker, &chromium(), "--ignore-certificate-errors"]);
    let text = process::run(&mut person, "node", PATIENCE * 4).success();
    assert_eq!(text, "connected\npublished and received\n");
}
