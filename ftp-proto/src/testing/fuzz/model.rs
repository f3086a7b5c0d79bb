//! A session beside the [reference](crate::testing::reference).

use crate::Connection;
use crate::account::Rights;
use crate::advertise::Advertised;
use crate::config::{Limits, Settings};
use crate::diagnose::Outlook;
use crate::event::{Action, Answer, Arrival, Event, LinkId, Request, SessionId, Standing, TransferId};
use crate::path::VirtualPath;
use crate::testing::reference::{Comes, Files, Reference};
use crate::testing::simulator::Choices;
use crate::testing::{MemoryAccounts, MemoryStorage};
use crate::time::Now;
use crate::transfer::{Pipe, Step};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Commands; `#` is one of the paths, `$` a number.
const GRAMMAR: &[&str] = &[
    "USER u",
    "PASS p",
    "PASS wrong",
    "USER x",
    "ACCT x",
    "REIN",
    "NOOP",
    "SYST",
    "FEAT",
    "HELP",
    "HELP RETR",
    "OPTS UTF8 ON",
    "OPTS NONE",
    "XYZZY",
    "lpsvx 1",
    "CWD #",
    "CWD #",
    "XCWD #",
    "CDUP",
    "XCUP",
    "PWD",
    "XPWD",
    "MKD #",
    "XMKD #",
    "RMD #",
    "XRMD #",
    "DELE #",
    "RNFR #\nRNTO #",
    "RNFR #\nRNTO #",
    "RNFR #",
    "RNTO #",
    "SIZE #",
    "MDTM #",
    "MLST #",
    "MLST",
    "TYPE A",
    "TYPE I",
    "type i",
    "TYPE L 8",
    "TYPE A N",
    "TYPE L 7",
    "TYPE X",
    "STRU F",
    "STRU P",
    "STRU X",
    "MODE S",
    "MODE X",
    "REST $",
    "REST $",
    "REST x",
    "ALLO $",
    "ALLO x",
    "ALLO $ R $",
    "PASV",
    "PASV",
    "PASV",
    "EPSV",
    "EPSV",
    "EPSV 1",
    "EPSV 2",
    "EPSV ALL",
    "EPSV x",
    "PORT 203,0,113,5,15,160",
    "EPRT |1|203.0.113.5|4000|",
    "PORT 203,0,113,5,0,20",
    "PORT 192,0,2,7,15,160",
    "EPRT |1|192.0.2.7|4000|",
    "PORT 203,0,113,5",
    "EPRT |1|203.0.113.5",
    "ABOR",
    "STAT",
    "STAT #",
    "RETR #",
    "RETR #",
    "RETR #",
    "PASV\nRETR #",
    "EPSV\nREST $\nRETR #",
    "STOR #",
    "STOR #",
    "PASV\nSTOR #",
    "EPSV\nREST $\nSTOR #",
    "APPE #",
    "PASV\nAPPE #",
    "STOU",
    "EPSV\nSTOU",
    "PASV\nSTOU #",
    "LIST",
    "LIST #",
    "PASV\nLIST #",
    "NLST #",
    "EPSV\nNLST #",
    "MLSD #",
    "PASV\nMLSD #",
    "EPSV\nMLSD",
    "RETR",
    "STOR",
    "CWD",
    "QUIT",
    "\u{1}",
];

const PATHS: &[&str] = &[
    "a", "b", "/a", "/d", "/d/x", "d", "d/x", "e", "/d/e", "d/e/y", "..", "/", ".", "../a", "/none/x",
    "./d//x/", "a b", "\u{fc}", "q\"q", "a/x", " a",
];

/// What a client sends.
const CONTENTS: &[&[u8]] =
    &[b"", b"one\r\ntwo\r\n", b"one\ntwo", b"\r", b"\n", b"\r\r\n\n", b"\x00\xff\xfe\r\nx", b"0123456789"];

/// The same dialogue with a session and with the reference: they agree in each reply, in what comes over data connections,
/// and in the files at the end.
pub fn model(data: &[u8]) {
    if let Err(problem) = compare(Choices::Bytes(data)) {
        panic!("{problem}");
    }
}

