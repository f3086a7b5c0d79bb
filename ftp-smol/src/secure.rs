//! Moves the bytes of a TLS handshake between a data connection's socket and its [`Handshake`], which says what to do
//! next. On its session's executor, since a handshake is short.

use crate::net::acknowledge_now;
use crate::pump::with_buffer;
use async_io::Async;
use ftp_proto::event::LinkError;
use ftp_proto::tls::{Handshake, HandshakeStep};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context, Poll};

/// One handshake.
pub(crate) struct Securing {
    socket: Arc<TcpStream>,
    /// The socket's place in the reactor, once it had to be waited for.
    registered: Option<Async<Arc<TcpStream>>>,
    handshake: Box<Handshake>,
    /// The step that the socket is waited for.
    waits_for: Option<HandshakeStep>,
}

impl Securing {
    pub(crate) fn new(socket: Arc<TcpStream>, handshake: Box<Handshake>) -> Self {
        Self { socket, registered: None, handshake, waits_for: None }
    }

    /// Goes on to the end. If the socket doesn't let it, the task is woken when it does.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.poll_ready(cx).is_pending() {
                return Poll::Pending;
            }
            let step = self.handshake.step();
            let moved = match step {
                HandshakeStep::Write => self.write(),
                HandshakeStep::Read => self.read(),
                HandshakeStep::End => return Poll::Ready(()),
            };
            self.waits_for = None;
            match moved {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    acknowledge_now(&self.socket);
                    self.waits_for = Some(step);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.handshake.fail(LinkError::from(&error)),
                Ok(()) => {}
            }
        }
    }

    /// At the end: the connection, and what became of it.
    pub(crate) fn finish(self) -> (Arc<TcpStream>, Box<Handshake>) {
        (self.socket, self.handshake)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(step) = self.waits_for else { return Poll::Ready(()) };
        if self.registered.is_none() {
            match Async::new_nonblocking(Arc::clone(&self.socket)) {
                Ok(registered) => self.registered = Some(registered),
                Err(error) => self.handshake.fail(LinkError::from(&error)),
            }
        }
        let Some(registered) = &self.registered else { return Poll::Ready(()) };
        match step {
            HandshakeStep::Write => registered.poll_writable(cx).map(|_| ()),
            HandshakeStep::Read => registered.poll_readable(cx).map(|_| ()),
            HandshakeStep::End => Poll::Ready(()),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let count = (&*self.socket).write(self.handshake.transmit())?;
        self.handshake.transmitted(count);
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let (mut socket, handshake) = (&*self.socket, &mut self.handshake);
        with_buffer(|buffer| {
            let count = socket.read(buffer)?;
            handshake.receive(buffer.get(..count).unwrap_or_default());
            Ok(())
        })
    }
}
