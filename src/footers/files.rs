//! The end of many files, read on several threads.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::iter::Zip;
use std::slice::{Chunks, ChunksMut};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use pyo3::IntoPyObject;
use serde_json::Value as Json;

use super::entries::entries;

/// Bytes of the end of a file that are read first: most footers are shorter. That of bars with the ten features has ten
/// thousand.
const AT_ONCE: u64 = 16_384;

/// Files that a thread takes at a time.
const SHARE: usize = 4;

/// Threads at most: more than cores, because whoever waits for a disk needs none. On two cores, eight read 182,500 files
/// that were not in memory in 9 s, four in 12 and one in 28; sixteen are no faster. Of files in memory, two take 0.9 s,
/// eight 1.0 and one 1.4.
const MOST_THREADS: usize = 8;

/// Names of entries, and whether they are values in JSON rather than texts.
pub struct Names {
    /// The names.
    pub names: Vec<String>,
    /// Whether they are values.
    pub are_values: Vec<bool>,
}

/// What stands under a name, but for nothing, which is the null of JSON.
#[derive(IntoPyObject)]
pub enum Value {
    /// An integer.
    Integer(i64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Option<Value>>),
}

impl Value {
    /// None: it is neither of these, nor nothing.
    fn of(json: Json) -> Option<Option<Self>> {
        Some(match json {
            Json::Null => None,
            Json::Number(number) => Some(Self::Integer(number.as_i64()?)),
            Json::String(text) => Some(Self::Text(text)),
            Json::Array(values) => Some(Self::List(values.into_iter().map(Self::of).collect::<Option<_>>()?)),
            Json::Bool(_) | Json::Object(_) => return None,
        })
    }
}

/// What is at the end of a file.
pub enum Found {
    /// What is under the names.
    Entries(Vec<Option<Value>>),
    /// No footer, or one that lacks a name, or a value that is none of ours.
    Strange,
    /// It could not be opened.
    Closed(io::Error),
    /// It could not be read.
    Unreadable(io::Error),
}

/// Files, and what was found at their ends so far.
pub struct Reading<'a> {
    names: &'a Names,
    threads: usize,
    shares: Mutex<Zip<Chunks<'a, String>, ChunksMut<'a, Found>>>,
}

impl<'a> Reading<'a> {
    /// Nothing was read yet.
    pub fn new(files: &'a [String], names: &'a Names, found: &'a mut Vec<Found>) -> Self {
        found.resize_with(files.len(), || Found::Strange);
        let shares = files.chunks(SHARE).zip(found.chunks_mut(SHARE));
        Self { names, threads: shares.len().clamp(1, MOST_THREADS), shares: Mutex::new(shares) }
    }

    /// Reads on until some time, or to the end; whether it is the end.
    pub fn read_until(&self, time: Instant) -> bool {
        let work = || {
            let mut bytes = Vec::new();
            while Instant::now() < time {
                let Some((files, found)) = self.shares.lock().unwrap_or_else(PoisonError::into_inner).next() else {
                    break;
                };
                for (file, found) in files.iter().zip(found) {
                    *found = read(file, self.names, &mut bytes);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.threads {
                // One that cannot be had is done without.
                drop(thread::Builder::new().spawn_scoped(scope, work));
            }
            work();
        });
        self.shares.lock().unwrap_or_else(PoisonError::into_inner).len() == 0
    }
}

fn read(file: &str, names: &Names, bytes: &mut Vec<u8>) -> Found {
    match open(file) {
        Err(error) => Found::Closed(error),
        Ok(mut file) => match footer(&mut file, bytes) {
            Err(error) => Found::Unreadable(error),
            Ok(footer) => footer.and_then(|footer| values(footer, names)).map_or(Found::Strange, Found::Entries),
        },
    }
}

fn values(footer: &[u8], names: &Names) -> Option<Vec<Option<Value>>> {
    let texts = entries(footer, &names.names)?;
    let value = |(text, &is_value): (&str, &bool)| {
        if is_value { Value::of(serde_json::from_str(text).ok()?) } else { Some(Some(Value::Text(text.to_owned()))) }
    };
    texts.into_iter().zip(&names.are_values).map(value).collect()
}

/// Opens a file to be read. Whoever left a pipe in its place is not waited for.
fn open(file: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.read(true).open(file)
}

/// The footer of a file; none if it does not end with one.
fn footer<'a>(file: &mut File, bytes: &'a mut Vec<u8>) -> io::Result<Option<&'a [u8]>> {
    let size = file.seek(SeekFrom::End(0))?;
    read_end(file, size, AT_ONCE, bytes)?;
    let Some(length) = length(bytes).filter(|&length| length <= size) else { return Ok(None) };
    if length > bytes.len() as u64 {
        read_end(file, size, length, bytes)?;
    }
    Ok(bytes.len().checked_sub(length as usize).map(|start| &bytes[start..bytes.len() - TAIL]))
}

/// Bytes behind a footer: its length, and which kind of file it is.
const TAIL: usize = 8;

/// The length of a footer with what is behind it, by the end of a file.
fn length(end: &[u8]) -> Option<u64> {
    match end.last_chunk()? {
        &[a, b, c, d, b'P', b'A', b'R', b'1'] => Some(u64::from(u32::from_le_bytes([a, b, c, d])) + TAIL as u64),
        _ => None,
    }
}

/// Reads so many bytes before the end; fewer if the file has not as many.
fn read_end(file: &mut File, size: u64, length: u64, bytes: &mut Vec<u8>) -> io::Result<()> {
    let length = length.min(size);
    file.seek(SeekFrom::Start(size - length))?;
    bytes.clear();
    // Not more at once than there are, whatever the file says of itself.
    bytes.reserve(AT_ONCE as usize);
    file.take(length).read_to_end(bytes).map(drop)
}