/// See [`model`].
///
/// # Errors
/// The dialogue, and where the two differ.
pub fn compare(mut choices: Choices<'_>) -> Result<(), String> {
    let mut server = Machine::new();
    let mut reference = Reference::new(server.files());
    let mut dialogue = String::from_utf8_lossy(&server.exchange(b"", b"").0).into_owned();
    let logs_in = !choices.one_in(8);
    let mut lines: Vec<Vec<u8>> =
        if logs_in { Vec::from([b"PASS p".to_vec(), b"USER u".to_vec()]) } else { Vec::new() };
    for _ in 0..120 {
        if reference.closed || (lines.is_empty() && choices.is_exhausted()) {
            break;
        }
        if lines.is_empty() {
            lines = some_lines(&mut choices);
        }
        let Some(line) = lines.pop() else { continue };
        let sends = choices.pick(CONTENTS).copied().unwrap_or_default();
        server.connects_early = choices.one_in(2);
        let Some(prediction) = reference.say(&line, sends) else { continue };
        let (said, came) = server.exchange(&line, sends);
        dialogue += &format!("C: {}\n{}", line.escape_ascii(), String::from_utf8_lossy(&said));
        let codes = codes(&said);
        let fault = |what: &str| format!("{what}\n{prediction:?}\n{dialogue}");
        if !prediction.replies.contains(&codes) {
            return Err(fault("another reply"));
        }
        if prediction.says.as_ref().is_some_and(|part| !said.windows(part.len()).any(|window| window == part))
        {
            return Err(fault("the reply says something else"));
        }
        let is_right = codes.last() != Some(&226)
            || match &prediction.comes {
                Comes::Anything => true,
                Comes::File(bytes) => *bytes == came,
                Comes::Names(names) => are_names(names, &came),
            };
        if !is_right {
            return Err(fault(&format!("other data: {}", came.escape_ascii())));
        }
        if let Err(problem) = reference.hear(&codes, &said) {
            return Err(fault(problem));
        }
        if server.files() != reference.files {
            return Err(fault(&format!("other files: {:?}, not {:?}", server.files(), reference.files)));
        }
        if reference.closed != server.connection.is_finished() {
            return Err(fault("the session has ended, or not"));
        }
    }
    Ok(())
}

/// From the grammar, or a known verb with anything behind it. The last is the first to be said.
fn some_lines(choices: &mut Choices<'_>) -> Vec<Vec<u8>> {
    let template = choices.pick(GRAMMAR).copied().unwrap_or("NOOP");
    if template == "\u{1}" {
        let verb = choices.pick(GRAMMAR).copied().unwrap_or("NOOP");
        let verb = verb.split([' ', '\n']).next().unwrap_or_default().as_bytes();
        let rest = (0..choices.below(20)).map(|_| 32 + u8::try_from(choices.below(95)).unwrap_or(0));
        let rest: Vec<u8> = rest.filter(|byte| *byte != b':').collect();
        let is_request = rest.windows(5).any(|part| part.eq_ignore_ascii_case(b"HTTP/"));
        return Vec::from([[verb, b" ", if is_request { b"" } else { rest.as_slice() }].concat()]);
    }
    let mut line = |template: &str| {
        let mut line = Vec::new();
        for letter in template.bytes() {
            match letter {
                b'#' => line.extend(choices.pick(PATHS).copied().unwrap_or("a").as_bytes()),
                b'$' => line.extend(format!("{}", choices.below(13)).bytes()),
                _ => line.push(letter),
            }
        }
        line
    };
    let mut lines: Vec<Vec<u8>> = template.split('\n').map(&mut line).collect();
    lines.reverse();
    lines
}

/// The codes of all replies, without the lines inside of them.
fn codes(said: &[u8]) -> Vec<u16> {
    let mut block: Option<&[u8]> = None;
    let mut codes = Vec::new();
    for line in said.split_inclusive(|&byte| byte == b'\n') {
        let Some((code, rest)) = line.split_at_checked(3) else { continue };
        let is_end = rest.first() == Some(&b' ') && block.is_none_or(|open| open == code);
        match (block, rest.first()) {
            (None, Some(b'-')) => block = Some(code),
            _ if is_end => {
                block = None;
                codes.extend(core::str::from_utf8(code).ok().and_then(|code| code.parse::<u16>().ok()));
            }
            _ => {}
        }
    }
    codes
}

/// One line for each name, in any order, which ends with it.
fn are_names(names: &[Vec<u8>], listing: &[u8]) -> bool {
    let lines = listing
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty());
    let mut lines: Vec<&[u8]> = lines.filter(|line| !line.starts_with(b"total ")).collect();
    names.iter().all(|name| {
        let ends = |line: &&[u8]| {
            line.strip_suffix(name.as_slice())
                .is_some_and(|before| before.last().is_none_or(|byte| b" /".contains(byte)))
        };
        lines.iter().position(ends).map(|place| lines.swap_remove(place)).is_some()
    }) && lines.is_empty()
}

