mod commit;
mod tail;

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, ErrorKind, LogLevel, ReadOptions, WriteOptions,
};

use self::commit::{Commit, Committer};
use super::{Batch, Completion, DataLock, Journal, JournalError, Notify, Visit};

const FORMAT_KEY: &[u8] = b"\0format";
const FORMAT: &[u8] = b"1";
const FIRST_KEY: &[u8] = &[1];
const MIB: usize = 1024 * 1024;
const WRITE_BUFFER_BYTES: usize = 32 * MIB;
const WRITE_BUFFERS: i32 = 3;
const BLOCK_CACHE_BYTES: usize = 16 * MIB;
const WAL_BYTES_MAX: u64 = 256 * MIB as u64;
const BYTES_PER_SYNC: u64 = MIB as u64;
const SCAN_READAHEAD_BYTES: usize = 2 * MIB;
const BACKGROUND_JOBS: i32 = 2;
const LOG_FILES: usize = 5;
const DELETION_WINDOW: usize = 4096;
const DELETIONS_IN_WINDOW: usize = 2048;

/// Where a [`RocksDbJournal`] lives and how durable a commit is.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory, created with mode 0700; it holds `lock` and the directory `journal`.
    pub directory: PathBuf,
    /// True: a commit survives the loss of power. False: it survives the end of the process only.
    pub sync: bool,
    /// Without `sync`, what a loss of power can take away at most.
    pub flush_interval: Duration,
}

impl Options {
    /// A synced journal in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), sync: true, flush_interval: Duration::from_secs(1) }
    }
}

/// A journal in RocksDB: one thread merges everything that waits into one write with one sync.
///
/// Dropping it does what `close` does, without telling about errors.
pub struct RocksDbJournal {
    database: Option<Arc<DB>>,
    commits: Option<Sender<Commit>>,
    thread: Option<JoinHandle<Result<(), JournalError>>>,
    notify: Arc<Notify>,
    _lock: DataLock,
}

impl RocksDbJournal {
    /// Opens the journal below `options.directory`, creating what is missing, and starts its commit thread.
    ///
    /// # Errors
    /// The directory is in use, unusable, damaged beyond a cut-off tail, or of another format.
    pub fn open(options: Options, notify: Notify) -> Result<Self, JournalError> {
        create_directory(&options.directory)?;
        let lock = DataLock::acquire(&options.directory)?;
        let path = options.directory.join("journal");
        create_directory(&path)?;
        let database = Arc::new(open_database(&path)?);
        check_format(&database, &path)?;
        let notify = Arc::new(notify);
        let (commits, incoming) = mpsc::channel();
        let committer = Committer::new(&options, Arc::clone(&database), incoming, Arc::clone(&notify));
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || committer.run())
            .map_err(|source| JournalError::file(&path, source))?;
        Ok(Self { database: Some(database), commits: Some(commits), thread: Some(thread), notify, _lock: lock })
    }

    fn stop(&mut self) -> Result<(), JournalError> {
        self.commits = None;
        self.database = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(JournalError::Poisoned(COMMIT_THREAD_GONE.to_owned())),
        }
    }
}

const COMMIT_THREAD_GONE: &str = "the commit thread has ended";

impl Journal for RocksDbJournal {
    fn append(&mut self, ticket: u64, batch: Batch) {
        let sent = self.commits.as_ref().map(|commits| commits.send(Commit { ticket, batch }));
        if !matches!(sent, Some(Ok(()))) {
            (self.notify)(Completion::Failed { error: COMMIT_THREAD_GONE.to_owned() });
        }
    }

    fn scan(&mut self, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), JournalError> {
        let Some(database) = &self.database else {
            return Ok(());
        };
        let mut read = ReadOptions::default();
        read.fill_cache(false);
        read.set_readahead_size(SCAN_READAHEAD_BYTES);
        let mut cursor = database.raw_iterator_opt(read);
        cursor.seek(prefix.max(FIRST_KEY));
        while let Some((key, value)) = cursor.item() {
            if !key.starts_with(prefix) {
                break;
            }
            visit(key, value)?;
            cursor.next();
        }
        cursor.status().map_err(storage)
    }

