//! For tests, of this crate and of everything built on it: a [`MemoryStorage`], [`MemoryAccounts`], a
//! [`FakeTls`] and the transcript runner. All of it is deterministic: no clock, no file, no randomness but given seeds.

mod accounts;
pub mod balancer;
pub mod fuzz;
mod memory;
mod pipe;
mod reference;
mod simulator;
mod telnet;
mod tls;
mod transcript;

pub use accounts::MemoryAccounts;
pub use memory::MemoryStorage;
pub use pipe::{data_handshake, secure_pipe};
pub use simulator::{Choices, Fault, Faults, Place, Tally, simulate, simulate_control_connection};
pub use tls::{FakeHello, FakeTls, FakeTlsClient};
pub use transcript::{Exchange, Script, Split, Talk, run_over_tcp};
