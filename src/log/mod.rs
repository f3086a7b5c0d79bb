//! What happens, as log lines on standard error: for people, or one JSON object a line.
//!
//! [`LogObserver`] turns each [`Notice`](ftp_proto::notice::Notice) of the core into one event. Whatever came from a client is escaped
//! and quoted, and each line begins with the session and the client's address, so that no name or path can
//! pass for a part of the line. A failed login reads
//! `AUTH-FAIL ip=192.0.2.7 port=50000 user="bob" reason="login incorrect"`, which is what fail2ban looks for.

mod access;
mod human;
mod observer;
mod seldom;

pub use observer::{LogObserver, SessionView};

use crate::config_file::{LogConfig, LogFormat, LogLevel};
use std::io;
use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Registry, reload};

/// Changes the level while the server runs.
#[derive(Clone)]
pub struct LevelHandle(reload::Handle<LevelFilter, Registry>);

impl LevelHandle {
    /// From now on, this level.
    pub fn set(&self, level: LogLevel) {
        // Fails only when the subscriber is gone, and nobody logs any more.
        let _ = self.0.reload(filter(level));
    }
}

/// Sends all events of the process to standard error.
///
/// # Errors
/// When something else in the process does so already.
pub fn start(config: LogConfig) -> Result<LevelHandle, tracing::subscriber::SetGlobalDefaultError> {
    let (subscriber, handle) = subscriber(config, io::stderr);
    tracing::subscriber::set_global_default(subscriber)?;
    Ok(handle)
}

/// What writes events to `writer`, and the handle to its level.
pub fn subscriber<W>(config: LogConfig, writer: W) -> (Box<dyn Subscriber + Send + Sync>, LevelHandle)
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let (level, handle) = reload::Layer::new(filter(config.level));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_target(false)
        .with_ansi(false)
        // It would tell standard error that standard error can't be written, and panic over that.
        .log_internal_errors(false);
    let levelled = tracing_subscriber::registry().with(level);
    let subscriber: Box<dyn Subscriber + Send + Sync> = match config.format {
        LogFormat::Human => Box::new(levelled.with(lines.fmt_fields(human::fields()))),
        LogFormat::Json => Box::new(
            levelled.with(lines.json().flatten_event(true).with_current_span(false).with_span_list(false)),
        ),
    };
    (subscriber, LevelHandle(handle))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
