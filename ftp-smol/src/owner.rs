//! Who has a port that can't be opened: asked of Linux's `/proc`, as far as this process may look.

use std::fs;
use std::io;
use std::path::Path;

/// The process that listens on TCP port `port`, as `name (process 123)`; `None` when the system doesn't say.
pub(crate) fn of_port(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        fs::read_to_string(table).ok()?.lines().find_map(|line| listening_inode(line, port).map(String::from))
    })?;
    let link = format!("socket:[{inode}]");
    let is_process =
        |entry: &fs::DirEntry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let mut processes = fs::read_dir("/proc").ok()?.flatten().filter(is_process);
    let process = processes.find(|process| holds(&process.path(), &link))?;
    let name = fs::read_to_string(process.path().join("comm")).ok()?;
    Some(format!("{} (process {})", name.trim(), process.file_name().to_string_lossy()))
}

/// The system's error about a port that can't be listened on, and who has the port if that is known.
pub(crate) fn named(port: u16, error: io::Error) -> io::Error {
    let search = error.kind() == io::ErrorKind::AddrInUse;
    match search.then(|| of_port(port)).flatten() {
        Some(owner) => io::Error::new(error.kind(), format!("{error}: {owner} has it")),
        None => error,
    }
}

/// The inode of the socket in one line of `/proc/net/tcp`, if it listens on this port (proc(5)).
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let number = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    (number == port && state == "0A").then(|| fields.nth(5)).flatten()
}

fn holds(process: &Path, link: &str) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(link)))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let owner = of_port(port).unwrap();
        let error = named(port, io::ErrorKind::AddrInUse.into());
        assert!(error.to_string().ends_with(&format!(": {owner} has it")), "{error}");
        assert!(owner.ends_with(&format!("(process {})", std::process::id())), "{owner}");
        drop(listener);
        assert_eq!(of_port(port), None);
    }
}
