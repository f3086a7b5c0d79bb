//! What the fuzz targets do with their bytes. A property that does not hold is a panic, as fuzzers want it; the
//! same functions replay the corpus as ordinary tests.

#![allow(clippy::panic, clippy::expect_used, reason = "a fuzz target reports by panicking")]

mod model;
mod pipes;

pub use model::{compare, model};
pub use pipes::{pipes, with_plain_line_ends};

use super::balancer::{binary_header, text_header};
use super::simulator::{Choices, simulate, simulate_control_connection};
use super::telnet::Telnet;
use super::{MemoryAccounts, MemoryStorage};
use crate::Connection;
use crate::account::Rights;
use crate::advertise::Advertised;
use crate::client;
use crate::config::{Config, Settings};
use crate::diagnose::Outlook;
use crate::event::{Action, Answer, Arrival, Event, Request, SessionId, Standing};
use crate::path::VirtualPath;
use crate::proxy::{Origin, Parsed, Reader, parse};
use crate::session::HIGH_WATER;
use crate::time::Now;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("command_line", command_line),
    ("wire", wire),
    ("session", session),
    ("path", path),
    ("proxy", proxy),
    ("client", client),
    ("pipes", pipes::pipes),
    ("model", model::model),
];

/// Any bytes on the control connection of somebody logged in: every line gets exactly one final reply, all
/// replies are well formed, and how the bytes were split makes no difference.
pub fn command_line(data: &[u8]) {
    let (whole, took_long) = replies(data, usize::MAX);
    let (pieces, _) = replies(data, 1);
    // Beside a job that takes long some commands run at once, and whoever speaks another protocol is hung up on at once: what
    // came in time before does depend on it, here only whether a Telnet option was still refused and, where there are two
    // reasons to hang up, which of them is said.
    let (plain, plain_pieces) = (without_telnet(&whole), without_telnet(&pieces));
    let (plain, plain_pieces) = (before_farewell(&plain), before_farewell(&plain_pieces));
    // While so many replies are unread commands wait, also those that are answered before a transfer's end as a rule.
    let is_unread = plain.0.len() > HIGH_WATER;
    let in_any_order = |(replies, hangs_up)| (sorted(replies), hangs_up);
    let same = plain == plain_pieces || is_unread && in_any_order(plain) == in_any_order(plain_pieces);
    assert!(
        took_long || same,
        "the replies depend on how the bytes were split:\n{}in single bytes:\n{}",
        plain.0.escape_ascii(),
        plain_pieces.0.escape_ascii()
    );
    let mut finals = 0usize;
    let mut block = false;
    for line in without_telnet(&whole).split_inclusive(|&byte| byte == b'\n') {
        assert!(line.ends_with(b"\r\n"), "a reply line without its end");
        assert!(line.iter().filter(|&&byte| byte == b'\r').count() == 1, "a bare CR in a reply");
        let digits = line.get(..3).is_some_and(|code| code.iter().all(u8::is_ascii_digit));
        match line.get(3) {
            Some(b'-') if digits => block = true,
            Some(b' ') if digits => {
                block = false;
                // 150 comes before the final one; 421 may come unasked.
                finals += usize::from(!line.starts_with(b"1") && !line.starts_with(b"421"));
            }
            _ => assert!(block, "a line that belongs to no reply"),
        }
    }
    let lines = data.iter().filter(|&&byte| byte == b'\n').count();
    // The greeting, USER and PASS come on top.
    assert!(finals <= lines + 3, "{finals} replies to {lines} lines");
}

/// The replies as they are without refusals of Telnet options, and with the byte 255 once where it was sent twice.
fn without_telnet(bytes: &[u8]) -> Vec<u8> {
    let mut telnet = Telnet::default();
    let text = |&byte: &u8| telnet.text(byte).unwrap_or_else(|why| panic!("{why}"));
    bytes.iter().filter_map(text).collect()
}

/// The lines of replies, in the order of their bytes.
fn sorted(replies: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = replies.split_inclusive(|&byte| byte == b'\n').collect();
    lines.sort_unstable();
    lines
}

