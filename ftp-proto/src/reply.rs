//! Replies: three digits and words (RFC 959 section 4.2).

use crate::host::{OverQuota, StorageError};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use bytes::BufMut;
use memchr::{memchr, memchr2};

/// What a line has beside its text: a code, what follows it, and the end.
const LINE: usize = 6;
/// The same without a code.
const INDENTED: usize = 3;

/// One final or preliminary reply, of one line or many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    code: u16,
    /// Before the last line; the first of them carries the code and a hyphen, the others a space.
    block: Option<Block>,
    text: Cow<'static, [u8]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    first: Cow<'static, [u8]>,
    lines: Vec<Vec<u8>>,
}

impl Reply {
    /// A reply of one line with a fixed text.
    pub(crate) const fn new(code: u16, text: &'static str) -> Self {
        Self { code, block: None, text: Cow::Borrowed(text.as_bytes()) }
    }

    /// A reply of one line with a text made for the occasion.
    pub(crate) fn with(code: u16, text: impl Into<Vec<u8>>) -> Self {
        Self { code, block: None, text: Cow::Owned(text.into()) }
    }

    /// A reply with a text of one line or more.
    pub(crate) fn lines(code: u16, text: &str) -> Self {
        let line = |line: &str| line.as_bytes().to_vec();
        let mut lines = text.split('\n');
        let Some(last) = lines.next_back() else { return Self::with(code, line(text)) };
        let block =
            lines.next().map(|first| Block { first: line(first).into(), lines: lines.map(line).collect() });
        Self { code, block, text: line(last).into() }
    }

    /// A reply of many lines (RFC 959 section 4.2): each line between the first and the last is indented,
    /// so that none can be taken for the end.
    // req: 959-4.2-block, 959-4.2-block-inner
    pub(crate) fn block(
        code: u16,
        first: impl Into<Vec<u8>>,
        lines: Vec<Vec<u8>>,
        last: &'static str,
    ) -> Self {
        let block = Some(Block { first: Cow::Owned(first.into()), lines });
        Self { code, block, text: Cow::Borrowed(last.as_bytes()) }
    }

    /// What a client is told about a storage that did not do it: the kind alone decides.
    // req: 959-4.2-codes, 959-4.2-transient, 959-4.2.2-450, 959-4.2.2-451, 959-4.2.2-452, 959-4.2.2-550
    // req: 959-4.2.2-552, 959-4.2.2-553, 1123-4.1.2.11-4xx, 1123-4.1.2.11-defined-codes, 1123-4.1.3.4-554, 3659-7.2.1-550
    pub(crate) fn storage(error: &StorageError) -> Self {
        match error {
            StorageError::NotFound => Self::new(550, "No such file or directory."),
            StorageError::Denied => Self::new(550, "Permission denied."),
            StorageError::AlreadyExists => Self::new(550, "The name exists already."),
            StorageError::NotEmpty => Self::new(550, "The directory is not empty."),
            StorageError::IsADirectory => Self::new(550, "It is a directory."),
            StorageError::NotADirectory => Self::new(550, "It is not a directory."),
            StorageError::BadName => Self::new(553, "The name is not allowed here."),
            StorageError::BadOffset => Self::new(554, "The restart point is behind the end of the file."),
            StorageError::NoSpace => Self::new(452, "Insufficient storage space: the disk is full."),
            StorageError::OverQuota(over) => Self::over_quota(*over),
            StorageError::Busy => Self::new(450, "The file is in use; try again later."),
            StorageError::Unsupported => Self::new(504, "This storage can't do that."),
            StorageError::Interrupted => Self::new(426, "Aborted."),
            StorageError::Io(_) => Self::new(451, "Local error in processing."),
        }
    }

    fn over_quota(over: OverQuota) -> Self {
        match over {
            OverQuota::Bytes(0) => Self::new(552, "Exceeded storage allocation: the quota is used up."),
            OverQuota::Bytes(left) => Self::with(
                552,
                alloc::format!("Exceeded storage allocation: {left} bytes of the quota are left."),
            ),
            OverQuota::Files => {
                Self::new(552, "Exceeded storage allocation: no file or directory of the quota is left.")
            }
            OverQuota::System => {
                Self::new(552, "Exceeded storage allocation: the quota on the server's disk is used up.")
            }
        }
    }

