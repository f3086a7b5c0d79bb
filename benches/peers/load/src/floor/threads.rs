//! The floor that ratios refer to: a thread per session, one passive listener per session that is kept, sendfile(2)
//! for RETR, splice(2) for STOR, getdents64 and fstatat for listings, rustls for PROT P.

mod secure;

use crate::Failure;
use crate::speech::{GREETING, fixed, list};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::SpliceFlags;
use rustls::{ServerConfig, ServerConnection};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// Up to here a whole file fits into the socket's buffer, and 150 and 226 leave in one write.
const SMALL: u64 = 65536;
const MEBIBYTE: usize = 1 << 20;

pub(crate) fn serve(port: u16, root: &str, tls: Option<(&str, &str)>) -> Result<(), Failure> {
    let tls = tls.map(|(certificate, key)| secure::configuration(certificate, key)).transpose()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    rustix::net::listen(&listener, 4096)?;
    for client in listener.incoming().flatten() {
        let (root, tls) = (root.to_owned(), tls.clone());
        let thread = std::thread::Builder::new().stack_size(128 * 1024);
        let _ = thread.spawn(move || Session::start(client, root, tls).and_then(Session::run));
    }
    Ok(())
}

enum Control {
    Plain(TcpStream),
    Tls(Box<ServerConnection>, TcpStream),
    /// While the handshake owns the socket, and after it failed.
    Nothing,
}

impl Control {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls, socket) => secure::read(tls, socket, buffer),
            Self::Nothing => Ok(0),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(tls, socket) => {
                tls.writer().write_all(bytes)?;
                secure::flush(tls, socket)
            }
            Self::Nothing => Ok(()),
        }
    }
}

struct Session {
    control: Control,
    root: String,
    tls: Option<Arc<ServerConfig>>,
    passive: Option<(TcpListener, u16)>,
    protected: bool,
    replies: Vec<u8>,
}

impl Session {
    fn start(client: TcpStream, root: String, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        client.set_nodelay(true)?;
        let mut control = Control::Plain(client);
        control.write_all(GREETING)?;
        Ok(Self { control, root, tls, passive: None, protected: false, replies: Vec::new() })
    }

    fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0u8; 4096];
        let mut filled = 0;
        loop {
            let length = self.control.read(&mut buffer[filled..])?;
            if length == 0 {
                return Ok(());
            }
            filled += length;
            let mut used = 0;
            while let Some(end) = buffer[used..filled].iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8_lossy(&buffer[used..used + end]).trim_end().to_string();
                used += end + 1;
                let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
                self.command(verb, argument)?;
                if verb == "QUIT" {
                    return self.flush();
                }
            }
            buffer.copy_within(used..filled, 0);
            filled -= used;
            if !self.replies.is_empty() {
                self.flush()?;
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.control.write_all(&self.replies)?;
        self.replies = Vec::new();
        Ok(())
    }

    fn say(&mut self, reply: &[u8]) {
        self.replies.extend_from_slice(reply);
    }

    fn command(&mut self, verb: &str, argument: &str) -> io::Result<()> {
        match verb {
            "AUTH" => return self.secure(),
            "EPSV" | "PASV" => return self.listen(verb == "EPSV"),
            "RETR" | "STOR" | "LIST" | "MLSD" | "NLST" => return self.transfer(verb, argument),
            "PROT" => self.protected = true,
            _ => {}
        }
        self.say(fixed(verb.as_bytes()));
        Ok(())
    }

    fn secure(&mut self) -> io::Result<()> {
        let Some(configuration) = self.tls.clone() else {
            self.say(b"502 no\r\n");
            return Ok(());
        };
        self.control.write_all(b"234 go\r\n")?;
        if let Control::Plain(mut socket) = std::mem::replace(&mut self.control, Control::Nothing) {
            let tls = secure::handshake(&configuration, &mut socket)?;
            self.control = Control::Tls(tls, socket);
        }
        Ok(())
    }

    fn listen(&mut self, extended: bool) -> io::Result<()> {
        let port = match &self.passive {
            Some((_, port)) => *port,
            None => {
                let listener = TcpListener::bind("127.0.0.1:0")?;
                let port = listener.local_addr()?.port();
                self.passive = Some((listener, port));
                port
            }
        };
        if extended {
            write!(self.replies, "229 ok (|||{port}|)\r\n")
        } else {
            write!(self.replies, "227 ok (127,0,0,1,{},{})\r\n", port >> 8, port & 255)
        }
    }

    fn transfer(&mut self, verb: &str, argument: &str) -> io::Result<()> {
        let Some((listener, _)) = &self.passive else {
            self.say(b"425 no\r\n");
            return Ok(());
        };
        let path = format!("{}/{argument}", self.root);
        let (data, _) = listener.accept()?;
        match verb {
            "RETR" => {
                let Ok(file) = File::open(&path) else {
                    self.say(b"550 no\r\n");
                    return Ok(());
                };
                self.download(data, &file)?;
            }
            "STOR" => self.upload(data, &path)?,
            _ => self.list(data, &path, verb.as_bytes()[0])?,
        }
        self.say(b"226 ok\r\n");
        Ok(())
    }

    /// Says 150 now, not together with 226.
    fn announce(&mut self) -> io::Result<()> {
        self.say(b"150 go\r\n");
        self.flush()
    }

    fn download(&mut self, data: TcpStream, file: &File) -> io::Result<()> {
        let size = file.metadata()?.len();
        if self.protected
            && let Some(tls) = self.tls.clone()
        {
            self.announce()?;
            return secure::download(&tls, data, file, size);
        }
        if size > SMALL {
            self.announce()?;
        } else {
            self.say(b"150 go\r\n");
        }
        let mut offset = 0;
        while offset < size {
            let piece = usize::try_from((size - offset).min(1 << 30)).unwrap_or(MEBIBYTE);
            match rustix::fs::sendfile(&data, file, Some(&mut offset), piece) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn upload(&mut self, data: TcpStream, path: &str) -> io::Result<()> {
        self.announce()?;
        let file = File::create(path)?;
        if self.protected
            && let Some(tls) = self.tls.clone()
        {
            return secure::upload(&tls, data, &file);
        }
        let mut offset = splice_in(&data, &file)?;
        // One read more: whether that was the end or an error, splice did not tell us.
        let mut buffer = vec![0u8; 256 * 1024];
        let mut data = data;
        loop {
            let length = data.read(&mut buffer)?;
            if length == 0 {
                return Ok(());
            }
            file.write_all_at(&buffer[..length], offset)?;
            offset += length as u64;
        }
    }

    fn list(&mut self, mut data: TcpStream, path: &str, kind: u8) -> io::Result<()> {
        self.announce()?;
        let mut text = Vec::with_capacity(MEBIBYTE);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if let Ok(folder) = rustix::fs::open(path, flags, Mode::empty()) {
            let mut entries: Vec<u8> = Vec::with_capacity(1 << 18);
            list(&folder, kind, entries.spare_capacity_mut(), &mut text);
        }
        if self.protected
            && let Some(tls) = self.tls.clone()
        {
            return secure::send(&tls, data, &text);
        }
        let _ = data.write_all(&text);
        Ok(())
    }
}

/// Socket, pipe, file: one copy instead of two.
fn splice_in(data: &TcpStream, file: &File) -> io::Result<u64> {
    let mut offset = 0u64;
    let (from, into) = rustix::pipe::pipe()?;
    let _ = rustix::pipe::fcntl_setpipe_size(&into, MEBIBYTE);
    let onwards = SpliceFlags::MOVE | SpliceFlags::MORE;
    while let Ok(mut left) = rustix::pipe::splice(data, None, &into, None, MEBIBYTE, onwards) {
        if left == 0 {
            break;
        }
        while left > 0 {
            match rustix::pipe::splice(&from, None, file, Some(&mut offset), left, SpliceFlags::MOVE) {
                Ok(0) | Err(_) => break,
                Ok(length) => left -= length,
            }
        }
    }
    Ok(offset)
}
