//! TLS of the floor: rustls and aws-lc-rs, 256 KiB encrypted per writev, 256 KiB read from the socket at once.

use crate::Failure;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// What is encrypted, or read from a socket, in one go. (By itself rustls reads 4 KiB at a time.)
const PIECE: usize = 256 * 1024;

pub(super) fn configuration(certificate: &str, key: &str) -> Result<Arc<ServerConfig>, Failure> {
    let certificate = CertificateDer::from(std::fs::read(certificate)?);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(std::fs::read(key)?));
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut configuration = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    configuration.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(configuration))
}

pub(super) fn handshake(
    configuration: &Arc<ServerConfig>,
    socket: &mut TcpStream,
) -> io::Result<Box<ServerConnection>> {
    let mut tls = ServerConnection::new(Arc::clone(configuration)).map_err(io::Error::other)?;
    tls.set_buffer_limit(None);
    while tls.is_handshaking() || tls.wants_write() {
        flush(&mut tls, socket)?;
        if !tls.is_handshaking() {
            break;
        }
        if tls.read_tls(socket)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        tls.process_new_packets().map_err(io::Error::other)?;
    }
    Ok(Box::new(tls))
}

pub(super) fn flush(tls: &mut ServerConnection, socket: &mut TcpStream) -> io::Result<()> {
    while tls.wants_write() {
        tls.write_tls(socket)?;
    }
    Ok(())
}

/// Whatever is wrong ends the session as its end would.
pub(super) fn read(
    tls: &mut ServerConnection,
    socket: &mut TcpStream,
    buffer: &mut [u8],
) -> io::Result<usize> {
    loop {
        match tls.reader().read(buffer) {
            Ok(length) => return Ok(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if tls.read_tls(socket)? == 0 {
                    return Ok(0);
                }
                tls.process_new_packets().map_err(io::Error::other)?;
                flush(tls, socket)?;
            }
            Err(_) => return Ok(0),
        }
    }
}

pub(super) fn download(
    configuration: &Arc<ServerConfig>,
    mut data: TcpStream,
    file: &File,
    size: u64,
) -> io::Result<()> {
    data.set_nodelay(true)?;
    let mut tls = handshake(configuration, &mut data)?;
    let mut buffer = vec![0u8; PIECE];
    let mut offset = 0;
    while offset < size {
        let length = file.read_at(&mut buffer, offset)?;
        if length == 0 {
            break;
        }
        offset += length as u64;
        tls.writer().write_all(&buffer[..length])?;
        if offset == size {
            tls.send_close_notify();
        }
        flush(&mut tls, &mut data)?;
    }
    let _ = data.shutdown(Shutdown::Write);
    // The client's close_notify, so that no reset is sent.
    let _ = data.read(&mut buffer);
    Ok(())
}

/// A socket whose bytes are read in large pieces.
struct Buffered {
    socket: TcpStream,
    buffer: Vec<u8>,
    used: usize,
    filled: usize,
}

impl Read for Buffered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.used == self.filled {
            self.filled = self.socket.read(&mut self.buffer)?;
            self.used = 0;
        }
        let length = out.len().min(self.filled - self.used);
        out[..length].copy_from_slice(&self.buffer[self.used..self.used + length]);
        self.used += length;
        Ok(length)
    }
}

pub(super) fn upload(configuration: &Arc<ServerConfig>, mut data: TcpStream, file: &File) -> io::Result<()> {
    let mut tls = handshake(configuration, &mut data)?;
    let mut records = Buffered { socket: data.try_clone()?, buffer: vec![0; PIECE], used: 0, filled: 0 };
    let mut buffer = vec![0u8; PIECE];
    let mut offset = 0u64;
    loop {
        match tls.reader().read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                file.write_all_at(&buffer[..length], offset)?;
                offset += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if tls.read_tls(&mut records)? == 0 {
                    break;
                }
                tls.process_new_packets().map_err(io::Error::other)?;
            }
            Err(_) => break,
        }
    }
    tls.send_close_notify();
    flush(&mut tls, &mut data)
}

pub(super) fn send(configuration: &Arc<ServerConfig>, mut data: TcpStream, text: &[u8]) -> io::Result<()> {
    let mut tls = handshake(configuration, &mut data)?;
    tls.writer().write_all(text)?;
    tls.send_close_notify();
    flush(&mut tls, &mut data)?;
    let _ = data.shutdown(Shutdown::Write);
    let _ = data.read(&mut [0; 64]);
    Ok(())
}