    fn close(mut self: Box<Self>) -> Result<(), JournalError> {
        self.stop()
    }
}

impl Drop for RocksDbJournal {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// Opens the database. Where the end of its log is damaged rather than cut off, as by sectors that never reached the
/// disk, it is opened up to the damage, and that is told.
fn open_database(path: &Path) -> Result<DB, JournalError> {
    let aside = path.with_file_name(DAMAGED);
    if let Some(at) = tail::find_stall(path).map_err(|source| JournalError::file(path, source))? {
        keep_aside(path, &aside).map_err(|source| JournalError::file(&aside, source))?;
        tail::cut(&at).map_err(|source| JournalError::file(path, source))?;
        report_damage(path, &aside, "a record of a kind that is not written");
    }
    let error = match DB::open(&database_options(), path) {
        Ok(database) => return Ok(database),
        Err(error) if error.kind() == ErrorKind::Corruption => error,
        Err(error) => return Err(storage(error)),
    };
    keep_aside(path, &aside).map_err(|source| JournalError::file(&aside, source))?;
    let mut options = database_options();
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    let database = DB::open(&options, path).map_err(|_| storage(error.clone()))?;
    report_damage(path, &aside, error.as_ref());
    Ok(database)
}

fn report_damage(path: &Path, aside: &Path, error: &str) {
    tracing::error!(
        "AMQ222000: the journal below {} is damaged ({error}); what was written behind the damage is lost. After a power \
         cut that is what was not acknowledged; otherwise restore a backup. The damaged log is kept in {}",
        path.display(),
        aside.display()
    );
}

/// Copies what a repair may need: the write-ahead logs and what names the tables.
fn keep_aside(path: &Path, aside: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(aside)?;
    for file in std::fs::read_dir(path)? {
        let file = file?;
        let name = file.file_name();
        let text = name.to_string_lossy();
        if text.ends_with(".log") || text.starts_with("MANIFEST") || text == "CURRENT" {
            std::fs::copy(file.path(), aside.join(&name))?;
        }
    }
    Ok(())
}

/// Directory beside the journal's for a damaged log.
const DAMAGED: &str = "journal-damaged";

fn database_options() -> rocksdb::Options {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    durability(&mut options);
    memory_and_files(&mut options);
    options
}

fn durability(options: &mut rocksdb::Options) {
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    options.set_paranoid_checks(true);
    options.set_recycle_log_file_num(0);
    options.set_manual_wal_flush(false);
    options.set_use_fsync(false);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    options.set_wal_bytes_per_sync(BYTES_PER_SYNC);
}

fn memory_and_files(options: &mut rocksdb::Options) {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(WRITE_BUFFERS);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_level_compaction_dynamic_level_bytes(true);
    // A queue leaves runs of tombstones at its head; files full of them are compacted early.
    options.add_compact_on_deletion_collector_factory(DELETION_WINDOW, DELETIONS_IN_WINDOW, 0.5);
    options.set_max_background_jobs(BACKGROUND_JOBS);
    options.set_max_file_opening_threads(1);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_keep_log_file_num(LOG_FILES);
    options.set_log_level(LogLevel::Warn);
}

fn check_format(database: &DB, path: &Path) -> Result<(), JournalError> {
    match database.get(FORMAT_KEY).map_err(storage)? {
        Some(found) if found == FORMAT => Ok(()),
        Some(found) => Err(other_format(path, &found)),
        None => write_format(database, path),
    }
}

fn write_format(database: &DB, path: &Path) -> Result<(), JournalError> {
    let mut cursor = database.raw_iterator();
    cursor.seek_to_first();
    cursor.status().map_err(storage)?;
    if cursor.valid() {
        return Err(other_format(path, b"(none)"));
    }
    let mut write = WriteOptions::default();
    write.set_sync(true);
    database.put_opt(FORMAT_KEY, FORMAT, &write).map_err(storage)
}

fn other_format(path: &Path, found: &[u8]) -> JournalError {
    let found = String::from_utf8_lossy(found).escape_debug().to_string();
    JournalError::Format { path: path.to_owned(), found, expected: String::from_utf8_lossy(FORMAT).into_owned() }
}

/// Creates `path` readable by its owner only, and makes its name durable.
fn create_directory(path: &Path) -> Result<(), JournalError> {
    let error = |source| JournalError::file(path, source);
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(error)?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent).and_then(|parent| parent.sync_all()).map_err(error),
        None => Ok(()),
    }
}

