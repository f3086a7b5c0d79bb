//! The machine of one transfer, driven as an adapter would, by honest and by careless ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on has failed"
)]

mod careless;
mod codings;
mod deflate;
mod download;
mod drive;
mod listing;
mod protected;
mod protected_download;
mod protected_upload;
mod upload;
