//! Sockets: everything that is said to the operating system about them.

use crate::wait::lock;
use ftp_proto::event::{ConnectSpec, LinkError};
use rustix::io::Errno;
use rustix::net::RecvFlags;
#[cfg(target_os = "linux")]
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

/// Waiting connections per listener; the system cuts it to its own limit.
pub(crate) const BACKLOG: i32 = 4096;
/// How long a session may sleep in a read of its control connection, hearing of nothing else.
pub(crate) const READ_REST: Duration = Duration::from_millis(200);

/// IPv4 clients of a dual-stack listener show up as `::ffff:a.b.c.d`; for the core they are IPv4.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}

/// The listener of control connections. What is set here, Linux gives to each accepted socket.
pub(crate) fn listen_control(address: SocketAddr, keepalive: Duration) -> io::Result<TcpListener> {
    let socket = match listen(address) {
        // A machine without IPv6: "every address" still means every one that there is.
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && is_no_ipv6(&error) => {
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))?
        }
        other => other?,
    };
    prepare_control(&socket, keepalive)?;
    Ok(socket.into())
}

/// The listener of one passive port, 0 for a free one; it never blocks.
pub(crate) fn listen_passive(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    let socket = match listen(SocketAddr::new(address, port)) {
        Err(error) if address == Ipv6Addr::UNSPECIFIED && is_no_ipv6(&error) => {
            listen(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?
        }
        other => other?,
    };
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn is_no_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

fn listen(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(address.ip() != Ipv6Addr::UNSPECIFIED)?;
    }
    // Without it a restart fails for minutes on the closed connections of the run before.
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Small replies leave at once, a vanished client is noticed, and the urgent byte of a Telnet Synch stays in
/// its place among the others.
fn prepare_control(socket: &Socket, keepalive: Duration) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_out_of_band_inline(true)?;
    socket.set_keepalive(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(keepalive).with_interval(keepalive))
}

/// Acknowledges at once what has come. In the TLS handshake GnuTLS says its last in two pieces, and its system keeps the
/// second back until the first is acknowledged, unless the client has forbidden it (lftp has not): else some 40 ms.
#[cfg(target_os = "linux")]
pub(crate) fn acknowledge_now(socket: &TcpStream) {
    // If it fails, nothing is lost but time.
    let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
}

/// There is no such wish here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn acknowledge_now(_: &TcpStream) {}

/// The next connection and its peer; the new socket never blocks.
#[cfg(target_os = "linux")]
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
}

/// The next control connection and its peer. It blocks only in [`await_input`].
#[cfg(target_os = "linux")]
pub(crate) fn accept_control(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    accept_with(listener, SocketFlags::CLOEXEC)
}

#[cfg(target_os = "linux")]
fn accept_with(listener: &TcpListener, flags: SocketFlags) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = rustix::net::acceptfrom_with(listener, flags)?;
    let peer =
        peer.and_then(|peer| SocketAddr::try_from(peer).ok()).ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((TcpStream::from(socket), canonical(peer)))
}

/// The next connection and its peer; the new socket never blocks.
#[cfg(not(target_os = "linux"))]
pub(crate) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = listener.accept()?;
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    Ok((socket, canonical(peer)))
}

/// The next control connection and its peer.
#[cfg(not(target_os = "linux"))]
pub(crate) fn accept_control(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    accept(listener)
}

/// Whether somebody can be accepted. An accept that finds nobody costs Linux 3 µs, since it makes a socket first; to ask
/// costs 0.2.
pub(crate) fn somebody_waits(listener: &TcpListener) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    // Whoever can't be told has to try.
    poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&at_once)) != Ok(0)
}

/// What an accepted control connection still needs; most of it Linux has given it with its listener.
pub(crate) fn prepare_accepted_control(socket: &TcpStream, keepalive: Duration) -> io::Result<()> {
    if cfg!(target_os = "linux") {
        socket.set_read_timeout(Some(READ_REST))
    } else {
        prepare_control(&socket2::SockRef::from(socket).try_clone()?, keepalive)
    }
}

/// Reads what is there; never waits.
pub(crate) fn read(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (count, _) = rustix::net::recv(socket, buffer, RecvFlags::DONTWAIT)?;
    Ok(count)
}

/// Waits for input on a control connection, [`READ_REST`] at most, and reads it; `WouldBlock` when none came. Where
/// accepted sockets never block it does not wait either.
pub(crate) fn await_input(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (count, _) = rustix::net::recv(socket, buffer, RecvFlags::empty())?;
    Ok(count)
}