fn storage(error: rocksdb::Error) -> JournalError {
    JournalError::Storage(error.into_string())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::PermissionsExt;

    use super::super::contract::{self, TestDirectory};
    use super::*;

    fn open(directory: &Path, notify: Notify) -> RocksDbJournal {
        RocksDbJournal::open(Options::new(directory), notify).unwrap()
    }

    fn batch(key: &[u8]) -> Batch {
        let mut batch = Batch::new();
        batch.put(key, &[1; 100]);
        batch
    }

    fn keys(journal: &mut RocksDbJournal) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            keys.push(key.to_vec());
            Ok(())
        };
        journal.scan(b"", &mut visit).unwrap();
        keys
    }

    fn suite(sync: bool) {
        contract::suite(&|| {
            let data = TestDirectory::new("contract");
            Box::new(move |notify| {
                let options = Options { sync, ..Options::new(data.path()) };
                Box::new(RocksDbJournal::open(options, notify).unwrap())
            })
        });
    }

    #[test]
    fn keeps_the_contract_with_sync() {
        suite(true);
    }

    #[test]
    fn keeps_the_contract_without_sync() {
        suite(false);
    }

    #[test]
    fn the_data_directory_is_the_owners_alone() {
        let data = TestDirectory::new("mode");
        let inner = data.path().join("a/data");
        drop(open(&inner, contract::ignore()));
        for path in [inner.clone(), inner.join("journal")] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_second_broker_is_refused() {
        let data = TestDirectory::new("second");
        let first = open(data.path(), contract::ignore());
        let second = RocksDbJournal::open(Options::new(data.path()), contract::ignore());
        assert!(matches!(second.err(), Some(JournalError::InUse { .. })));
        drop(first);
        open(data.path(), contract::ignore());
    }

    fn write_foreign(data: &Path, key: &[u8], value: &[u8]) {
        drop(open(data, contract::ignore()));
        let database = DB::open(&database_options(), data.join("journal")).unwrap();
        database.delete(FORMAT_KEY).unwrap();
        database.put(key, value).unwrap();
    }

    #[test]
    fn another_format_is_refused_by_name() {
        for (key, value, found) in [(FORMAT_KEY, "2", "format 2,"), (b"other".as_slice(), "x", "format (none),")] {
            let data = TestDirectory::new("format");
            write_foreign(data.path(), key, value.as_bytes());
            let refused = RocksDbJournal::open(Options::new(data.path()), contract::ignore());
            let text = refused.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains(found) && text.contains("reads format 1"), "{text}");
        }
    }

    #[test]
    fn a_cut_off_tail_loses_the_last_batch_only() {
        let data = TestDirectory::new("tail");
        let (notify, completions) = contract::collect();
        let mut journal = open(data.path(), notify);
        for (ticket, key) in [b"a", b"b"].into_iter().enumerate() {
            journal.append(ticket as u64, batch(key));
            completions.recv().unwrap();
        }
        Box::new(journal).close().unwrap();
        let log = newest_log(&data.path().join("journal"));
        let file = OpenOptions::new().write(true).open(log).unwrap();
        file.set_len(file.metadata().unwrap().len() - 10).unwrap();
        assert_eq!(keys(&mut open(data.path(), contract::ignore())), [b"a"]);
    }

    fn newest_log(journal: &Path) -> PathBuf {
        let files = fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).max().unwrap()
    }
}
