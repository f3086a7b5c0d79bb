//! A storage of one file or directory that records what is asked of it, and an honest adapter.

use ftp_proto::host::{Directory, Entry, File, OverQuota, StorageError};
use ftp_proto::time::{Instant, Now};
use ftp_proto::transfer::{Direction, Mark, Pipe, Step, TransferEnd};
use std::sync::{Arc, Mutex, MutexGuard};

/// What the storage was told, and what it does.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) bytes: Vec<u8>,
    /// The length of the buffer of each read.
    pub(crate) reads: Vec<usize>,
    pub(crate) writes: usize,
    pub(crate) largest_write: usize,
    /// The argument of each `finish`.
    pub(crate) finished: Vec<bool>,
    /// How often it was ended by `discard`.
    pub(crate) discarded: usize,
    pub(crate) write_error: Option<StorageError>,
    pub(crate) finish_error: Option<StorageError>,
    pub(crate) panics: bool,
    /// Reads return this many bytes at most.
    pub(crate) short_reads: Option<usize>,
    /// What may be stored, and how much of it is counted at once.
    pub(crate) quota: Option<Quota>,
}

pub(crate) struct Quota {
    pub(crate) limit: u64,
    pub(crate) piece: u64,
    /// Up to here it is counted.
    pub(crate) counted: u64,
}

/// A file on top of a [`Record`] that outlives it.
pub(crate) struct Stored {
    pub(crate) record: Arc<Mutex<Record>>,
    pub(crate) size: Option<u64>,
    pub(crate) start: u64,
    pub(crate) os_file: Option<std::fs::File>,
}

impl Stored {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let record = Record { bytes: bytes.to_vec(), ..Record::default() };
        let size = Some(bytes.len() as u64);
        Self { record: Arc::new(Mutex::new(record)), size, start: 0, os_file: None }
    }

    /// A file that may be moved directly. Any file of the system will do: the adapter here moves the bytes
    /// of the record.
    pub(crate) fn direct(mut self) -> Self {
        let own = std::env::current_exe().unwrap();
        self.os_file = Some(std::fs::OpenOptions::new().read(true).open(own).unwrap());
        self
    }

    pub(crate) fn boxed(self) -> (Box<dyn File>, Watch) {
        let watch = Watch(self.record.clone());
        (Box::new(self), watch)
    }
}

/// Looks at a file while a pipe has it.
#[derive(Clone)]
pub(crate) struct Watch(Arc<Mutex<Record>>);

impl Watch {
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Watch {
    /// How often was written, and each `finish`.
    pub(crate) fn ending(&self) -> (usize, Vec<bool>) {
        let record = self.record();
        (record.writes, record.finished.clone())
    }
}

impl File for Stored {
    fn size(&self) -> Option<u64> {
        self.size
    }

    fn start(&self) -> u64 {
        self.start
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let watch = Watch(self.record.clone());
        let mut record = watch.record();
        record.reads.push(buffer.len());
        assert!(!record.panics, "on purpose");
        let rest = record.bytes.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len()).min(record.short_reads.unwrap_or(usize::MAX));
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        let watch = Watch(self.record.clone());
        let mut record = watch.record();
        record.writes += 1;
        record.largest_write = record.largest_write.max(bytes.len());
        assert!(!record.panics, "on purpose");
        if let Some(error) = record.write_error.clone() {
            return Err(error);
        }
        if offset as usize > record.bytes.len() {
            return Err(StorageError::BadOffset);
        }
        if let Some(quota) = &mut record.quota {
            let end = offset + bytes.len() as u64;
            if end > quota.limit {
                return Err(StorageError::OverQuota(OverQuota::Bytes(quota.limit)));
            }
            quota.counted = quota.counted.max(end);
        }
        store(&mut record.bytes, offset, bytes);
        Ok(())
    }

    fn room_until(&self) -> u64 {
        Watch(self.record.clone()).record().quota.as_ref().map_or(u64::MAX, |quota| quota.counted)
    }

    fn make_room(&mut self, offset: u64) -> u64 {
        let watch = Watch(self.record.clone());
        let mut record = watch.record();
        assert!(!record.panics, "on purpose");
        let Some(quota) = record.quota.as_mut() else { return u64::MAX };
        // The last bytes are counted one by one.
        if offset + quota.piece <= quota.limit {
            quota.counted = quota.counted.max(offset + quota.piece);
        }
        quota.counted
    }

    fn finish(self: Box<Self>, commit: bool) -> Result<(), StorageError> {
        let watch = Watch(self.record.clone());
        let mut record = watch.record();
        record.finished.push(commit);
        record.finish_error.clone().map_or(Ok(()), Err)
    }

    fn discard(self: Box<Self>) -> Result<(), StorageError> {
        Watch(self.record.clone()).record().discarded += 1;
        self.finish(false)
    }

    fn os_file(&self) -> Option<&std::fs::File> {
        self.os_file.as_ref()
    }
}

/// Writes at an offset, cuts off what lies behind, and fails the test if that leaves a hole.
pub(crate) fn store(into: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let offset = offset as usize;
    assert!(offset <= into.len(), "a hole from {} to {offset}", into.len());
    if !bytes.is_empty() {
        into.truncate(offset);
        into.extend_from_slice(bytes);
    }
}

/// A directory of any number of entries.
pub(crate) struct Names<I>(pub(crate) I);

