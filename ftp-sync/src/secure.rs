//! Moves the bytes of a TLS handshake between a data connection's socket and its [`Handshake`], which says what to do
//! next.

use crate::net::acknowledge_now;
use ftp_proto::event::LinkError;
use ftp_proto::tls::{Handshake, HandshakeStep};
use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::net::{RecvFlags, recv};
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, BorrowedFd};

/// What one read takes: as much as a record holds.
const PIECE: usize = 16 << 10;

/// One handshake.
pub(crate) struct Securing {
    socket: TcpStream,
    handshake: Box<Handshake>,
    /// What the socket is waited for.
    waits_for: PollFlags,
}

impl Securing {
    pub(crate) fn new(socket: TcpStream, handshake: Box<Handshake>) -> Self {
        Self { socket, handshake, waits_for: PollFlags::empty() }
    }

    /// What poll(2) has to watch.
    pub(crate) fn interest(&self) -> (BorrowedFd<'_>, PollFlags) {
        (self.socket.as_fd(), self.waits_for)
    }

    /// Goes on as far as the socket lets it; whether that was to the end.
    pub(crate) fn run(&mut self) -> bool {
        loop {
            let (moved, flags) = match self.handshake.step() {
                HandshakeStep::Write => (self.write(), PollFlags::OUT),
                HandshakeStep::Read => (self.read(), PollFlags::IN),
                HandshakeStep::End => return true,
            };
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    acknowledge_now(&self.socket);
                    self.waits_for = flags;
                    return false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.handshake.fail(LinkError::from(&error)),
                Ok(()) => {}
            }
        }
    }

    /// At the end: the connection, and what became of it.
    pub(crate) fn finish(self) -> (TcpStream, Box<Handshake>) {
        (self.socket, self.handshake)
    }

    fn write(&mut self) -> io::Result<()> {
        let count = (&self.socket).write(self.handshake.transmit())?;
        self.handshake.transmitted(count);
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = Vec::with_capacity(PIECE);
        recv(&self.socket, spare_capacity(&mut buffer), RecvFlags::empty())?;
        self.handshake.receive(&buffer);
        Ok(())
    }
}
