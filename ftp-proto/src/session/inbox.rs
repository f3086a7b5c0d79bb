//! Command lines on their way in: Telnet commands are taken out (RFC 959 section 4.1.3, RFC 854), lines cut,
//! overlong ones swallowed to their end.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

const IAC: u8 = 255;
const TELNET_COMMANDS: core::ops::RangeInclusive<u8> = 240..=250;
const TELNET_OPTIONS: core::ops::RangeInclusive<u8> = 251..=254;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// What is kept of a line that is too long.
pub(super) const BEGINNING: usize = 80;

/// An empty buffer above this is given back.
const KEPT_CAPACITY: usize = 1024;
/// The same for the queue.
const KEPT_ITEMS: usize = 64;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Telnet {
    #[default]
    Text,
    /// After IAC.
    Command,
    /// After a 255 that is a letter, unless another one follows.
    Letter,
    /// After IAC and WILL, WON'T, DO or DON'T: what says no to the option that follows, if anything has to.
    Option(Option<u8>),
}

/// What the next thing to do is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A line of this many bytes, without its end.
    Line(usize),
    /// A line that was too long was here; so many bytes of its beginning are left.
    Overlong(usize),
    /// What has to be said to a Telnet option, in front of the reply to the line in which it came.
    Refusal([u8; 3]),
}

#[derive(Debug)]
pub(crate) struct Inbox {
    /// The text of the queued lines, then that of the unfinished one.
    bytes: Vec<u8>,
    /// Where in `bytes` the first queued line begins.
    start: usize,
    /// Where in `bytes` the unfinished line begins.
    line_start: usize,
    items: VecDeque<Item>,
    telnet: Telnet,
    /// The unfinished line is beyond the limit and thrown away.
    swallowing: bool,
    /// 255 is a letter of the client's character set.
    letter_255: bool,
    limit: usize,
}

