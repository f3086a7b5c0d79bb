//! The FTP server protocol as a pure state machine: bytes, events and time go in, reply bytes and actions come
//! out. It opens no socket, reads no file and knows no clock, so it runs on threads, on an async runtime, in a
//! simulator and on a microcontroller alike.
//!
//! # The contract
//!
//! One [`Connection`] per control connection, one [`Server`] per process for what they share.
//!
//! 1. News goes in by [`receive`](Connection::receive), [`handle`](Connection::handle),
//!    [`handle_timeout`](Connection::handle_timeout) and [`transmitted`](Connection::transmitted): in any order
//!    and any number, and none can fail. A peer's mistake becomes a reply; a stale answer is ignored.
//! 2. Work comes out by [`transmit`](Connection::transmit), [`poll_action`](Connection::poll_action) and
//!    [`deadline`](Connection::deadline). **Before you sleep, poll actions until `None`**, then write what
//!    `transmit` shows whenever the socket takes it, and wake at `deadline`. (Actions first: a small file is
//!    then sent before its 150 is written, and 150 and 226 share one write. Before you wait for anything,
//!    write.)
//! 3. [`wants_input`](Connection::wants_input)` == false` means: do not read. That is all there is to
//!    back-pressure on the control connection.
//! 4. While a session is alive, `deadline()` is `Some`.
//! 5. [`Now::mono`](time::Now::mono) never goes backwards. There is no other clock, and no randomness but the
//!    server's seed.
//! 6. [`is_finished`](Connection::is_finished): everything was sent, or waited for long enough. Then drop the
//!    connection and its links, and tell the server [`News::Gone`](event::News::Gone).
//!
//! After every call to the server, poll its [tasks](Server::poll_task) until `None`. An
//! [`Answer`](event::Answer) with a [`port_to_drain`](event::Answer::port_to_drain) is handed over only when
//! everything that waited on that port was accepted and routed and the lease then
//! [activated](Server::activate): nothing that arrived before a lease may be given to it.
//!
//! # A session in memory
//!
//! ```
//! use ftp_proto::account::Rights;
//! use ftp_proto::config::{Passive, PassivePorts, Settings};
//! use ftp_proto::event::{Action, Arrival, Event, News, Task};
//! use ftp_proto::testing::{MemoryAccounts, MemoryStorage};
//! use ftp_proto::time::Now;
//! use ftp_proto::transfer::{Pipe, Step};
//! use ftp_proto::{Admission, Connection, Server};
//! use std::sync::Arc;
//!
//! let storage = Arc::new(MemoryStorage::new().file("/hello.txt", "Hello.\n"));
//! let accounts = MemoryAccounts::new().anonymous(storage.account("anonymous", Rights::READ_ONLY));
//! let passive = Passive { ports: PassivePorts::Range(2000..=2000), ..Passive::default() };
//! let config = Settings { passive, ..Settings::default() }.validate()?;
//! let now = Now::default();
//!
//! let mut server = Server::new(Arc::new(config), Arc::new(accounts), 1);
//! while let Some(task) = server.poll_task() {
//!     if let Task::OpenPort(port) = task {
//!         server.handle(now, News::PortOpened(port)); // an adapter opens a listener here
//!     }
//! }
//! let client = "203.0.113.5:4000".parse()?;
//! let arrival = Arrival::new("198.51.100.1:21".parse()?, client);
//! let Admission::Accepted(session, mut connection) = server.admit(now, arrival) else { panic!() };
//!
//! // What an adapter does with the pipe of a transfer, the socket being a vector.
//! fn pump(mut pipe: Box<Pipe>, socket: &mut Vec<u8>) -> ftp_proto::transfer::TransferEnd {
//!     loop {
//!         match pipe.step(Now::default()) {
//!             Step::Turn => pipe.turn(),
//!             Step::Write => {
//!                 socket.extend_from_slice(pipe.transmit());
//!                 pipe.transmitted(Now::default(), pipe.transmit().len());
//!             }
//!             Step::End(end) => return end,
//!             Step::Read | Step::Direct { .. } | Step::Marked(_) | Step::Report(_) => {}
//!         }
//!     }
//! }
//!
//! // One turn of an adapter's loop: actions until there are none, then the bytes.
//! let mut data = Vec::new();
//! let mut turn = |server: &mut Server, connection: &mut Connection| {
//!     while let Some(action) = connection.poll_action() {
//!         match action {
//!             Action::Consult(request) => {
//!                 let answer = server.consult(now, request);
//!                 if let Some((link, _port)) = answer.port_to_drain() {
//!                     server.activate(now, session, link);
//!                 }
//!                 connection.handle(now, Event::Answer(answer));
//!             }
//!             Action::Perform(ticket, job) => connection.handle(now, Event::Done(ticket, job.perform())),
//!             Action::Start(_link, transfer, pipe) => {
//!                 let end = pump(pipe, &mut data);
//!                 connection.handle(now, Event::Ended(transfer, end));
//!             }
//!             Action::Connect(..)
//!             | Action::Secure(..)
//!             | Action::Abort(_)
//!             | Action::Drop(_)
//!             | Action::Notify(_) => {}
//!         }
//!     }
//!     let mut replies = String::new();
//!     while !connection.transmit().is_empty() {
//!         replies.push_str(&String::from_utf8_lossy(connection.transmit()));
//!         connection.transmitted(now, connection.transmit().len());
//!     }
//!     replies
//! };
//!
//! assert_eq!(turn(&mut server, &mut connection), "220 Welcome.\r\n");
//! connection.receive(now, b"USER anonymous\r\nPASS me@example.org\r\nTYPE I\r\n");
//! assert!(turn(&mut server, &mut connection).ends_with("200 Type is image (binary).\r\n"));
//! connection.receive(now, b"PASV\r\n");
//! assert_eq!(turn(&mut server, &mut connection), "227 Entering Passive Mode (198,51,100,1,7,208).\r\n");
//!
//! // The client connects to port 2000: the server knows whose it is.
//! let (owner, link) = server.route(now, 2000, client).expect("it is expected");
//! assert_eq!(owner, session);
//! connection.handle(now, Event::Arrived(link, client));
//! connection.receive(now, b"RETR hello.txt\r\n");
//! let replies = turn(&mut server, &mut connection);
//! assert_eq!(replies, "150 Opening BINARY mode data connection (7 bytes).\r\n226 Transfer complete.\r\n");
//! assert_eq!(data, b"Hello.\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod account;
pub mod advertise;
pub mod charset;
#[cfg(feature = "client")]
pub mod client;
pub mod command;
pub mod config;
pub mod diagnose;
#[cfg(feature = "digests")]
pub mod digest;
pub mod event;
pub mod foreign;
pub mod host;
pub mod listing;
pub mod notice;
pub mod path;
pub mod proxy;
#[cfg(feature = "testing")]
pub mod testing;
pub mod time;
pub mod tls;
pub mod transfer;

mod connection;
mod reply;
mod server;
mod session;
mod wire;

pub use connection::Connection;
pub use server::{Admission, Ban, Naming, PassiveState, Server};
