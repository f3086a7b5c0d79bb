//! `ftpd doctor`: proves a set-up before users do.
//!
//! Local [checks] are functions from [facts] to [findings](finding), and [gather] looks the facts up; [probe] tries a
//! server with a client of our own, and [outside] and [live] say what its sightings mean. Each kind of finding is a row
//! of the [catalogue].

pub mod catalogue;
pub mod checks;
pub mod driver;
pub mod facts;
pub mod finding;
pub mod gather;
pub mod live;
pub mod outside;
pub mod probe;
pub mod report;
pub mod trust;