/// The replies without a 421 at their end, and whether there is one.
fn before_farewell(replies: &[u8]) -> (&[u8], bool) {
    let last = replies.split_inclusive(|&byte| byte == b'\n').next_back().unwrap_or_default();
    if last.starts_with(b"421 ") {
        (replies.strip_suffix(last).unwrap_or(replies), true)
    } else {
        (replies, false)
    }
}

/// All replies to `data`, given in pieces of `size` bytes, after a login, and whether there was a job that takes long.
fn replies(data: &[u8], size: usize) -> (Vec<u8>, bool) {
    let storage = Arc::new(MemoryStorage::new().file("/a", "alpha").dir("/up"));
    let accounts = Arc::new(MemoryAccounts::new().user("u", "p", storage.account("u", Rights::ALL)));
    let settings = Settings::default();
    let config = Arc::new(settings.validate().unwrap_or_else(|_| Config::default()));
    let end = |port| SocketAddr::new([127, 0, 0, 1].into(), port);
    let arrival = Arrival::new(end(21), end(4_000));
    let mut connection = Connection::new(Now::default(), SessionId(1), config, accounts, None, arrival);
    let mut out = Vec::new();
    let mut took_long = turn(&mut connection, &mut out);
    for piece in [&b"USER u\r\n"[..], b"PASS p\r\n"].into_iter().chain(data.chunks(size.max(1))) {
        connection.receive(Now::default(), piece);
        took_long |= turn(&mut connection, &mut out);
    }
    (out, took_long)
}

/// Does what is asked for; whether that was a job that takes long.
fn turn(connection: &mut Connection, out: &mut Vec<u8>) -> bool {
    let mut took_long = false;
    loop {
        while let Some(action) = connection.poll_action() {
            match action {
                Action::Consult(Request::Lease { link, .. }) => {
                    let advertised = Advertised::plain([127, 0, 0, 1].into(), 2_000);
                    let outlook = Outlook::default();
                    let answer = Answer::Leased { link, port: 2_000, advertised, outlook };
                    connection.handle(Now::default(), Event::Answer(answer));
                }
                Action::Consult(Request::Attempt { .. }) => {
                    connection.handle(Now::default(), Event::Answer(Answer::Standing(Standing::Free)));
                }
                Action::Perform(ticket, job) => {
                    took_long |= job.is_long();
                    connection.handle(Now::default(), Event::Done(ticket, job.perform()));
                }
                Action::Consult(_)
                | Action::Connect(..)
                | Action::Secure(..)
                | Action::Start(..)
                | Action::Abort(_)
                | Action::Drop(_)
                | Action::Notify(_) => {}
            }
        }
        let shown = connection.transmit();
        if shown.is_empty() {
            return took_long;
        }
        let len = shown.len();
        out.extend_from_slice(shown);
        connection.transmitted(Now::default(), len);
    }
}

/// One control connection in the clear, under TLS and between the two, with its choices from the fuzzer; what the
/// client's own TLS makes of the server's bytes is the oracle.
pub fn wire(data: &[u8]) {
    if let Err(problem) = simulate_control_connection(Choices::Bytes(data)) {
        panic!("{problem}");
    }
}

/// The simulated world with its choices from the fuzzer; the simulator's invariants are the oracle.
pub fn session(data: &[u8]) {
    if let Err(problem) = simulate(Choices::Bytes(data)) {
        panic!("{problem}");
    }
}

/// A PROXY header means the same however it is cut, is decided for good, and what it says can be said again.
pub fn proxy(data: &[u8]) {
    let whole = parse(data);
    let decided = (0..data.len()).find(|&cut| parse(data.get(..cut).unwrap_or(data)) != Parsed::Incomplete);
    let decided = decided.unwrap_or(data.len());
    assert!(parse(data.get(..decided).unwrap_or(data)) == whole, "more bytes change what was decided");
    let mut reader = Reader::default();
    let taken: usize = data.iter().map(|&byte| reader.offer(&[byte])).sum();
    match whole {
        Parsed::Incomplete => assert!(taken == data.len() && reader.outcome().is_none()),
        Parsed::Invalid(fault) => assert!(reader.outcome() == Some(Err(fault))),
        Parsed::Header { len, origin } => {
            assert!(decided == len && taken == len, "{taken} bytes taken, decided at {decided}, {len} long");
            assert!(reader.outcome() == Some(Ok(origin)));
            let Origin::Client { source, destination } = origin else { return };
            // (One family for both ends: a mapped address is IPv4, and the other need not be.)
            if source.is_ipv4() == destination.is_ipv4() {
                for said in [text_header(source, destination), binary_header(source, destination)] {
                    assert!(parse(&said) == Parsed::Header { len: said.len(), origin });
                }
            }
        }
    }
}

