use std::fs;
use std::path::Path;

use clap::Args;

use super::Failure;
use super::failure::print;
use super::instance::InstanceOption;
use crate::broker::{Files, Instance};
use crate::config::{Warning, login};

/// Read an instance's configuration and name what is wrong with it or has no effect
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    instance: InstanceOption,
}

impl Check {
    pub fn execute(self) -> Result<(), Failure> {
        let instance = self.instance.locate()?;
        let mut findings = Findings::default();
        let is_secured = match Files::load(&instance) {
            Ok(files) => {
                findings.warnings.extend(files.config.warnings);
                files.config.security_enabled
            }
            Err(failure) => {
                findings.errors.push(failure.to_string());
                true
            }
        };
        if is_secured {
            findings.add_login(&instance.etc().join("login.config"));
        }
        findings.report(&instance)
    }
}

/// What is wrong, and what has no effect.
#[derive(Default)]
struct Findings {
    warnings: Vec<Warning>,
    errors: Vec<String>,
}

impl Findings {
    fn add_login(&mut self, path: &Path) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.errors.push(format!("{}: {error}", path.display())),
        };
        match login::load("login.config", &text, &|name| std::env::var(name).ok()) {
            Ok(login) => self.warnings.extend(login.warnings),
            Err(errors) => self.errors.extend(errors.iter().map(ToString::to_string)),
        }
    }

    fn report(self, instance: &Instance) -> Result<(), Failure> {
        print(&self.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect::<String>())?;
        if !self.errors.is_empty() {
            return Err(Failure::lines(self.errors).with_code(2));
        }
        print(&format!("{} can be loaded.\n", instance.etc().display()))
    }
}
