//! What the running server has loaded, and the watch over the files it came from.

use super::load::{Loaded, ServerCertificate, load, versions};
use super::now;
use crate::certificate::self_signed::{self, SelfSigned};
use crate::config_file::TlsFiles;
use crate::config_file::reader::plain;
use crate::stamp::Stamp;
use ftp_proto::time::UnixTime;
use ftp_proto::tls::Tls;
use ftp_proto::tls::rustls::RustlsTls;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often the files are looked at. Renewals come weeks before the old certificate ends.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The server's certificates. Empty as long as there is no TLS.
#[derive(Default)]
pub struct Certificates {
    current: Mutex<Option<Current>>,
    /// Made by the server itself, and renewed by it.
    own: Option<OwnCertificate>,
}

struct Current {
    tls: Arc<RustlsTls>,
    files: TlsFiles,
    /// What was on the disk at the last look, whether it was right or not.
    seen: Vec<Option<Stamp>>,
    certificates: Vec<ServerCertificate>,
    warnings: Vec<String>,
    /// The day on which the log heard last of what ends.
    told: Option<i64>,
}

/// What a look at the files showed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing new.
    Same,
    /// New files, in use from now on.
    Taken,
    /// New files, but wrong; the old stay in use. Said only once.
    Wrong(String),
}

/// How long a certificate is still good, if that is worth a word.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Soon { file: PathBuf, days: i64 },
    Past { file: PathBuf },
}

/// A certificate of the server's own making, and where it is kept.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// The directory with certificate and key.
    pub directory: PathBuf,
    /// Names and addresses a new one is for.
    pub names: Vec<String>,
}

impl OwnCertificate {
    /// Takes the one that is kept, or makes a new one.
    ///
    /// # Errors
    /// In one line, what can't be made or written.
    pub fn load_or_make(&self, now: UnixTime) -> Result<SelfSigned, String> {
        self_signed::load_or_make(&self.directory, &self.names, now)
    }
}

impl Certificates {
    /// None yet. `own`: the certificate that will be used is the server's own, and to be renewed.
    pub fn new(own: Option<OwnCertificate>) -> Self {
        Self { current: Mutex::default(), own }
    }

    /// Uses what was loaded for all control connections that come from now on; `None`: no TLS any more. Returns what
    /// the server has to be told.
    ///
    /// # Errors
    /// In one line, why TLS can't be set up; all stays as it was.
    pub fn set(&self, loaded: Option<Loaded>) -> Result<Option<Arc<dyn Tls>>, String> {
        let mut current = self.current();
        let Some(loaded) = loaded else {
            *current = None;
            return Ok(None);
        };
        let tls = match current.take() {
            // The same one, since its ticket keys live as long as it does: clients go on resuming.
            Some(old) => match old.tls.replace(loaded.settings) {
                Ok(()) => old.tls,
                Err(error) => {
                    *current = Some(old);
                    return Err(error.to_string());
                }
            },
            None => Arc::new(RustlsTls::new(loaded.settings).map_err(|error| error.to_string())?),
        };
        *current = Some(Current {
            tls: Arc::clone(&tls),
            files: loaded.files,
            seen: loaded.versions,
            certificates: loaded.certificates,
            warnings: loaded.warnings,
            told: None,
        });
        Ok(Some(tls))
    }

    /// The certificates in use; `None`: there is no TLS.
    pub fn loaded(&self) -> Option<Vec<ServerCertificate>> {
        self.current().as_ref().map(|current| current.certificates.clone())
    }

    /// From now on the files may be out of sight that were read before: that is no change of theirs.
    pub(crate) fn settle(&self) {
        if let Some(current) = self.current().as_mut() {
            for (seen, now) in current.seen.iter_mut().zip(versions(&current.files)) {
                *seen = now.and(*seen);
            }
        }
    }

    /// Tells the log what was loaded, and what is wrong with it.
    pub fn log(&self, now: UnixTime) {
        for line in self.current().iter().flat_map(|current| &current.warnings) {
            tracing::warn!("{line}");
        }
        self.log_ends(now);
    }

    /// Looks after the files as long as the process lives.
    pub fn watch(self: &Arc<Self>) {
        let certificates = Arc::clone(self);
        let work = move || loop {
            std::thread::sleep(LOOK_EVERY);
            certificates.tick(now());
        };
        if let Err(error) = std::thread::Builder::new().name("certificates".to_owned()).spawn(work) {
            tracing::warn!(reason = %plain(&error), "certificates are not watched; renewed ones need a SIGHUP");
        }
    }

    /// What is to be done every minute.
    pub(super) fn tick(&self, now: UnixTime) {
        let new_day = self.current().as_ref().is_some_and(|current| current.told != Some(day(now)));
        if new_day
            && let Some(own) = &self.own
            && let Err(reason) = own.load_or_make(now)
        {
            tracing::error!(%reason, "certificate not renewed");
        }
        match self.look() {
            Look::Same if new_day => self.log_ends(now),
            Look::Same => {}
            Look::Taken => {
                tracing::info!("certificates read again");
                self.log(now);
            }
            Look::Wrong(reason) => tracing::error!(%reason, "certificates not read again; the old ones stay"),
        }
    }

    /// Takes files that have changed.
    pub(super) fn look(&self) -> Look {
        let mut current = self.current();
        let Some(current) = current.as_mut() else { return Look::Same };
        let seen = versions(&current.files);
        if seen == current.seen {
            return Look::Same;
        }
        current.seen = seen;
        let loaded = match load(&current.files) {
            Ok(loaded) => loaded,
            Err(reason) => return Look::Wrong(reason),
        };
        if let Err(error) = current.tls.replace(loaded.settings) {
            return Look::Wrong(error.to_string());
        }
        current.seen = loaded.versions;
        current.certificates = loaded.certificates;
        current.warnings = loaded.warnings;
        Look::Taken
    }

    /// What ends soon or has ended.
    pub(super) fn ends(&self, now: UnixTime) -> Vec<End> {
        let current = self.current();
        let certificates = current.iter().flat_map(|current| &current.certificates);
        let end = |certificate: &ServerCertificate| {
            let (file, facts) = (certificate.file.clone(), &certificate.facts);
            if facts.is_over(now) {
                Some(End::Past { file })
            } else {
                facts.wants_renewal(now).then(|| End::Soon { file, days: facts.days_left(now) })
            }
        };
        certificates.filter_map(end).collect()
    }

    fn log_ends(&self, now: UnixTime) {
        for end in self.ends(now) {
            match end {
                End::Soon { file, days } => {
                    tracing::warn!(file = %file.display(), days, "certificate ends soon; renew it");
                }
                End::Past { file } => {
                    tracing::error!(file = %file.display(), "certificate has ended, clients refuse it; renew it");
                }
            }
        }
        if let Some(current) = self.current().as_mut() {
            current.told = Some(day(now));
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn day(now: UnixTime) -> i64 {
    now.seconds.div_euclid(86_400)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
