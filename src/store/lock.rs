use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;

use super::JournalError;

/// The sole right to a data directory, held until dropped or the process ends: an advisory lock on `<data>/lock`,
/// which contains the process id of its owner.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock of `data`, an existing directory.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when another process, or another journal of this one, holds it.
    pub fn acquire(data: &Path) -> Result<Self, JournalError> {
        let path = data.join("lock");
        let error = |source| JournalError::file(&path, source);
        let file = open(&path).map_err(error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(data, &path)),
            Err(TryLockError::Error(source)) => return Err(error(source)),
        }
        record_owner(&file).map_err(error)?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn record_owner(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", process::id())
}

fn in_use(data: &Path, path: &Path) -> JournalError {
    let owner = fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let owner = if owner.is_empty() { "unknown".to_owned() } else { owner };
    JournalError::InUse { path: data.to_owned(), owner }
}

#[cfg(test)]
mod tests {
    use super::super::contract::TestDirectory;
    use super::*;

    #[test]
    fn a_second_owner_is_refused_until_the_first_is_gone() {
        let data = TestDirectory::new("lock");
        let first = DataLock::acquire(data.path()).unwrap();
        let refused = DataLock::acquire(data.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", process::id())), "{refused}");
        assert!(refused.contains(data.path().to_str().unwrap()), "{refused}");
        drop(first);
        DataLock::acquire(data.path()).unwrap();
    }

    #[test]
    fn a_missing_directory_is_named() {
        let data = TestDirectory::new("lock-missing");
        let error = DataLock::acquire(&data.path().join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent/lock"), "{error}");
    }
}
