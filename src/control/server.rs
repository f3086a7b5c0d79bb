//! The server's side: a socket only its owner and root may use, and a thread for each of a few connections.

use super::line::{self, Lines, NoLine};
use super::{Answer, Place, Request, place};
use crate::config_file::reader::plain;
use crate::directory_lock;
use crate::replace::directory_of;
use crate::stamp::Stamp;
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// How many connections there may be at a time.
const MOST_CONNECTIONS: usize = 16;
/// The longest request.
const LONGEST_REQUEST: usize = 64 << 10;
/// How long a request may take to come, and an answer to go.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long is waited when a connection could not be accepted for lack of descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// A request, and where its answer goes. Dropped without one, the client hears that the server stops.
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) answer: Sender<Answer>,
}

/// The socket that is listened on. Dropped, its name is removed.
#[derive(Debug)]
pub(crate) struct Socket {
    path: PathBuf,
    stamp: Option<Stamp>,
}

impl Socket {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It may be another server's by now.
        if self.stamp.is_some() && Stamp::of(&self.path) == self.stamp {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Listens; each request is given to `ask` on a thread of its connection.
///
/// # Errors
/// In one line, why the socket can't be made.
pub(crate) fn listen(place: &Place, ask: impl Fn(Asked) + Clone + Send + 'static) -> Result<Socket, String> {
    let mut trouble = String::new();
    for path in place.candidates() {
        let listener = match bind(place, &path) {
            Ok(listener) => listener,
            Err(error) => {
                trouble = format!("{}: {}", path.display(), plain(&error));
                continue;
            }
        };
        let socket = Socket { stamp: Stamp::of(&path), path };
        let accepting = move || accept(&listener, &ask);
        let started = std::thread::Builder::new().name("control".to_owned()).spawn(accepting);
        return started.map(|_| socket).map_err(|error| plain(&error));
    }
    Err(trouble)
}

/// A name that nobody listens at is free; one that somebody listens at is not.
fn bind(place: &Place, path: &Path) -> io::Result<UnixListener> {
    // Two servers that start at once must not both find that nobody listens.
    let _turn = directory_lock::take(directory_of(path), directory_lock::PATIENCE)?;
    if let Place::Named { directory, .. } = place {
        place::sockets_in(directory).iter().filter(|path| is_left_over(path)).for_each(|path| remove(path));
    }
    if is_left_over(path) {
        remove(path);
    }
    if std::fs::symlink_metadata(path).is_ok() {
        let (kind, words) = match UnixStream::connect(path) {
            Ok(_) => (io::ErrorKind::AddrInUse, "another server listens there"),
            Err(_) => (io::ErrorKind::AlreadyExists, "there is something else of that name"),
        };
        return Err(io::Error::new(kind, words));
    }
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let owners = Mode::RUSR | Mode::WUSR;
    // Linux makes the file with the socket's own mode, so that nobody can put another file in its place meanwhile.
    if cfg!(target_os = "linux") {
        rustix::fs::fchmod(&socket, owners)?;
    }
    rustix::net::bind(&socket, &address)?;
    // Before it can be connected to.
    if !cfg!(target_os = "linux") {
        rustix::fs::chmod(path, owners)?;
    }
    rustix::net::listen(&socket, 64)?;
    Ok(UnixListener::from(socket))
}

/// Whether it is the socket of a server that was killed.
fn is_left_over(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|facts| facts.file_type().is_socket())
        && UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn remove(path: &Path) {
    // If it stays, the next step says why it can't be used.
    let _ = std::fs::remove_file(path);
}

fn accept(listener: &UnixListener, ask: &(impl Fn(Asked) + Clone + Send + 'static)) {
    let open = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            std::thread::sleep(RETRY);
            continue;
        };
        let place = Guard::new(&open);
        if let Err(refusal) = may_ask(&stream, open.load(Ordering::SeqCst)) {
            let _ = line::send(&stream, &line::write(&refusal), Duration::from_millis(100));
            continue;
        }
        let stream = Arc::new(stream);
        let (its_stream, its_ask) = (Arc::clone(&stream), ask.clone());
        let spawned = std::thread::Builder::new().name("control".to_owned()).spawn(move || {
            let _place = place;
            serve(&its_stream, &its_ask);
        });
        if spawned.is_err() {
            // The system has no thread to give. Just then somebody wants to know how the server stands: one by one.
            serve(&stream, ask);
        }
    }
}

/// One of the connections, as long as it lives.
struct Guard(Arc<AtomicUsize>);

impl Guard {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(open))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn may_ask(stream: &UnixStream, open: usize) -> Result<(), Answer> {
    if open > MOST_CONNECTIONS {
        return Err(Answer::system("too many requests at a time; try again"));
    }
    if !is_owner_or_root(stream) {
        return Err(Answer::system("the server belongs to another user; ask as that user or as root"));
    }
    Ok(())
}

/// The socket's mode says the same, but not everywhere: some systems look at the mode of the directory only.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_owner_or_root(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid == own)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_owner_or_root(_: &UnixStream) -> bool {
    true
}

