//! Files that are read again when they change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Failure;

/// Between looks at the files. A change counts once it is seen twice, so that no half-written file is read.
const WATCH_PERIOD: Duration = Duration::from_millis(500);

/// Files and what is done when they change.
pub struct Watched {
    paths: Vec<PathBuf>,
    reload: Arc<dyn Fn() -> Result<(), Failure> + Send + Sync>,
}

/// What tells each file from its earlier content: place, size and time; nothing if it is not there.
pub type Signature = Vec<Option<(u64, u64, i64, i64)>>;

pub fn signature(paths: &[PathBuf]) -> Signature {
    let files = paths.iter().map(|path| fs::metadata(path).ok());
    files.map(|file| file.map(|file| (file.ino(), file.size(), file.mtime(), file.mtime_nsec()))).collect()
}

impl Watched {
    pub fn new(paths: Vec<PathBuf>, reload: impl Fn() -> Result<(), Failure> + Send + Sync + 'static) -> Self {
        Self { paths, reload: Arc::new(reload) }
    }

    /// Its files that cannot be read, so that no change of theirs would count.
    pub fn unreadable(&self) -> impl Iterator<Item = &PathBuf> {
        self.paths.iter().filter(|path| fs::File::open(path).is_err())
    }

    fn names(&self) -> String {
        let names = self.paths.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
        names.collect::<Vec<_>>().join(", ")
    }
}

/// Reads the files again when they have changed; those that are wrong change nothing.
pub async fn watch(watched: Vec<Watched>) {
    let mut states: Vec<_> = watched.iter().map(|files| [signature(&files.paths), signature(&files.paths)]).collect();
    loop {
        tokio::time::sleep(WATCH_PERIOD).await;
        for (files, [taken, seen]) in watched.iter().zip(&mut states) {
            let now = signature(&files.paths);
            let is_settled = std::mem::replace(seen, now.clone()) == now;
            if !is_settled || *taken == now {
                continue;
            }
            *taken = now;
            let reload = files.reload.clone();
            match tokio::task::spawn_blocking(move || reload()).await {
                Ok(Ok(())) => tracing::info!("{} read again", files.names()),
                Ok(Err(failure)) => tracing::error!("what was read before still holds: {failure}"),
                Err(_) => tracing::error!("fault while {} was read again", files.names()),
            }
        }
    }
}
