//! The account that a broker runs as, and what its files are to others.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setuid};

use super::Failure;

/// Files that are made from now on are the account's alone.
pub fn make_files_private() {
    umask(Mode::S_IRWXG | Mode::S_IRWXO);
}

/// An account to run as.
#[derive(Debug)]
pub struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
}

/// The account that the broker is to change to; none if it is to stay, or is that account already.
///
/// # Errors
/// There is no such account, or a process that is not root's is to change its account.
pub fn account(name: Option<&str>) -> Result<Option<Account>, Failure> {
    let own = Uid::effective();
    let Some(name) = name else {
        if own.is_root() {
            tracing::info!("the broker runs as root: with --user NAME it does so only until its ports are open");
        }
        return Ok(None);
    };
    let user = User::from_name(name).map_err(|error| Failure::Account(format!("--user {name}: {error}")))?;
    let user = user.ok_or_else(|| Failure::Account(format!("--user {name}: there is no such account")))?;
    if user.uid == own {
        return Ok(None);
    }
    if !own.is_root() {
        return Err(Failure::Account(format!("--user {name}: only root can run a broker as somebody else")));
    }
    Ok(Some(Account { name: name.to_owned(), uid: user.uid, gid: user.gid }))
}

impl Account {
    /// Gives up being root for good, with all of root's groups; `directories` and what is in them become the account's.
    ///
    /// # Errors
    /// The account cannot be taken: the broker must not go on.
    pub fn take(&self, directories: &[&Path]) -> Result<(), Failure> {
        for directory in directories {
            fs::create_dir_all(directory).map_err(|error| Failure::file(directory, error))?;
            self.own(directory).map_err(|error| Failure::file(directory, error))?;
        }
        self.become_it().map_err(|error| Failure::Account(format!("--user {}: {error}", self.name)))?;
        tracing::info!("the broker runs as {}", self.name);
        Ok(())
    }

    fn become_it(&self) -> io::Result<()> {
        let name = std::ffi::CString::new(self.name.as_str())?;
        initgroups(&name, self.gid)?;
        setgid(self.gid)?;
        setuid(self.uid)?;
        if setuid(Uid::from_raw(0)).is_ok() {
            return Err(io::Error::other("root's rights did not go"));
        }
        Ok(())
    }

    fn own(&self, path: &Path) -> io::Result<()> {
        let file = fs::symlink_metadata(path)?;
        if file.uid() != self.uid.as_raw() {
            lchown(path, Some(self.uid.as_raw()), Some(self.gid.as_raw()))?;
        }
        if file.is_dir() {
            for entry in fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        Ok(())
    }
}
