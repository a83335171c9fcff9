//! Power cuts: a preloaded library writes down what was synced, and everything else is taken away after a kill.

use std::collections::{HashMap, HashSet};
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::broker::{Broker, Instance};
use super::random::Random;

/// The disk below an instance, as a power cut would leave it.
#[derive(Debug)]
pub struct Disk {
    record: PathBuf,
    gate: PathBuf,
    journal: PathBuf,
}

impl Disk {
    /// Watches what the brokers of this instance sync.
    pub fn watch(instance: &mut Instance) -> Self {
        let disk = Self {
            record: instance.path("synced"),
            gate: instance.path("gate"),
            journal: instance.path("data/journal"),
        };
        instance.set("LD_PRELOAD", library());
        instance.set("POWER_CUT_DATA", instance.path("data"));
        instance.set("POWER_CUT_RECORD", &disk.record);
        instance.set("POWER_CUT_GATE", &disk.gate);
        disk
    }

    /// From now on no sync of the journal comes to an end.
    pub fn block(&self) {
        fs::write(&self.gate, "").unwrap();
    }

    /// Syncs go on.
    pub fn unblock(&self) {
        let _ = fs::remove_file(&self.gate);
    }

    /// Kills the broker, and takes away what was never synced, but for a random beginning of it.
    pub fn cut(&self, broker: Broker, random: &mut Random) {
        broker.kill();
        self.forget_unsynced(random);
    }

    /// Takes away what was never synced by the last broker, but for a random beginning of it.
    pub fn forget_unsynced(&self, random: &mut Random) {
        self.unblock();
        let mut other = random.fork();
        self.lose_unsynced(&mut |unsynced| random.below(unsynced + 1), &mut || other.below(2) == 0);
    }

    /// Kills the broker, and takes away all that was never synced.
    pub fn cut_clean(&self, broker: Broker) {
        broker.kill();
        self.unblock();
        self.lose_unsynced(&mut |_| 0, &mut || true);
    }

    /// Takes away what was not synced: `keep` says how much of a file's unsynced bytes stays, `vanishes` whether a file
    /// does whose name was not synced.
    fn lose_unsynced(&self, keep: &mut dyn FnMut(u64) -> u64, vanishes: &mut dyn FnMut() -> bool) {
        let (lengths, named) = self.synced();
        for path in self.files() {
            let file = fs::metadata(&path).unwrap();
            let synced = lengths.get(&file.ino()).copied().unwrap_or(0).min(file.len());
            if !named.contains(&file.ino()) && vanishes() {
                fs::remove_file(&path).unwrap();
            } else if file.len() > synced {
                let length = synced + keep(file.len() - synced);
                OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
            }
        }
        self.accept();
    }

    /// What is there now is on the disk.
    fn accept(&self) {
        let files = self.files().into_iter().map(|path| fs::metadata(path).unwrap());
        let lines = files.map(|file| format!("F {} {}\nE {}\n", file.ino(), file.len(), file.ino()));
        fs::write(&self.record, lines.collect::<String>()).unwrap();
    }

    /// Damages the unsynced end of the newest log: some sectors never came to the disk, or came as something else.
    pub fn tear(&self, filling: Option<u8>, random: &mut Random) {
        const SECTOR: u64 = 512;
        let (lengths, _) = self.synced();
        let log = self.files().into_iter().filter(|path| is_log(path)).max().unwrap();
        let file = fs::metadata(&log).unwrap();
        let synced = lengths.get(&file.ino()).copied().unwrap_or(0);
        let mut log = OpenOptions::new().write(true).open(&log).unwrap();
        let mut from = synced;
        while from < file.len() {
            let to = (from / SECTOR + 1).saturating_mul(SECTOR).min(file.len());
            if random.below(2) == 0 {
                let noise: Vec<u8> = (from..to).map(|_| filling.unwrap_or_else(|| noise(random))).collect();
                log.seek(SeekFrom::Start(from)).unwrap();
                log.write_all(&noise).unwrap();
            }
            from = to;
        }
        self.accept();
    }

    /// Synced lengths by inode, and inodes with a synced name.
    fn synced(&self) -> (HashMap<u64, u64>, HashSet<u64>) {
        let (mut lengths, mut named) = (HashMap::new(), HashSet::new());
        for line in fs::read_to_string(&self.record).unwrap_or_default().lines() {
            let mut words = line[2..].split(' ').map(|word| word.parse::<u64>().unwrap());
            let inode = words.next().unwrap();
            match line.as_bytes()[0] {
                b'F' => {
                    let length = lengths.entry(inode).or_insert(0);
                    *length = words.next().unwrap().max(*length);
                }
                b'E' => {
                    named.insert(inode);
                }
                _ => {
                    lengths.remove(&inode);
                    named.remove(&inode);
                }
            }
        }
        (lengths, named)
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.journal).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// Any byte but those that say that a record is one of a recycled log: in a log that is not, RocksDB 11.8 does not come to
/// an end with them.
fn noise(random: &mut Random) -> u8 {
    loop {
        let byte = random.below(256) as u8;
        if !matches!(byte, 5..=8 | 11 | 131) {
            return byte;
        }
    }
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

/// The preloaded library, compiled once per run.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recovery/power_cut.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("power_cut-{}.so", std::process::id()));
        let compiled =
            Command::new("cc").args(["-O2", "-Wall", "-fPIC", "-shared", "-o"]).arg(&library).arg(source).status();
        assert!(compiled.expect("a C compiler").success());
        library
    })
}