/// What to do about an error of accept(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptTrouble {
    /// Nobody waits.
    Nobody,
    /// That connection is gone again; try the next.
    Gone,
    /// No descriptors or memory: wait a little.
    Exhausted,
    /// The listener was shut down.
    Closed,
}

impl From<&io::Error> for AcceptTrouble {
    fn from(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::AGAIN) => Self::Nobody,
            Some(Errno::INVAL | Errno::BADF | Errno::NOTSOCK) => Self::Closed,
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::Exhausted,
            // Linux reports errors of the new connection here (accept(2), "Error handling").
            _ => Self::Gone,
        }
    }
}

/// A descriptor for the time when the system has none, so that whoever comes then can be told.
pub(crate) struct Reserve(Mutex<Option<Socket>>);

impl Reserve {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Self::take()))
    }

    /// (A socket that is nobody's: it can be had wherever sockets are served, and keeps nothing open.)
    fn take() -> Option<Socket> {
        Socket::new(Domain::IPV4, Type::DGRAM, None).ok()
    }

    /// Takes one if there is none, and the system has one; whether it is there.
    pub(crate) fn refill(&self) -> bool {
        let mut reserve = lock(&self.0);
        if reserve.is_none() {
            *reserve = Self::take();
        }
        reserve.is_some()
    }

    /// Does this while the system has one more to give; `None` if it was not there, or that came to nothing. Nobody else
    /// takes a client meanwhile and thinks that there are descriptors.
    pub(crate) fn lend<T>(&self, work: impl FnOnce() -> Option<T>) -> Option<T> {
        let mut reserve = lock(&self.0);
        let done = reserve.take().and_then(|reserve| {
            drop(reserve);
            work()
        });
        *reserve = Self::take();
        done
    }

    /// Gives it back to the system, for the next client. Whether it was there.
    pub(crate) fn give_back(&self) -> bool {
        lock(&self.0).take().is_some()
    }
}

/// Wakes whoever waits in accept(2), for good.
pub(crate) fn close_door(listener: &TcpListener) {
    if cfg!(target_os = "linux") {
        let _ = rustix::net::shutdown(listener, rustix::net::Shutdown::Both);
    } else if let Ok(mut address) = listener.local_addr() {
        // Elsewhere a listener can't be shut down; whoever accepts this connection sees that it is over.
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        drop(TcpStream::connect_timeout(&address, Duration::from_secs(1)));
    }
}

/// A connection that was begun, and whether it is complete already.
pub(crate) struct Dialled {
    pub(crate) socket: TcpStream,
    pub(crate) complete: bool,
}

/// Begins an active-mode connection.
pub(crate) fn connect(spec: &ConnectSpec) -> Result<Dialled, LinkError> {
    match connect_from(spec.source, spec.target) {
        Err(error)
            if spec.source_port_optional
                && spec.source.port() != 0
                && matches!(
                    Errno::from_io_error(&error),
                    Some(Errno::ACCESS | Errno::PERM | Errno::ADDRINUSE | Errno::ADDRNOTAVAIL)
                ) =>
        {
            connect_from(SocketAddr::new(spec.source.ip(), 0), spec.target)
        }
        other => other,
    }
    .map_err(|error| LinkError::from(&error))
}

fn connect_from(source: SocketAddr, target: SocketAddr) -> io::Result<Dialled> {
    let socket = Socket::new(Domain::for_address(target), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if source.port() != 0 {
        // Several transfers of one client share the source port; only the target port differs.
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
    }
    socket.bind(&SockAddr::from(source))?;
    let complete = match socket.connect(&SockAddr::from(target)) {
        Ok(()) => true,
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => false,
        Err(error) => return Err(error),
    };
    Ok(Dialled { socket: socket.into(), complete })
}

/// Ends a data connection. Input nobody read would make the system cut the connection, and with it data
/// that is still on its way to the client; so whatever came is read first.
#[inline(never)]
pub(crate) fn close_gently(socket: TcpStream) {
    let mut scrap = [0u8; 1024];
    for _ in 0..256 {
        if !matches!(read(&socket, &mut scrap), Ok(count) if count > 0) {
            break;
        }
    }
}

/// Writes what must not share a segment with what is written next, as far as the system can promise that: some
/// middleboxes read only the beginning of a segment. Never waits.
pub(crate) fn send_record(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(target_os = "linux")]
    {
        use rustix::net::SendFlags;
        let flags = SendFlags::EOR | SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        Ok(rustix::net::send(socket, bytes, flags)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        use std::io::Write as _;
        (&mut &*socket).write(bytes)
    }
}
