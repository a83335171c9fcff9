//! Files that are read again when they change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Failure;

/// Between looks at the files.
const WATCH_PERIOD: Duration = Duration::from_millis(500);

/// What tells a file from its earlier content: place, size and time; nothing if it is not there.
type Signature = Option<(u64, u64, i64, i64)>;

/// Files as they were seen last.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    paths: Vec<PathBuf>,
    taken: Vec<Signature>,
    seen: Vec<Signature>,
}

impl Sight {
    /// The files as they are now. It is made before they are read, so that a change while they are counts as one.
    pub fn of(paths: &[PathBuf]) -> Self {
        let mut sight = Self::default();
        paths.iter().for_each(|path| sight.add(path));
        sight
    }

    /// One more file, as it is now.
    pub fn add(&mut self, path: &Path) {
        self.taken.push(signature(path));
        self.seen.push(signature(path));
        self.paths.push(path.to_owned());
    }

    /// Whether a file is another than the one that was taken, and does not change any more: a change counts once it is
    /// seen twice, so that no half-written file is read. It is taken with that.
    pub fn has_changed(&mut self) -> bool {
        let now: Vec<_> = self.paths.iter().map(|path| signature(path)).collect();
        let is_settled = std::mem::replace(&mut self.seen, now.clone()) == now;
        is_settled && std::mem::replace(&mut self.taken, now) != self.seen
    }
}

fn signature(path: &Path) -> Signature {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

/// Files and what is done when they change.
pub struct Watched {
    sight: Sight,
    reload: Arc<dyn Fn() -> Result<(), Failure> + Send + Sync>,
}

impl Watched {
    pub fn new(sight: Sight, reload: impl Fn() -> Result<(), Failure> + Send + Sync + 'static) -> Self {
        Self { sight, reload: Arc::new(reload) }
    }

    /// Its files that cannot be read, so that no change of theirs would count.
    pub fn unreadable(&self) -> impl Iterator<Item = &PathBuf> {
        self.sight.paths.iter().filter(|path| fs::File::open(path).is_err())
    }

    fn names(&self) -> String {
        let names = self.sight.paths.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
        names.collect::<Vec<_>>().join(", ")
    }
}

/// Reads the files again when they have changed; those that are wrong change nothing.
pub async fn watch(mut watched: Vec<Watched>) {
    loop {
        tokio::time::sleep(WATCH_PERIOD).await;
        for files in watched.iter_mut() {
            if !files.sight.has_changed() {
                continue;
            }
            let reload = files.reload.clone();
            match tokio::task::spawn_blocking(move || reload()).await {
                Ok(Ok(())) => tracing::info!("{} read again", files.names()),
                Ok(Err(failure)) => tracing::error!("what was read before still holds: {failure}"),
                Err(_) => tracing::error!("fault while {} was read again", files.names()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_it_is_settled_also_one_from_before_the_first_look() {
        let path = std::env::temp_dir().join(format!("artemis-rs-sight-{}", std::process::id()));
        let mut sight = Sight::of(std::slice::from_ref(&path));
        // As while the broker starts.
        fs::write(&path, "1").unwrap();
        assert_eq!([sight.has_changed(), sight.has_changed(), sight.has_changed()], [false, true, false]);
        fs::write(&path, "22").unwrap();
        assert!(!sight.has_changed());
        fs::write(&path, "333").unwrap();
        assert_eq!([sight.has_changed(), sight.has_changed(), sight.has_changed()], [false, true, false]);
        fs::remove_file(&path).unwrap();
        assert_eq!([sight.has_changed(), sight.has_changed(), sight.has_changed()], [false, true, false]);
    }
}
