//! Firewalls: what the server needs of them ([`needs`]), texts that say so in their own words ([`show`]), and
//! whether they grant it ([`check`]). Readers ([`read`]) bring what systems print into one form ([`rules`]), and
//! [`walk`] follows connections through that; [`apply`] plans commands. Nothing here runs a program or opens a
//! socket: that is the command line's part.

pub mod apply;
pub mod check;
pub mod needs;
pub mod ports;
pub mod read;
pub mod rules;
pub mod show;
pub mod walk;

#[cfg(test)]
mod tests;
