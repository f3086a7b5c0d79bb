//! The codings of transfers.

use crate::host::{File, StorageError};
use crate::time::Now;
use crate::transfer::{CodePage, Coding, Deflate, EndReason, Form, Kind, Mode, Pipe, Step, Structure};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, PoisonError};

/// Two bytes choose the coding and how the rest is cut. It is sent by a client: however it was cut, the same is stored,
/// or refused as malformed. And it is a file: sent and received again it is the same, but for the line ends of TYPE A.
pub fn pipes(data: &[u8]) {
    let &[choice, cut, ref rest @ ..] = data else { return };
    let (coding, size) = (coding(choice), usize::from(cut) + 1);
    let (stored, end) = upload(rest, coding, size);
    let (whole, whole_end) = upload(rest, coding, usize::MAX);
    assert!(matches!(end, Ok(()) | Err(EndReason::Malformed(_))), "{coding}: {end:?}");
    assert!(end == whole_end, "{coding}: the end depends on how the bytes were cut");
    assert!(end.is_err() || stored == whole, "{coding}: what is stored depends on how the bytes were cut");
    let bound = if matches!(coding.mode, Mode::Deflate(_)) { 1_100 } else { 63 };
    assert!(stored.len() <= bound * rest.len() + 1, "{coding}: more came out than can be");
    let wire = download(rest, coding);
    let (back, end) = upload(&wire, coding, size);
    assert!(end == Ok(()), "{coding}: {end:?}");
    let same = if coding.kind == Kind::Ascii { with_plain_line_ends(rest) == back } else { back == rest };
    assert!(same, "{coding}: something else came back");
}

fn coding(choice: u8) -> Coding {
    let kind = match choice & 3 {
        0 => Kind::Ascii,
        1 => Kind::Ebcdic(CodePage::Ibm1047),
        2 => Kind::Ebcdic(CodePage::Ibm037),
        _ => Kind::Image,
    };
    let structure = if choice & 4 == 0 { Structure::File } else { Structure::Record };
    let mode = match choice >> 3 & 3 {
        0 => Mode::Stream,
        1 => Mode::Block,
        2 => Mode::Compressed,
        _ => Mode::Deflate(Deflate { level: choice >> 5, ratio: 0 }),
    };
    Coding { kind, form: Form::NonPrint, structure, mode }
}

/// What is stored of a file that was sent in TYPE A and comes back: its lines may have ended in CR LF, which is the same on
/// the wire.
pub fn with_plain_line_ends(stored: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = Vec::new();
    for &byte in stored {
        if byte == b'\n' && plain.last() == Some(&b'\r') {
            plain.pop();
        }
        plain.push(byte);
    }
    plain
}

/// A file that others can look at.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl File for Shared {
    fn size(&self) -> Option<u64> {
        Some(self.with(|bytes| bytes.len() as u64))
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.with(|bytes| {
            let rest =
                usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            Ok(count)
        })
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.with(|stored| {
            assert!(offset == stored.len() as u64, "a write that is not at the end");
            stored.extend_from_slice(bytes);
        });
        Ok(())
    }

    fn finish(self: Box<Self>, _: bool) -> Result<(), StorageError> {
        Ok(())
    }
}

fn upload(wire: &[u8], coding: Coding, size: usize) -> (Vec<u8>, Result<(), EndReason>) {
    let stored = Shared::default();
    let end = drive(Pipe::upload(Box::new(stored.clone()), coding), wire.chunks(size), &mut Vec::new());
    (stored.with(core::mem::take), end)
}

fn download(stored: &[u8], coding: Coding) -> Vec<u8> {
    let file = Shared(Arc::new(Mutex::new(stored.to_vec())));
    let mut wire = Vec::new();
    let end = drive(Pipe::download(Box::new(file), 0, None, coding), [].chunks(1), &mut wire);
    assert!(end == Ok(()), "{coding}: {end:?}");
    wire
}

fn drive(
    mut pipe: Pipe,
    mut pieces: core::slice::Chunks<'_, u8>,
    wire: &mut Vec<u8>,
) -> Result<(), EndReason> {
    let now = Now::default();
    loop {
        match pipe.step(now) {
            Step::Read => pipe.receive(now, pieces.next().unwrap_or_default()),
            Step::Write => {
                wire.extend_from_slice(pipe.transmit());
                pipe.transmitted(now, usize::MAX);
            }
            Step::Turn => pipe.turn(),
            Step::Marked(mark) => assert!(mark.text.bytes().all(|byte| byte.is_ascii_graphic())),
            Step::Report(_) | Step::Direct { .. } => pipe.refuse_direct(),
            Step::End(end) => return end.outcome,
        }
    }
}
