//! What all floors say and understand, and the text of their listings.

use rustix::fs::{AtFlags, RawDir};
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// The first reply.
pub(crate) const GREETING: &[u8] = b"220 floor\r\n";

/// The reply to a command that needs nothing but words.
pub(crate) fn fixed(verb: &[u8]) -> &'static [u8] {
    match verb {
        b"USER" => b"331 pw\r\n",
        b"PASS" => b"230 in\r\n",
        b"PWD" => b"257 \"/\" is cwd\r\n",
        b"QUIT" => b"221 bye\r\n",
        b"NOOP" | b"TYPE" | b"PBSZ" | b"PROT" => b"200 ok\r\n",
        b"DELE" | b"CWD" => b"250 ok\r\n",
        _ => b"502 no\r\n",
    }
}

/// The next line without its end, and where the one after it begins.
pub(crate) fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// Verb and argument.
pub(crate) fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|&byte| byte == b' ') {
        Some(space) => (&line[..space], &line[space + 1..]),
        None => (line, b""),
    }
}

/// Appends the listing of an open folder to `text`: getdents64 into `entries`, and one fstatat for each entry unless
/// names are all that is asked for. `kind` is the first letter of LIST, MLSD or NLST.
pub(crate) fn list(folder: &OwnedFd, kind: u8, entries: &mut [MaybeUninit<u8>], text: &mut Vec<u8>) {
    let mut reader = RawDir::new(folder, entries);
    while let Some(Ok(entry)) = reader.next() {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if kind != b'N' {
            let status = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
            let size = status.map_or(0, |status| status.st_size);
            // Writing into a vector can't fail.
            let _ = if kind == b'M' {
                write!(text, "type=file;size={size};modify=20260101000000;perm=r; ")
            } else {
                write!(text, "-rw-r--r-- 1 ftp ftp {size:>12} Jan 01 00:00 ")
            };
        }
        text.extend_from_slice(name.to_bytes());
        text.extend_from_slice(b"\r\n");
    }
}
