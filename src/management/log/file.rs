use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::line::Day;

const BYTES_MAX: u64 = 100 * 1024 * 1024;
const ARCHIVES_MAX: usize = 10;

/// A log file that begins anew each day (UTC) and at 100 MiB. Its past lies beside it under the name with the date of
/// the last line, then `.1`, `.2` and so on within that day; the 10 latest such files are kept.
#[derive(Debug)]
pub(super) struct RollingFile {
    path: PathBuf,
    bytes_max: u64,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    bytes: u64,
    day: Day,
}

impl RollingFile {
    /// Opens `path` at its end, creating it and its directory if they are missing.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(path: &Path, now: SystemTime) -> io::Result<Self> {
        let mut file = Self { path: path.to_owned(), bytes_max: BYTES_MAX, current: None };
        file.current(Day::of(now))?;
        Ok(file)
    }

    /// Appends whole lines, to a new file when the present one is full or of another day.
    ///
    /// # Errors
    /// The lines are lost; the next call opens the file again.
    pub fn write(&mut self, lines: &[u8], now: SystemTime) -> io::Result<()> {
        let today = Day::of(now);
        let bytes_max = self.bytes_max;
        let current = self.current(today)?;
        let overflows = current.bytes > 0 && current.bytes + lines.len() as u64 > bytes_max;
        if overflows || current.day != today {
            self.roll()?;
        }
        let current = self.current(today)?;
        match current.file.write_all(lines) {
            Ok(()) => current.bytes += lines.len() as u64,
            Err(error) => {
                self.current = None;
                return Err(error);
            }
        }
        Ok(())
    }

    fn current(&mut self, today: Day) -> io::Result<&mut Current> {
        let current = match self.current.take() {
            Some(current) => current,
            None => open(&self.path, today)?,
        };
        Ok(self.current.insert(current))
    }

    fn roll(&mut self) -> io::Result<()> {
        if let Some(current) = self.current.take() {
            let archives = archives(&self.path)?;
            let last = archives.iter().rev().find(|archive| archive.day == current.day.to_string());
            let number = last.map_or(0, |last| last.number + 1);
            fs::rename(&self.path, archive_path(&self.path, current.day, number))?;
            let surplus = (archives.len() + 1).saturating_sub(ARCHIVES_MAX);
            archives.iter().take(surplus).try_for_each(|oldest| fs::remove_file(&oldest.path))?;
        }
        Ok(())
    }
}

fn open(path: &Path, today: Day) -> io::Result<Current> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let found = file.metadata()?;
    let day = if found.len() > 0 { found.modified().map_or(today, Day::of) } else { today };
    Ok(Current { file, bytes: found.len(), day })
}

/// A file of the past, in the order of writing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Archive {
    day: String,
    number: u32,
    path: PathBuf,
}

fn archive_path(path: &Path, day: Day, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(if number == 0 { format!(".{day}") } else { format!(".{day}.{number}") });
    name.into()
}

fn archives(path: &Path) -> io::Result<Vec<Archive>> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let mut archives = Vec::new();
    for entry in fs::read_dir(directory)? {
        archives.extend(archive(entry?.path(), name));
    }
    archives.sort();
    Ok(archives)
}

fn archive(path: PathBuf, name: &str) -> Option<Archive> {
    let suffix = path.file_name()?.to_str()?.strip_prefix(name)?.strip_prefix('.')?;
    let (day, number) = suffix.split_once('.').unwrap_or((suffix, "0"));
    let is_day = day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let (day, number) = (day.to_owned(), number.parse().ok()?);
    is_day.then_some(Archive { day, number, path })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::{env, process};

    use super::*;

    const NOON: Duration = Duration::from_secs(1_795_262_400);
    const DAY: Duration = Duration::from_secs(86_400);

    struct Log {
        directory: PathBuf,
        file: RollingFile,
    }

    impl Log {
        fn new(name: &str) -> Self {
            let directory = env::temp_dir().join(format!("artemis-{name}-{}", process::id()));
            let _ = fs::remove_dir_all(&directory);
            let mut file = RollingFile::open(&directory.join("artemis.log"), day(0)).unwrap();
            file.bytes_max = 10;
            Self { directory, file }
        }

        /// Names and contents of all files, by name.
        fn files(&self) -> String {
            let entries = fs::read_dir(&self.directory).unwrap().map(|entry| entry.unwrap().path());
            let content = |path: &PathBuf| fs::read_to_string(path).unwrap().replace('\n', ";");
            let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
            let mut files: Vec<_> = entries.map(|path| format!("{}={}", name(&path), content(&path))).collect();
            files.sort();
            files.join(" ")
        }
    }

    impl Drop for Log {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }

    fn day(number: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + NOON + DAY * number
    }

    #[test]
    fn each_day_has_its_file() {
        let mut log = Log::new("daily");
        log.file.write(b"a\n", day(0)).unwrap();
        log.file.write(b"b\n", day(0)).unwrap();
        log.file.write(b"c\n", day(2)).unwrap();
        assert_eq!(log.files(), "artemis.log.2026-11-21=a;b; artemis.log=c;");
    }

    #[test]
    fn a_full_file_is_rolled_within_its_day() {
        let mut log = Log::new("full");
        for line in [b"aaaaa\n", b"bbbbb\n", b"ccccc\n"] {
            log.file.write(line, day(0)).unwrap();
        }
        assert_eq!(log.files(), "artemis.log.2026-11-21.1=bbbbb; artemis.log.2026-11-21=aaaaa; artemis.log=ccccc;");
        log.file.write(b"larger than the limit\n", day(0)).unwrap();
        assert!(log.files().ends_with("artemis.log=larger than the limit;"), "{}", log.files());
    }

    #[test]
    fn the_oldest_files_are_removed() {
        let mut log = Log::new("oldest");
        fs::write(log.directory.join("artemis.log.backup"), "mine").unwrap();
        for number in 0..24 {
            log.file.write(format!("line{number:02}\n").as_bytes(), day(number / 12)).unwrap();
        }
        let files = log.files();
        assert_eq!(files.split(' ').count(), ARCHIVES_MAX + 2, "{files}");
        assert!(files.contains("line13;") && !files.contains("line12;"), "{files}");
        assert!(files.contains("artemis.log.2026-11-22.10=line22; "), "{files}");
        assert!(files.contains("artemis.log=line23;") && files.contains("backup=mine"), "{files}");
    }

    #[test]
    fn a_log_of_an_earlier_day_is_continued_as_that_day() {
        let mut log = Log::new("restart");
        log.file.write(b"old\n", day(0)).unwrap();
        let path = log.directory.join("artemis.log");
        File::options().append(true).open(&path).unwrap().set_modified(day(0)).unwrap();
        let mut next = RollingFile::open(&path, day(1)).unwrap();
        next.write(b"new\n", day(1)).unwrap();
        assert_eq!(log.files(), "artemis.log.2026-11-21=old; artemis.log=new;");
    }
}