impl Inbox {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            start: 0,
            line_start: 0,
            items: VecDeque::new(),
            telnet: Telnet::Text,
            swallowing: false,
            letter_255: false,
            limit,
        }
    }

    /// Whether 255 is a letter. Then Telnet's commands are known at the beginning of a line only, where clients put
    /// their Synch before ABOR; a name would else lose what looks like one. Two of them are still one letter, as RFC 854
    /// has it and half of the clients send it. It holds for what comes from now on.
    pub(crate) fn set_letter_255(&mut self, is_letter: bool) {
        self.letter_255 = is_letter;
    }

    // req: 959-2.3-telnet, 959-4.1-telnet-signals, 1123-4.1.2.10-no-read-boundaries
    // req: 1123-4.1.2.12-no-negotiation, 1123-4.1.2.12-telnet-options, 2640-3.1-8-bits, 2640-3.1-iac
    // req: 3659-2.2-iac, 3659-2.2-no-negotiation, 3659-7-8-bits
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&byte, behind)) = rest.split_first() {
            if self.telnet == Telnet::Text
                && let Some((plain, special)) = split_plain(rest)
            {
                self.plain(plain);
                rest = special;
                continue;
            }
            rest = behind;
            match self.telnet {
                Telnet::Text if byte == IAC && self.letter_255 && self.is_in_a_line() => {
                    self.telnet = Telnet::Letter;
                }
                Telnet::Letter => {
                    self.telnet = Telnet::Text;
                    self.text(IAC);
                    if byte != IAC {
                        self.text(byte);
                    }
                }
                Telnet::Text if byte == IAC => self.telnet = Telnet::Command,
                Telnet::Text => self.text(byte),
                Telnet::Option(refusal) => {
                    self.telnet = Telnet::Text;
                    self.items.extend(refusal.map(|refusal| Item::Refusal([IAC, refusal, byte])));
                }
                Telnet::Command if TELNET_OPTIONS.contains(&byte) => {
                    self.telnet = Telnet::Option(refusal(byte));
                }
                Telnet::Command => {
                    self.telnet = Telnet::Text;
                    match byte {
                        IAC => self.text(IAC),
                        byte if TELNET_COMMANDS.contains(&byte) => {}
                        // No Telnet at all: a client that sends names in Latin-1 and does not double 255.
                        byte => {
                            self.text(IAC);
                            self.text(byte);
                        }
                    }
                }
            }
        }
    }

    /// Bytes that are nothing but text.
    fn plain(&mut self, bytes: &[u8]) {
        if self.swallowing {
            return;
        }
        let room = self.limit.saturating_sub(self.bytes.len() - self.line_start);
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if bytes.len() > room {
            self.bytes.truncate(self.line_start + BEGINNING);
            self.swallowing = true;
        }
    }

    fn is_in_a_line(&self) -> bool {
        self.swallowing || self.bytes.len() > self.line_start
    }

    // req: 959-5.3-crlf, 2640-3.1-crlf
    fn text(&mut self, byte: u8) {
        let len = self.bytes.len() - self.line_start;
        match byte {
            b'\n' if self.swallowing => {
                self.swallowing = false;
                self.items.push_back(Item::Overlong(self.bytes.len() - self.line_start));
                self.line_start = self.bytes.len();
            }
            b'\n' => {
                if self.bytes.last() == Some(&b'\r') && len > 0 {
                    self.bytes.pop();
                }
                self.items.push_back(Item::Line(self.bytes.len() - self.line_start));
                self.line_start = self.bytes.len();
            }
            _ if self.swallowing => {}
            // The rest of a Synch whose urgent byte the system took out of line; no command begins so.
            byte if len == 0 && byte >= *TELNET_COMMANDS.start() => {}
            _ if len >= self.limit => {
                self.bytes.truncate(self.line_start + BEGINNING);
                self.swallowing = true;
            }
            byte => self.bytes.push(byte),
        }
    }

    /// The next line without taking it.
    pub(crate) fn peek(&self) -> Option<(Item, &[u8])> {
        let item = *self.items.front()?;
        let len = match item {
            Item::Line(len) | Item::Overlong(len) => len,
            Item::Refusal(_) => 0,
        };
        Some((item, self.bytes.get(self.start..self.start + len).unwrap_or_default()))
    }

    /// All whole lines that wait, in order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = self.start;
        self.items.iter().filter_map(move |item| {
            let (len, is_whole) = match *item {
                Item::Line(len) => (len, true),
                Item::Overlong(len) => (len, false),
                Item::Refusal(_) => (0, false),
            };
            let line = self.bytes.get(start..start + len);
            start += len;
            line.filter(|_| is_whole)
        })
    }

    /// The line that has not ended, if no other waits.
    pub(crate) fn unfinished(&self) -> &[u8] {
        self.bytes.get(self.line_start..).filter(|_| self.items.is_empty()).unwrap_or_default()
    }

    /// Takes the next line into `line`.
    pub(crate) fn take(&mut self, line: &mut Vec<u8>) -> Option<Item> {
        let (item, text) = self.peek()?;
        line.clear();
        line.extend_from_slice(text);
        self.start += line.len();
        self.items.pop_front();
        // A client that pipelines all the time never lets the queue run empty: what was taken goes all the same.
        if self.items.is_empty() || self.start > self.limit {
            self.forget_taken();
        }
        Some(item)
    }

    fn forget_taken(&mut self) {
        self.bytes.drain(..self.start);
        self.line_start -= self.start;
        self.start = 0;
        if self.items.is_empty() {
            self.bytes.shrink_to(KEPT_CAPACITY);
            self.items.shrink_to(KEPT_ITEMS);
        }
    }

    /// Throws away all that came and was not taken; how many bytes of it there were.
    pub(crate) fn discard(&mut self) -> usize {
        let ends = self.items.len();
        let bytes = self.bytes.len() - self.start;
        let odd = usize::from(self.swallowing || self.telnet != Telnet::Text);
        *self = Self { letter_255: self.letter_255, ..Self::new(self.limit) };
        bytes + ends + odd
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn held(&self) -> usize {
        self.bytes.capacity() + self.items.capacity() * size_of::<Item>()
    }

    /// Whether more should be read: not while complete lines wait beyond the limit.
    pub(crate) fn wants_input(&self) -> bool {
        self.items.is_empty() || (self.bytes.len() - self.start < self.limit && self.items.len() < 1024)
    }
}

/// What comes before the next byte that may be more than text, if it doesn't come first.
fn split_plain(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_special = |&byte: &u8| byte == b'\n' || byte >= *TELNET_COMMANDS.start();
    let end = bytes.iter().position(is_special).unwrap_or(bytes.len());
    bytes.split_at_checked(end).filter(|(plain, _)| !plain.is_empty())
}

