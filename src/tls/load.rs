//! From the files that `[tls]` names to what TLS is set up with.

use crate::certificate::CertificateFacts;
use crate::config_file::reader::plain;
use crate::config_file::{CertificateFiles, TlsFiles};
use crate::stamp::Stamp;
use ftp_proto::tls::rustls::{ClientAuthorities, Identity, IdentityError, TlsSettings};
use std::path::{Path, PathBuf};

/// Files that were read and are right.
pub struct Loaded {
    /// What TLS is set up with.
    pub settings: TlsSettings,
    /// The server's certificates, as they stand in the configuration.
    pub certificates: Vec<ServerCertificate>,
    /// Problems that keep nobody from being served, each in one line.
    pub warnings: Vec<String>,
    pub(super) files: TlsFiles,
    pub(super) versions: Vec<Option<Stamp>>,
}

/// One of the server's own certificates.
#[derive(Clone, Debug)]
pub struct ServerCertificate {
    /// Where it was read.
    pub file: PathBuf,
    /// What it says.
    pub facts: CertificateFacts,
    identity: Identity,
}

impl ServerCertificate {
    /// Whether it is for this name or address, as a client would see it.
    pub fn is_for(&self, name: &str) -> bool {
        self.identity.is_for(name)
    }
}

/// Reads all files.
///
/// # Errors
/// In one line: which file can't be used, why, and what to do.
pub fn load(files: &TlsFiles) -> Result<Loaded, String> {
    // The versions first: a change in between is then seen at the next look.
    let versions = versions(files);
    let (mut identities, mut certificates, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for own in &files.certificates {
        let identity = identity(own)?;
        certificates.push(server_certificate(&own.certificate, &identity)?);
        identities.push(identity);
        if is_open_to_all(own.key_file()) {
            let key = own.key_file().display();
            warnings.push(format!("{key}: everybody on this machine can read the private key; chmod o= it"));
        }
    }
    let client_authorities = match files.client_authorities.as_slice() {
        [] => None,
        authorities => Some(authorities_of_clients(authorities, &files.revocations)?),
    };
    let settings = TlsSettings { identities, client_authorities, minimum: files.minimum };
    Ok(Loaded { settings, certificates, warnings, files: files.clone(), versions })
}

/// The versions of all files that are on the disk now.
pub(super) fn versions(files: &TlsFiles) -> Vec<Option<Stamp>> {
    let own = files.certificates.iter().flat_map(|own| [&own.certificate, own.key_file()]);
    own.chain(&files.client_authorities).chain(&files.revocations).map(|path| Stamp::of(path)).collect()
}

fn identity(files: &CertificateFiles) -> Result<Identity, String> {
    let chain = read(&files.certificate)?;
    let Some(key_file) = &files.key else {
        return Identity::from_pem(&chain, &chain).map_err(|error| {
            let advice = match error {
                IdentityError::NoKey => "; if it is in another file, name that, too: key = \"privkey.pem\"",
                _ => "",
            };
            format!("{}: {error}{advice}", files.certificate.display())
        });
    };
    let key = read(key_file)?;
    Identity::from_pem(&chain, &key).map_err(|error| {
        let of_key = match &error {
            IdentityError::NoKey
            | IdentityError::EncryptedKey
            | IdentityError::UnsupportedKey(_)
            | IdentityError::KeyOfAnotherCertificate => true,
            // Either file may be meant: the chain is, if it says the same alone.
            other => Identity::from_pem(&chain, &chain).err().as_ref() != Some(other),
        };
        format!("{}: {error}", if of_key { key_file } else { &files.certificate }.display())
    })
}

fn server_certificate(file: &Path, identity: &Identity) -> Result<ServerCertificate, String> {
    let facts = CertificateFacts::from_der(identity.chain().next().unwrap_or_default())
        .map_err(|problem| format!("{}: {problem}; ask for a new certificate", file.display()))?;
    Ok(ServerCertificate { file: file.to_owned(), facts, identity: identity.clone() })
}

fn authorities_of_clients(
    authorities: &[PathBuf],
    revocations: &[PathBuf],
) -> Result<ClientAuthorities, String> {
    let all = |files: &[PathBuf]| {
        files.iter().try_fold(Vec::new(), |mut text, file| {
            text.extend(read(file)?);
            // The last line of a file may lack its end, and the next file begins with a line of its own.
            text.push(b'\n');
            Ok::<_, String>(text)
        })
    };
    ClientAuthorities::from_pem(&all(authorities)?, &all(revocations)?).map_err(|error| {
        let files = match error {
            IdentityError::BadRevocations(_) => revocations,
            _ => authorities,
        };
        let names: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        format!("{}: {error}", names.join(", "))
    })
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::PermissionDenied => crate::sandbox::unreadable(file)
                .unwrap_or_else(|| "let the user read it whom the server runs as".to_owned()),
            std::io::ErrorKind::NotFound => "look at the paths below [tls]".to_owned(),
            _ => return format!("{}: can't be read: {}", file.display(), plain(&error)),
        };
        format!("{}: can't be read: {}; {advice}", file.display(), plain(&error))
    })
}

/// Whether the file's mode lets everybody read it.
#[cfg(unix)]
fn is_open_to_all(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(file).is_ok_and(|facts| facts.mode() & 0o004 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &Path) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