/// A session with storage in memory, and a network and a client that do all that is asked of them.
struct Machine {
    connection: Connection,
    storage: Arc<MemoryStorage>,
    now: Now,
    /// The client connects as soon as it knows where; else when a transfer waits for it.
    connects_early: bool,
    announced: Option<LinkId>,
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::new([203, 0, 113, 5].into(), port)
}

impl Machine {
    fn new() -> Self {
        let storage = MemoryStorage::new().file("/a", "alpha\nbeta\n").file("/d/x", "0123456789").dir("/d/e");
        let storage = Arc::new(storage);
        let accounts = MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL));
        let limits = Limits { commands_before_login: 0, ..Limits::default() };
        let config = Settings { limits, ..Settings::default() }.validate().expect("they are right");
        let arrival = Arrival::new(SocketAddr::new([198, 51, 100, 1].into(), 21), address(4_001));
        let now = Now::default();
        let connection =
            Connection::new(now, SessionId(1), Arc::new(config), Arc::new(accounts), None, arrival);
        Self { connection, storage, now, connects_early: false, announced: None }
    }

    fn files(&self) -> Files {
        let mut files: Files = self
            .storage
            .paths()
            .into_iter()
            .map(|path: VirtualPath| (path.as_bytes().to_vec(), self.storage.contents(path.as_bytes())))
            .collect();
        files.insert(b"/".to_vec(), None);
        files
    }

    /// Says a line; what is replied to it, and what came over a data connection.
    fn exchange(&mut self, line: &[u8], sends: &[u8]) -> (Vec<u8>, Vec<u8>) {
        if !line.is_empty() {
            self.connection.receive(self.now, &[line, b"\r\n"].concat());
        }
        let (mut said, mut came) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            self.settle(sends, &mut said, &mut came);
            let is_answered = codes(&said).last().is_some_and(|code| *code >= 200);
            if let Some(link) = self.announced.filter(|_| self.connects_early || !is_answered) {
                self.announced = None;
                let event = Event::Arrived(link.arrived(1), address(5_000));
                self.connection.handle(self.now, event);
            } else if is_answered {
                break;
            } else if let Some(deadline) = self.connection.deadline() {
                // The reply to a wrong password comes late.
                self.now.mono = self.now.mono.max(deadline);
                self.connection.handle_timeout(self.now);
            }
        }
        (said, came)
    }

    fn settle(&mut self, sends: &[u8], said: &mut Vec<u8>, came: &mut Vec<u8>) {
        loop {
            let mut has_done = false;
            while let Some(action) = self.connection.poll_action() {
                has_done = true;
                self.perform(action, sends, came);
            }
            let shown = self.connection.transmit().to_vec();
            if shown.is_empty() && !has_done {
                return;
            }
            self.connection.transmitted(self.now, shown.len());
            said.extend(shown);
        }
    }

    fn perform(&mut self, action: Action, sends: &[u8], came: &mut Vec<u8>) {
        let event = match action {
            Action::Consult(Request::Lease { link, .. }) => {
                self.announced = Some(link);
                let advertised = Advertised::plain([198, 51, 100, 1].into(), 2_000);
                Event::Answer(Answer::Leased { link, port: 2_000, advertised, outlook: Outlook::default() })
            }
            Action::Consult(Request::Attempt { .. }) => Event::Answer(Answer::Standing(Standing::Free)),
            Action::Perform(ticket, job) => Event::Done(ticket, job.perform()),
            Action::Connect(link, _) => Event::Connected(link, address(20)),
            Action::Start(_, id, pipe) => drive(id, pipe, sends, came),
            Action::Drop(link) => {
                self.announced = self.announced.filter(|announced| *announced != link);
                return;
            }
            Action::Consult(_) | Action::Secure(..) | Action::Abort(_) | Action::Notify(_) => return,
        };
        self.connection.handle(self.now, event);
    }
}

/// A transfer, all of it.
fn drive(id: TransferId, mut pipe: Box<Pipe>, mut sends: &[u8], came: &mut Vec<u8>) -> Event {
    let now = Now::default();
    loop {
        match pipe.step(now) {
            Step::Read => pipe.receive(now, core::mem::take(&mut sends)),
            Step::Write => {
                let shown = pipe.transmit().to_vec();
                pipe.transmitted(now, shown.len());
                came.extend(shown);
            }
            Step::Turn => pipe.turn(),
            Step::Report(_) | Step::Marked(_) | Step::Direct { .. } => pipe.refuse_direct(),
            Step::End(end) => return Event::Ended(id, end),
        }
    }
}