impl<I: Iterator<Item = Result<Entry, StorageError>> + Send> Directory for Names<I> {
    fn next_entry(&mut self) -> Result<Option<Entry>, StorageError> {
        self.0.next().transpose()
    }
}

/// Choices of an adapter or a network, the same for the same bytes.
pub(crate) struct Choices {
    bytes: Vec<u8>,
    next: usize,
}

impl Choices {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        // Once in a round all that is possible moves, so that every transfer ends.
        Self { bytes: [bytes, &[255]].concat(), next: 0 }
    }

    /// From 0 to `limit`, both included.
    pub(crate) fn up_to(&mut self, limit: usize) -> usize {
        let byte = usize::from(self.bytes[self.next % self.bytes.len()]);
        self.next += 1;
        if byte == 255 { limit } else { byte % (limit + 1) }
    }
}

/// The time after `millis` milliseconds.
pub(crate) fn at(millis: u64) -> Now {
    Now { mono: Instant::from_nanos(millis * 1_000_000), ..Now::default() }
}

/// What an adapter saw of one transfer.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What the client got.
    pub(crate) wire: Vec<u8>,
    /// All steps, in order.
    pub(crate) steps: Vec<Step>,
    /// The markers that were told.
    pub(crate) marks: Vec<Mark>,
    pub(crate) end: TransferEnd,
}

impl Seen {
    pub(crate) fn count(&self, step: &Step) -> usize {
        self.steps.iter().filter(|seen| *seen == step).count()
    }
}

/// Drives a pipe to its end: the client sends `incoming` and takes whatever comes. Each time the choices say
/// how many bytes move.
pub(crate) fn drive(pipe: &mut Pipe, watch: Option<&Watch>, incoming: &[u8], choices: &[u8]) -> Seen {
    let mut choices = Choices::new(choices);
    let (mut wire, mut steps, mut incoming) = (Vec::new(), Vec::new(), incoming);
    let (mut reported, mut marks) = (0, Vec::new());
    for turn in 0.. {
        assert!(turn < 1_000_000, "no end");
        let now = at(turn);
        let step = pipe.step(now);
        steps.push(step.clone());
        match step {
            Step::Write => {
                let bytes = pipe.transmit();
                let count = choices.up_to(bytes.len());
                wire.extend_from_slice(&bytes[..count]);
                pipe.transmitted(now, count);
            }
            Step::Read => receive(pipe, now, &mut incoming, &mut choices),
            Step::Turn => pipe.turn(),
            Step::Direct { offset, len } if pipe.direction() == Direction::Download => {
                assert!(pipe.os_file().is_some());
                let record = watch.unwrap().record();
                let rest = record.bytes.get(offset as usize..).unwrap_or_default();
                let available = rest.len().min(usize::try_from(len).unwrap_or(usize::MAX));
                let count = choices.up_to(available.saturating_sub(1)) + usize::from(available > 0);
                wire.extend_from_slice(&rest[..count]);
                drop(record);
                pipe.moved_directly(now, count as u64);
            }
            // An upload may be moved directly or received, as the adapter likes.
            Step::Direct { .. } if choices.up_to(1) == 0 => receive(pipe, now, &mut incoming, &mut choices),
            Step::Direct { offset, len } => {
                let count = choices.up_to(incoming.len()).max(usize::from(!incoming.is_empty()));
                let count = count.min(usize::try_from(len).unwrap_or(usize::MAX));
                let mut record = watch.unwrap().record();
                let counted = record.quota.as_ref().map_or(u64::MAX, |quota| quota.counted);
                assert!(offset + count as u64 <= counted, "more than was counted");
                store(&mut record.bytes, offset, &incoming[..count]);
                drop(record);
                incoming = &incoming[count..];
                pipe.moved_directly(now, count as u64);
            }
            Step::Marked(mark) => marks.push(mark),
            Step::Report(bytes) => {
                // Under TLS a part of a record is movement too.
                assert!(bytes >= reported, "a report of less than before");
                reported = bytes;
            }
            Step::End(end) => {
                assert_eq!(pipe.step(now), Step::End(end.clone()), "an end stays");
                assert!(pipe.transmit().is_empty());
                return Seen { wire, steps, marks, end };
            }
        }
    }
    unreachable!()
}

fn receive(pipe: &mut Pipe, now: Now, incoming: &mut &[u8], choices: &mut Choices) {
    // An empty slice is the end of the stream, so at least one byte while there is one.
    let count = choices.up_to(incoming.len()).max(usize::from(!incoming.is_empty()));
    let (bytes, rest) = incoming.split_at(count);
    *incoming = rest;
    match choices.up_to(1) {
        0 => pipe.receive(now, bytes),
        _ => pipe.receive_in_place(now, &mut bytes.to_vec()),
    }
}

/// The wire's form of a text, by the definition.
pub(crate) fn to_wire(stored: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for &byte in stored {
        if byte == b'\n' && wire.last() != Some(&b'\r') {
            wire.push(b'\r');
        }
        wire.push(byte);
    }
    wire
}

/// The storage's form of a text, by the definition.
pub(crate) fn from_wire(wire: &[u8]) -> Vec<u8> {
    let mut stored: Vec<u8> = Vec::new();
    for &byte in wire {
        if byte == b'\n' && stored.last() == Some(&b'\r') {
            stored.pop();
        }
        stored.push(byte);
    }
    stored
}
