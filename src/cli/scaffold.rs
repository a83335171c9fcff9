use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::Failure;
use crate::broker::Instance;
use crate::config::template::{self, Placeholders};
use crate::config::{self, bootstrap, login};

const PRIVATE_DIRECTORY: u32 = 0o700;
const PUBLIC_FILE: u32 = 0o644;
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FILES: [&str; 2] = ["artemis-users.properties", "artemis-roles.properties"];

/// A new instance's directories and files.
pub(super) struct Scaffold {
    pub instance: Instance,
    /// Whether a configuration that is there may be written over.
    pub force: bool,
}

impl Scaffold {
    /// Whether there is no configuration in the way.
    pub fn check_vacancy(&self) -> Result<(), Failure> {
        let etc = self.instance.etc();
        match fs::read_dir(&etc).map(|mut entries| entries.next().is_none()) {
            Ok(is_empty) if is_empty || self.force => Ok(()),
            Ok(_) => Err(Failure::new(format!("{} is not empty; --force writes over what is there", etc.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::file(&etc, &error)),
        }
    }

    /// Writes nothing unless all files would load.
    pub fn write(&self, placeholders: &Placeholders) -> Result<(), Failure> {
        let files = template::files(placeholders);
        check_loading(&files)?;
        let (etc, data) = (self.instance.etc(), self.instance.root.join(&placeholders.data));
        for directory in [&etc, &self.instance.log()] {
            fs::create_dir_all(directory).map_err(|error| Failure::file(directory, &error))?;
        }
        make_private_directory(&data).map_err(|error| Failure::file(&data, &error))?;
        for (name, text) in &files {
            let mode = if PRIVATE_FILES.contains(name) { PRIVATE_FILE } else { PUBLIC_FILE };
            let path = etc.join(name);
            write_file(&path, text, mode).map_err(|error| Failure::file(&path, &error))?;
        }
        Ok(())
    }
}

fn check_loading(files: &[(&str, String)]) -> Result<(), Failure> {
    for (name, text) in files {
        match *name {
            "broker.xml" => config::load(name, text, &|_| None).map(drop),
            "bootstrap.xml" => bootstrap::load(name, text, &|_| None).map(drop),
            "login.config" => login::load(name, text, &[bootstrap::DOMAIN], &|_| None).map(drop),
            _ => Ok(()),
        }
        .map_err(|errors| Failure::lines(errors).with_code(2))?;
    }
    Ok(())
}

// An existing one keeps its mode: it need not be ours alone.
fn make_private_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path)
}

fn write_file(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    // An older file has a mode of its own.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())
}
