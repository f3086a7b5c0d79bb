//! For tests, of this crate and of everything built on it: a [`MemoryStorage`], [`MemoryAccounts`] and the
//! transcript runner. All of it is deterministic: no clock, no file, no randomness but given seeds.

mod accounts;
pub mod fuzz;
mod memory;
mod simulator;
mod transcript;

pub use accounts::MemoryAccounts;
pub use memory::MemoryStorage;
pub use simulator::{Choices, simulate};
pub use transcript::{Script, Split, run_over_tcp};
