//! Bytes of data connections: thrown away in the kernel when they come, sent by sendfile(2) when they go.

use crate::options::{Options, Outcome, told};
use crate::secure::Tls;
use rustix::net::RecvFlags;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::FileExt as _;
use std::time::Instant;

/// What one call may throw away.
pub(crate) const DISCARD: usize = 16 << 20;
/// What one read or write of TLS takes.
pub(crate) const PIECE: usize = 256 * 1024;

/// What came: how much, when the first byte, and with which sum (if that was asked for).
pub(crate) struct Received {
    pub(crate) bytes: u64,
    pub(crate) first: Option<Instant>,
    pub(crate) sum: u64,
}

impl Received {
    pub(crate) fn nothing() -> Self {
        Self { bytes: 0, first: None, sum: SUM }
    }

    fn count(&mut self, length: usize) {
        if self.bytes == 0 {
            self.first = Some(Instant::now());
        }
        self.bytes += length as u64;
    }

    /// Receives to the end without looking at a byte.
    pub(crate) fn discard(&mut self, socket: &TcpStream, untouched: &mut [u8]) -> io::Result<()> {
        loop {
            match rustix::net::recv(socket, &mut *untouched, RecvFlags::TRUNC) {
                Ok((_, 0)) => return Ok(()),
                Ok((_, length)) => self.count(length),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads to the end and, if `sum`, sums up what comes.
    pub(crate) fn read(&mut self, from: &mut impl Read, buffer: &mut [u8], sum: bool) -> io::Result<()> {
        loop {
            let length = from.read(buffer)?;
            if length == 0 {
                return Ok(());
            }
            self.count(length);
            if sum {
                self.sum = summed(self.sum, &buffer[..length]);
            }
        }
    }
}

/// FNV-1a, to compare contents by.
const SUM: u64 = 0xcbf2_9ce4_8422_2325;

pub(crate) fn sum_of(bytes: &[u8]) -> u64 {
    summed(SUM, bytes)
}

fn summed(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What is uploaded.
pub(crate) struct Source {
    file: Option<File>,
    memory: Vec<u8>,
    /// Bytes that go over the wire, and bytes of the file that they are.
    wire: u64,
    pub(crate) size: u64,
}

impl Source {
    pub(crate) fn open(options: &Options) -> Outcome<Self> {
        if options.source.is_empty() {
            let memory: Vec<u8> = (0..options.size).map(|index| index as u8).collect();
            return Ok(Self { file: None, memory, wire: options.size, size: options.size });
        }
        if options.deflate {
            let mut plain = told("--source", std::fs::read(&options.source))?;
            plain.truncate(usize::try_from(options.size).unwrap_or(usize::MAX));
            let memory = miniz_oxide::deflate::compress_to_vec_zlib(&plain, 6);
            return Ok(Self { file: None, wire: memory.len() as u64, memory, size: plain.len() as u64 });
        }
        let file = told("--source", File::open(&options.source))?;
        let size = told("--source", file.metadata())?.len().min(options.size);
        Ok(Self { file: Some(file), memory: Vec::new(), wire: size, size })
    }

    pub(crate) fn whole(path: &str) -> Outcome<Self> {
        let file = told(path, File::open(path))?;
        let size = told(path, file.metadata())?.len();
        Ok(Self { file: Some(file), memory: Vec::new(), wire: size, size })
    }

    pub(crate) fn send(&self, mut socket: &TcpStream) -> io::Result<()> {
        let Some(file) = &self.file else { return socket.write_all(&self.memory) };
        let mut offset = 0u64;
        while offset < self.wire {
            let piece = usize::try_from((self.wire - offset).min(1 << 30)).unwrap_or(PIECE);
            match rustix::fs::sendfile(socket, file, Some(&mut offset), piece) {
                Ok(0) => break,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(crate) fn send_secured(&self, tls: &mut Tls) -> io::Result<()> {
        let Some(file) = &self.file else { return tls.write_all(&self.memory) };
        let mut buffer = vec![0u8; PIECE];
        let mut offset = 0;
        while offset < self.wire {
            let length = file.read_at(&mut buffer, offset)?;
            if length == 0 {
                break;
            }
            tls.write_all(&buffer[..length])?;
            offset += length as u64;
        }
        Ok(())
    }
}

/// Drops a local file from the page cache, so that the server has to read it from the disk.
pub(crate) fn evict(path: &str) -> Outcome<()> {
    let file = told(path, File::open(path))?;
    told("fsync", file.sync_all())?;
    let dropped = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    told("fadvise", dropped.map_err(io::Error::from))
}
