//! TLS 1.2 and 1.3 by [rustls](https://docs.rs/rustls), for the features `rustls` (with the cryptography of aws-lc-rs)
//! and `rustls-ring`.
//!
//! Sessions are resumed by tickets alone, in both versions. A ticket names the family that gave it out, so that on a
//! data connection "resumed" proves whose it is, and who comes without gets none: else a stranger could connect once
//! for a ticket and once more for the file. On control connections all tickets count that were given out under the
//! same demands on the client's certificate.
//!
//! The unbuffered interface of rustls is used: records are decrypted where they lie, and a connection at rest has
//! no buffers. Against the buffered one it costs about a sixth more per byte sent and a third less per byte
//! received. Releases after 0.23 will not have it; nothing outside of `codec.rs` depends on the choice.
//!
//! ```no_run
//! use ftp_proto::tls::Tls;
//! use ftp_proto::tls::rustls::{Identity, RustlsTls, TlsSettings};
//! use std::sync::Arc;
//!
//! let identity = Identity::from_pem(&std::fs::read("chain.pem")?, &std::fs::read("key.pem")?)?;
//! let tls: Arc<dyn Tls> =
//!     Arc::new(RustlsTls::new(TlsSettings { identities: vec![identity], ..TlsSettings::default() })?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Randomness comes from the provider of the cryptography, and rustls reads the system's clock: for the age of its
//! ticket keys and for certificates of clients.

mod codec;
mod failure;
mod family;
mod identity;
mod session;
mod settings;
mod tickets;
mod verify;

pub use identity::{Identity, IdentityError};
pub use settings::TlsSettings;
pub use verify::ClientAuthorities;

use super::{FamilyWish, Tls, TlsFamily};
use ::rustls::crypto::CryptoProvider;
#[cfg(feature = "rustls")]
use ::rustls::crypto::aws_lc_rs as cryptography;
#[cfg(not(feature = "rustls"))]
use ::rustls::crypto::ring as cryptography;
use ::rustls::server::ProducesTickets;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use core::fmt;
use family::Family;
use settings::Prepared;
use std::sync::{PoisonError, RwLock};
use tickets::{FamilyTickets, Tag};

/// TLS by rustls.
pub struct RustlsTls {
    settings: RwLock<Arc<Prepared>>,
    /// Its keys are made here and rotate; they outlive all settings.
    ticketer: Arc<dyn ProducesTickets>,
}

impl RustlsTls {
    /// TLS with these settings.
    ///
    /// # Errors
    /// There is no identity, or the cryptography failed.
    pub fn new(settings: TlsSettings) -> Result<Self, IdentityError> {
        let ticketer =
            cryptography::Ticketer::new().map_err(|why| IdentityError::Cryptography(why.to_string()))?;
        Ok(Self { settings: RwLock::new(Arc::new(Prepared::new(settings)?)), ticketer })
    }

    /// From now on new control connections have these settings. Those that are there keep theirs, for their data
    /// connections as well, and all tickets stay good, but where clients are asked for certificates: there each is
    /// looked at again.
    ///
    /// # Errors
    /// As for [`new`](Self::new); then nothing has changed.
    pub fn replace(&self, settings: TlsSettings) -> Result<(), IdentityError> {
        let prepared = Arc::new(Prepared::new(settings)?);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = prepared;
        Ok(())
    }

    fn settings(&self) -> Arc<Prepared> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tls for RustlsTls {
    fn family(&self, wish: FamilyWish<'_>) -> Box<dyn TlsFamily> {
        let tickets = FamilyTickets::new(self.ticketer.clone(), random_tag().ok());
        Box::new(Family::new(self.settings(), tickets, wish))
    }

    fn knows_host(&self, name: &str) -> bool {
        self.settings().knows(name)
    }
}

impl fmt::Debug for RustlsTls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RustlsTls").field("settings", &self.settings()).finish_non_exhaustive()
    }
}

/// Who does the cryptography.
fn provider() -> CryptoProvider {
    cryptography::default_provider()
}

fn random_tag() -> Result<Tag, IdentityError> {
    let mut tag = Tag::default();
    let random = provider().secure_random;
    random.fill(&mut tag).map_err(|_| IdentityError::Cryptography("there is no randomness".to_string()))?;
    Ok(tag)
}