    /// The same with other characters.
    pub(crate) fn with_texts<'a>(&'a self, map: impl Fn(&'a [u8]) -> Cow<'a, [u8]>) -> Self {
        let map = |text: &'a [u8]| map(text).into_owned();
        let block = self.block.as_ref().map(|block| Block {
            first: Cow::Owned(map(&block.first)),
            lines: block.lines.iter().map(|line| map(line)).collect(),
        });
        Self { code: self.code, block, text: Cow::Owned(map(&self.text)) }
    }

    /// The reply code.
    pub(crate) const fn code(&self) -> u16 {
        self.code
    }

    /// How many bytes it has on the wire, unless one has to be doubled.
    pub(crate) fn len(&self) -> usize {
        let of_block = |block: &Block| {
            let lines: usize = block.lines.iter().map(|line| INDENTED + line.len()).sum();
            LINE + block.first.len() + lines
        };
        self.block.as_ref().map_or(0, of_block) + LINE + self.text.len()
    }

    /// Appends the reply as it goes over the wire. A CR or LF in a text would begin a forged line: both become
    /// spaces.
    // req: 959-4.2-line, 1123-4.1.2.11-format, 2228-5.2-no-6yz, 2389-3.2-one-space
    pub(crate) fn write(&self, out: &mut impl BufMut) {
        if let Some(block) = &self.block {
            push_line(out, Some((self.code, b'-')), &block.first);
            for line in &block.lines {
                out.put_u8(b' ');
                push_line(out, None, line);
            }
        }
        push_line(out, Some((self.code, b' ')), &self.text);
    }
}

fn push_line(out: &mut impl BufMut, code: Option<(u16, u8)>, text: &[u8]) {
    if let Some((code, separator)) = code {
        let digit = |divisor: u16| b'0' + u8::try_from(code / divisor % 10).unwrap_or(0);
        out.put_slice(&[digit(100), digit(10), digit(1), separator]);
    }
    let mut rest = text;
    while let Some((clean, behind)) = memchr2(b'\r', b'\n', rest).and_then(|end| cut(rest, end)) {
        put_text(out, clean);
        out.put_u8(b' ');
        rest = behind;
    }
    put_text(out, rest);
    out.put_slice(b"\r\n");
}

/// Appends text as Telnet has it: the byte 255 twice (RFC 3659 section 2.2), since alone it begins a command.
// req: 3659-2.2-iac-in-replies
pub(crate) fn put_text(out: &mut impl BufMut, text: &[u8]) {
    let mut rest = text;
    while let Some((part, behind)) = memchr(255, rest).and_then(|end| cut(rest, end)) {
        out.put_slice(part);
        out.put_slice(&[255, 255]);
        rest = behind;
    }
    out.put_slice(rest);
}

/// What is before the byte at `end`, and what is behind it.
fn cut(text: &[u8], end: usize) -> Option<(&[u8], &[u8])> {
    Some((text.get(..end)?, text.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    // req: 959-4.2-block, 959-4.2-line, 1123-4.1.2.11-format, 3659-2.2-iac-in-replies
    fn lines_and_blocks() {
        let mut out = Vec::new();
        Reply::new(200, "Yes.").write(&mut out);
        Reply::block(211, "Features:", alloc::vec![b"SIZE".to_vec()], "End.").write(&mut out);
        Reply::with(257, b"a\r\nb".to_vec()).write(&mut out);
        assert_eq!(out, b"200 Yes.\r\n211-Features:\r\n SIZE\r\n211 End.\r\n257 a  b\r\n");
        for (text, wire) in
            [("a", "220 a\r\n"), ("a\nb", "220-a\r\n220 b\r\n"), ("a\n\nc", "220-a\r\n \r\n220 c\r\n")]
        {
            let mut out = Vec::new();
            Reply::lines(220, text).write(&mut out);
            assert_eq!(out, wire.as_bytes());
        }
        out.clear();
        Reply::with(257, b"\xffa\xff\xff".to_vec()).write(&mut out);
        assert_eq!(out, b"257 \xff\xffa\xff\xff\xff\xff\r\n");
    }
}
