//! A certificate of one's own making, for servers that have none yet. It is kept, so that people who have compared
//! its fingerprint once need not do so again.

use super::pem::PemFile;
use super::{CertificateFacts, Fingerprint};
use crate::config_file::reader::plain;
use crate::directory_lock;
use crate::replace::replace_file;
use ftp_proto::time::{CivilTime, UnixTime};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use std::fs::DirBuilder;
use std::path::{Path, PathBuf};

/// How long one is valid. Many programs refuse a server's certificate that is valid for more than 398 days, which
/// is what the CA/Browser Forum's Baseline Requirements allowed at most for years.
const DAYS: i64 = 398;
/// It begins a day early: the client's clock may be late.
const DAYS_BEFORE: i64 = 1;
const SECONDS_PER_DAY: i64 = 86_400;

/// A certificate of one's own making, on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfSigned {
    /// The file with the certificate (PEM).
    pub certificate: PathBuf,
    /// The file with its key (PEM), its owner's alone.
    pub key: PathBuf,
    /// SHA-256 of the certificate, as `AB:CD:…`.
    pub fingerprint: String,
    /// Whether it was made just now.
    pub made: bool,
}

/// Takes `certificate.pem` and `key.pem` of a directory as long as they belong together and need no renewal
/// ([`CertificateFacts::wants_renewal`]), and makes new ones otherwise. The directory is made if it is missing.
///
/// A certificate that is there is taken though it may be for other names: a new one would alarm everybody who has
/// made friends with the old one. To get a new one, remove the files.
///
/// # Errors
/// In one line, what can't be made or written.
pub fn load_or_make(directory: &Path, names: &[String], now: UnixTime) -> Result<SelfSigned, String> {
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    let failed = |path: &Path, error: &std::io::Error| format!("{}: {}", path.display(), plain(error));
    make_directory(directory).map_err(|error| failed(directory, &error))?;
    // Of two servers that start at the same time, the second takes what the first has made. Where directories can't
    // be opened or locked, it has to do without.
    let _turn = directory_lock::take(directory, directory_lock::PATIENCE);
    if let Some(fingerprint) = usable(&certificate, &key, now) {
        return Ok(SelfSigned { certificate, key, fingerprint: fingerprint.to_string(), made: false });
    }
    let (chain_pem, key_pem) = self_signed(names, now)?;
    // An old certificate and a new key, if the system stops here, don't fit: the next start makes new ones.
    replace_file(&key, key_pem.as_bytes()).map_err(|error| failed(&key, &error))?;
    replace_file(&certificate, chain_pem.as_bytes()).map_err(|error| failed(&certificate, &error))?;
    let fingerprint = usable(&certificate, &key, now)
        .ok_or_else(|| format!("{}: can't be read after it was written", certificate.display()))?;
    Ok(SelfSigned { certificate, key, fingerprint: fingerprint.to_string(), made: true })
}

/// A certificate for a server, and its key, both in PEM. It is for `names` (host names and addresses), `localhost`,
/// and what this machine calls itself.
///
/// # Errors
/// A name that can't be in a certificate, or no randomness.
pub fn self_signed(names: &[String], now: UnixTime) -> Result<(String, String), String> {
    let failed = |error: rcgen::Error| format!("can't make a certificate: {error}");
    let mut all = names.to_vec();
    all.extend(host_name());
    all.push("localhost".to_owned());
    let mut known = std::collections::BTreeSet::new();
    all.retain(|name| known.insert(name.to_ascii_lowercase()));
    if let Some(name) =
        all.iter().find(|name| name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(format!("can't make a certificate: {name:?} is no host name and no address"));
    }
    let mut parameters = CertificateParams::new(all).map_err(failed)?;
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, "ftpd");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (first, last) = (day(now, -DAYS_BEFORE)?, day(now, DAYS - DAYS_BEFORE)?);
    parameters.not_before = rcgen::date_time_ymd(first.0, first.1, first.2);
    parameters.not_after = rcgen::date_time_ymd(last.0, last.1, last.2);
    // ECDSA P-256: every client of the last ten years knows it, and its handshakes are quick.
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let certificate = parameters.self_signed(&key).map_err(failed)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Midnight (UTC) of the day so many days from now: year, month and day.
fn day(now: UnixTime, days: i64) -> Result<(i32, u8, u8), String> {
    let seconds = now.seconds.saturating_add(days.saturating_mul(SECONDS_PER_DAY));
    let date = CivilTime::from_unix(UnixTime::from_seconds(seconds));
    match i32::try_from(date.year) {
        // What a certificate can say (RFC 5280 section 4.1.2.5).
        Ok(year) if (1950..=9999).contains(&year) => Ok((year, date.month, date.day)),
        _ => Err(format!("can't make a certificate in the year {}; set the clock", date.year)),
    }
}

/// What this machine calls itself, if a certificate can say it.
#[cfg(unix)]
fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    let good = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
    (!name.is_empty() && name.chars().all(good)).then_some(name)
}

#[cfg(not(unix))]
fn host_name() -> Option<String> {
    None
}

/// Makes a directory that is its owner's alone; one that is there stays as it is.
fn make_directory(path: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The fingerprint, if there is a certificate that may go on being used, and the key fits.
fn usable(certificate: &Path, key: &Path, now: UnixTime) -> Option<Fingerprint> {
    let (certificate, key) = (PemFile::read(certificate).ok()?, PemFile::read(key).ok()?);
    certificate.check_key(&key).ok()?;
    let facts = CertificateFacts::from_der(certificate.certificates.first()?).ok()?;
    (facts.not_before <= now && !facts.wants_renewal(now)).then_some(facts.fingerprint)
}
