//! What the benchmarks share: a client that measures nothing itself.

use std::io::{BufRead as _, BufReader, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A client over real sockets.
pub struct Client {
    control: BufReader<TcpStream>,
    server: SocketAddr,
}

impl Client {
    /// Connects and logs in.
    ///
    /// # Errors
    /// The socket's.
    pub fn login(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&server, std::time::Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        let mut client = Self { control: BufReader::new(stream), server };
        client.reply()?;
        for line in ["USER u", "PASS p", "TYPE I"] {
            client.command(line)?;
        }
        Ok(client)
    }

    /// Sends a command and reads one reply line.
    ///
    /// # Errors
    /// The socket's.
    pub fn command(&mut self, line: &str) -> Result<String> {
        self.control.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    fn reply(&mut self) -> Result<String> {
        let mut line = String::new();
        self.control.read_line(&mut line)?;
        Ok(line)
    }

    fn passive(&mut self) -> Result<TcpStream> {
        let reply = self.command("EPSV")?;
        let port = reply
            .split('|')
            .nth(3)
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| std::io::Error::other(format!("no port in {reply}")))?;
        let address = SocketAddr::new(self.server.ip(), port);
        TcpStream::connect_timeout(&address, std::time::Duration::from_secs(5))
    }

    /// Downloads and throws away; how many bytes came.
    ///
    /// # Errors
    /// The socket's.
    pub fn retr(&mut self, name: &str, buffer: &mut [u8]) -> Result<usize> {
        let mut data = self.passive()?;
        self.command(&format!("RETR {name}"))?;
        let mut total = 0;
        loop {
            match data.read(buffer)? {
                0 => break,
                count => total += count,
            }
        }
        self.reply()?;
        Ok(total)
    }

    /// Uploads.
    ///
    /// # Errors
    /// The socket's.
    pub fn stor(&mut self, name: &str, bytes: &[u8]) -> Result<String> {
        let mut data = self.passive()?;
        self.command(&format!("STOR {name}"))?;
        data.write_all(bytes)?;
        drop(data);
        self.reply()
    }
}