fn serve(stream: &UnixStream, ask: &impl Fn(Asked)) {
    let mut lines = Lines::new(stream, LONGEST_REQUEST);
    loop {
        let (answer, last) = match lines.next(PATIENCE) {
            Ok(line) => match line::read(&line) {
                Ok(request) => (answer(request, ask), false),
                Err(problem) => (Answer::wrong(problem), false),
            },
            Err(NoLine::TooLong) => {
                (Answer::wrong(format!("a request is one line of at most {LONGEST_REQUEST} bytes")), true)
            }
            Err(NoLine::End | NoLine::Broken(_)) => return,
        };
        if line::send(stream, &line::write(&answer), PATIENCE).is_err() || last {
            return;
        }
    }
}

fn answer(request: Request, ask: &impl Fn(Asked)) -> Answer {
    let (answer, answered) = channel();
    ask(Asked { request, answer });
    answered.recv().unwrap_or_else(|_| Answer::system("the server stops"))
}

#[cfg(test)]
mod tests {
    use super::super::{Client, ControlError};
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;

    fn start(path: &Path) -> Result<Socket, String> {
        listen(&Place::At(path.to_owned()), |asked: Asked| {
            if matches!(asked.request, Request::Reload) {
                let _ = asked.answer.send(Answer::Done(vec!["read".to_owned()]));
            }
        })
    }

    #[test]
    fn requests_are_answered_and_nobody_else_may_listen() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let socket = start(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut client = Client::find(Some(&path)).unwrap();
        for _ in 0..2 {
            assert_eq!(client.ask(&Request::Reload).unwrap(), Answer::Done(vec!["read".to_owned()]));
        }
        // Dropped without an answer.
        let refused = client.ask(&Request::Get { key: None }).unwrap_err();
        assert_eq!(refused.to_string(), "the server stops");
        let second = start(&path).unwrap_err();
        assert!(second.ends_with("another server listens there"), "{second}");
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_name_is_taken_over_only_from_the_dead() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(matches!(Client::find(Some(&path)), Err(ControlError::Socket { .. })));
        let _socket = start(&path).unwrap();
        assert!(Client::find(Some(&path)).is_ok());
        let file = directory.path().join("precious");
        std::fs::write(&file, "x").unwrap();
        let refused = start(&file).unwrap_err();
        assert!(refused.ends_with("there is something else of that name"), "{refused}");
        assert_eq!(std::fs::read(&file).unwrap(), b"x");
        assert!(start(&directory.path().join("no/such/a.sock")).is_err());
    }

    #[test]
    fn a_directory_that_somebody_keeps_locked_stops_no_server() {
        let directory = tempfile::tempdir().unwrap();
        let held = directory_lock::take(directory.path(), Duration::ZERO).unwrap();
        let socket = start(&directory.path().join("a.sock")).unwrap();
        assert!(Client::find(Some(socket.path())).is_ok());
        drop(held);
    }

    #[test]
    fn a_second_server_with_the_same_port_has_a_name_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::Named { directory: directory.path().to_owned(), port: 2121 };
        // Left over from servers that were killed.
        for name in ["2121.sock", "2122.sock"] {
            drop(UnixListener::bind(directory.path().join(name)).unwrap());
        }
        let first = listen(&place, |_| {}).unwrap();
        assert!(!directory.path().join("2122.sock").exists());
        let second = listen(&place, |_| {}).unwrap();
        assert_eq!(first.path().file_name().unwrap(), "2121.sock");
        assert_ne!(first.path(), second.path());
    }

    #[test]
    fn junk_is_told_so_and_a_flood_is_turned_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let _socket = start(&path).unwrap();
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"GET / HTTP/1.1\n{\"version\":1,\"do\":\"reload\"}\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        assert!(lines[0].contains(r#""error":{"kind":"wrong""#), "{said}");
        assert_eq!(lines[1], r#"{"version":1,"done":["read"]}"#);

        let mut long = UnixStream::connect(&path).unwrap();
        // It may have closed the connection before all of it was sent.
        let _ = long.write_all(&vec![b'x'; LONGEST_REQUEST + 5000]);
        let mut said = String::new();
        let _ = long.read_to_string(&mut said);
        assert!(said.contains("at most 65536 bytes"), "{said}");

        let idle: Vec<_> = (0..MOST_CONNECTIONS).map(|_| UnixStream::connect(&path).unwrap()).collect();
        let mut said = String::new();
        UnixStream::connect(&path).unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("too many requests"), "{said}");
        drop(idle);
    }
}