/// `resolve` never leaves the root, and what it makes is normal.
pub fn path(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == 0);
    let (directory, argument) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let Ok(directory) = VirtualPath::new(directory) else { return };
    let Ok(path) = directory.resolve(argument) else { return };
    assert!(path.as_bytes().first() == Some(&b'/'));
    assert!(path.components().all(|part| !matches!(part, b"" | b"." | b"..")), "{path}");
    assert!(path.is_root() || path.as_bytes().last() != Some(&b'/'));
    assert!(VirtualPath::new(path.as_bytes()) == Ok(path.clone()), "not idempotent: {path}");
    assert!(path.starts_with(&path.parent()));
}

/// What a hostile server may say to our client, in any order with what may happen outside: each step ends exactly once,
/// while one goes on there is a deadline, and nothing grows without bound. Each first byte chooses, the rest is said.
pub fn client(data: &[u8]) {
    let server = SocketAddr::new([192, 0, 2, 1].into(), 21);
    let patience = client::Patience { most_data: 1_000, ..client::Patience::default() };
    let mut now = Now::default().mono;
    let mut machine = client::Client::new(now, server, patience);
    let mut open = 1usize;
    for piece in data.split(|&byte| byte == 0) {
        let Some((&choice, said)) = piece.split_first() else { continue };
        let answer = |event| (Some(event), None);
        let (event, step) = match choice % 20 {
            0 => answer(client::Event::Secured),
            1 => answer(client::Event::SecureFailed("why".into())),
            2 => answer(client::Event::DataOpened),
            3 => answer(client::Event::DataSecured),
            4 => answer(client::Event::Data(said.to_vec())),
            5 => answer(client::Event::DataEnded),
            6 => answer(client::Event::DataSent),
            7 => answer(client::Event::DataFailed(client::DataError::Reset)),
            8 if said.is_empty() => answer(client::Event::Closed),
            9 => (None, Some(client::Step::Secure)),
            10 => (None, Some(client::Step::ProtectData)),
            11 => (None, Some(client::Step::Login { user: "u".into(), password: "p".into() })),
            12 => (None, Some(transfer(client::Way::Extended, client::Work::List))),
            13 => (None, Some(transfer(client::Way::Passive { believe: true }, store(said)))),
            14 => (None, Some(client::Step::Quit)),
            15 => {
                now = machine.deadline().unwrap_or(now);
                machine.handle_timeout(now);
                (None, None)
            }
            _ => {
                machine.receive(now, said);
                (None, None)
            }
        };
        if let Some(event) = event {
            machine.handle(now, event);
        }
        if let Some(step) = step {
            open += usize::from(machine.begin(now, step));
        }
        while let Some(action) = machine.poll_action() {
            if let client::Action::Finished(report) = action {
                assert!(open > 0, "a step ended twice");
                open -= 1;
                let data = report.transfer.map_or(0, |transfer| transfer.data.len());
                assert!(data <= patience.most_data, "{data} bytes kept");
            }
        }
        assert!(open <= 1, "two steps at once");
        assert!(open == 0 || machine.deadline().is_some(), "a step without deadline");
        let len = machine.transmit().len();
        assert!(len <= data.len() + 100, "{len} bytes to send");
        machine.transmitted(len);
    }
}

fn transfer(way: client::Way, work: client::Work) -> client::Step {
    client::Step::Transfer(client::Transfer { way, work })
}

fn store(said: &[u8]) -> client::Work {
    client::Work::Store("name".into(), said.to_vec())
}