/// RFC 1123 section 4.1.2.12: no option is taken, and a client that offers or wants one hears so. WON'T and DON'T only
/// say what holds anyway; an answer to them could go back and forth for ever (RFC 854).
fn refusal(command: u8) -> Option<u8> {
    match command {
        WILL => Some(DONT),
        DO => Some(WONT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut inbox = Inbox::new(16);
        let mut found = Vec::new();
        for piece in pieces {
            inbox.receive(piece);
        }
        let mut line = Vec::new();
        while let Some(item) = inbox.take(&mut line) {
            if !matches!(item, Item::Refusal(_)) {
                found.push(matches!(item, Item::Line(_)).then(|| line.clone()));
            }
        }
        found
    }

    #[test]
    // req: 959-5.3-crlf, 1123-4.1.2.10-no-read-boundaries
    fn lines_end_with_a_line_feed() {
        assert_eq!(lines(&[b"NO", b"OP\r", b"\nPWD\nLI"]), [Some(b"NOOP".to_vec()), Some(b"PWD".to_vec())]);
        assert_eq!(lines(&[b"\r\n\n"]), [Some(b"".to_vec()), Some(b"".to_vec())]);
        assert_eq!(lines(&[b"a\rb\r\n"]), [Some(b"a\rb".to_vec())]);
    }

    #[test]
    fn an_overlong_line_is_one_item_and_the_next_is_whole() {
        assert_eq!(lines(&[&[b'x'; 50], b"\r\nNOOP\r\n"]), [None, Some(b"NOOP".to_vec())]);
        assert_eq!(lines(&[&[b'x'; 16], b"\n"]), [Some([b'x'; 16].to_vec())]);
    }

    #[test]
    fn a_carriage_return_of_one_line_is_no_end_of_the_next() {
        assert_eq!(lines(&[b"a\r\r\n\nNOOP\n"]), [b"a\r".to_vec(), Vec::new(), b"NOOP".to_vec()].map(Some));
    }

    #[test]
    fn each_line_may_have_the_whole_length_and_of_longer_ones_the_beginning_stays() {
        let mut inbox = Inbox::new(200);
        let (just, long) = (b"x".repeat(200), b"y".repeat(1_000));
        for line in [&just, &just, &long, &just] {
            inbox.receive(line);
            inbox.receive(b"\n");
        }
        let mut line = Vec::new();
        for (item, text) in [
            (Item::Line(200), &just[..]),
            (Item::Line(200), &just),
            (Item::Overlong(BEGINNING), &long[..BEGINNING]),
            (Item::Line(200), &just),
        ] {
            assert_eq!((inbox.take(&mut line), line.as_slice()), (Some(item), text));
        }
        assert_eq!(inbox.take(&mut line), None);
    }

    #[test]
    fn memory_comes_back_and_waiting_lines_stay_where_they_are() {
        let mut inbox = Inbox::new(4_096);
        let mut line = Vec::new();
        inbox.receive(&b"NOOP\n".repeat(1_000));
        inbox.take(&mut line);
        assert_eq!(inbox.start, 4);
        while inbox.take(&mut line).is_some() {}
        assert_eq!((inbox.start, inbox.line_start, inbox.bytes.len()), (0, 0, 0));
        let kept = (inbox.bytes.capacity(), inbox.items.capacity());
        assert!(kept.0 <= KEPT_CAPACITY && kept.1 <= KEPT_ITEMS, "{kept:?}");
    }

    /// RFC 4217 section 4, CVE-2011-0411: whatever came is counted, and is gone; what 255 is stays.
    #[test]
    fn all_that_was_not_taken_is_discarded() {
        for (received, count) in [
            (&b""[..], 0),
            (b"NOOP\r\n", 0),
            (b"NOOP\r\nPWD\r\nLI", 6),
            (b"NOOP\r\n\n\n", 2),
            (b"NOOP\r\n\xff", 1),
            (b"NOOP\r\n\xff\xfb", 1),
            (b"NOOP\r\nxxxxxxxxxxxxxxxxx", 17),
        ] {
            let mut inbox = Inbox::new(16);
            let mut line = Vec::new();
            inbox.set_letter_255(true);
            inbox.receive(received);
            inbox.take(&mut line);
            assert_eq!(inbox.discard(), count, "{received:?}");
            inbox.receive(b"x\xff\xf0y\n");
            assert_eq!((inbox.take(&mut line), line.as_slice()), (Some(Item::Line(4)), &b"x\xff\xf0y"[..]));
        }
    }

    #[test]
    fn reading_stops_at_the_limits() {
        let wants = |taken: usize, bytes: &[u8]| {
            let mut inbox = Inbox::new(16);
            let mut line = Vec::new();
            inbox.receive(bytes);
            assert_eq!((0..taken).filter_map(|_| inbox.take(&mut line)).count(), taken);
            inbox.wants_input()
        };
        assert!(wants(0, b"12345678\n1234567\n") && !wants(0, b"12345678\n12345678\n"));
        assert!(wants(1, b"1\n12345678\n1234567\n") && !wants(1, b"1\n12345678\n12345678\n"));
        assert!(wants(0, &[b'\n'; 1_023]) && !wants(0, &[b'\n'; 1_024]));
    }

    #[test]
    fn a_client_that_always_has_a_line_waiting_grows_nothing() {
        let mut inbox = Inbox::new(16);
        let mut line = Vec::new();
        inbox.receive(b"SYST \r\n");
        for _ in 0..10_000 {
            inbox.receive(b"SYST \r\n");
            assert_eq!(inbox.take(&mut line), Some(Item::Line(5)));
            assert_eq!(line, b"SYST ");
        }
        assert!(inbox.bytes.capacity() < 1024, "{}", inbox.bytes.capacity());
    }

    #[test]
    fn a_letter_255_survives_doubled_or_not() {
        let line = |bytes: &[u8]| {
            let mut inbox = Inbox::new(16);
            inbox.set_letter_255(true);
            bytes.iter().for_each(|&byte| inbox.receive(&[byte]));
            let mut line = Vec::new();
            inbox.take(&mut line);
            line
        };
        assert_eq!(line(b"x\xff\xf0y\n"), b"x\xff\xf0y");
        assert_eq!(line(b"x\xff\xff\xf0y\n"), b"x\xff\xf0y");
        assert_eq!(line(b"x\xff\r\n"), b"x\xff");
        assert_eq!(line(b"x\xff\xfb\n"), b"x\xff\xfb");
        assert_eq!(line(b"\xff\xf4\xff\xf2ABOR\r\n"), b"ABOR");
        // An option at the beginning is none of the line.
        let mut inbox = Inbox::new(16);
        inbox.set_letter_255(true);
        inbox.receive(b"\xff\xfb\x01NOOP\n");
        assert_eq!(inbox.take(&mut Vec::new()), Some(Item::Refusal([IAC, DONT, 1])));
    }

    #[test]
    fn telnet_is_taken_out() {
        // Synch in line, Synch without its urgent byte, an option, a doubled 255, a bare one in a name.
        assert_eq!(lines(&[b"\xff\xf4\xff\xf2ABOR\r\n"]), [Some(b"ABOR".to_vec())]);
        assert_eq!(lines(&[b"\xff\xf4\xffABOR\r\n"]), [Some(b"ABOR".to_vec())]);
        assert_eq!(lines(&[b"\xf2ABOR\r\n"]), [Some(b"ABOR".to_vec())]);
        assert_eq!(lines(&[b"\xff\xfb\x01NOOP\n"]), [Some(b"NOOP".to_vec())]);
        assert_eq!(lines(&[b"x\xff\xffy\n"]), [Some(b"x\xffy".to_vec())]);
        assert_eq!(lines(&[b"x\xff", b"y\n"]), [Some(b"x\xffy".to_vec())]);
    }

    #[test]
    fn options_are_refused_before_their_line() {
        let mut inbox = Inbox::new(16);
        inbox.receive(b"\xff\xfb\x01NO\xff\xfd\x03OP\xff\xfc\x01\xff\xfe\x03\n");
        let mut line = Vec::new();
        assert_eq!(inbox.take(&mut line), Some(Item::Refusal([IAC, DONT, 1])));
        assert_eq!(inbox.take(&mut line), Some(Item::Refusal([IAC, WONT, 3])));
        assert_eq!((inbox.take(&mut line), line.as_slice()), (Some(Item::Line(4)), &b"NOOP"[..]));
        assert_eq!(inbox.take(&mut line), None);
        inbox.receive(&b"\xff\xfd\x03".repeat(10_000));
        assert!(!inbox.wants_input());
    }
}
