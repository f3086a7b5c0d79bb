//! Files as they come: which one is wrong, and what to do.

use super::*;
use crate::certificate::self_signed::self_signed;
use crate::tls::now;
use ftp_proto::tls::TlsVersion;
use std::os::unix::fs::PermissionsExt as _;

fn files(certificate: &Path, key: Option<&Path>) -> TlsFiles {
    let own = CertificateFiles { certificate: certificate.to_owned(), key: key.map(Path::to_owned) };
    TlsFiles {
        certificates: vec![own],
        minimum: TlsVersion::V1_2,
        client_authorities: Vec::new(),
        revocations: Vec::new(),
    }
}

fn complaint(files: &TlsFiles) -> String {
    load(files).map(|_| ()).unwrap_err()
}

#[test]
fn each_wrong_file_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let write = |name: &str, text: &str| {
        std::fs::write(at(name), text).unwrap();
        at(name)
    };
    let (chain, key) = self_signed(&["ftp.example.org".into()], now()).unwrap();
    let (_, other_key) = self_signed(&[], now()).unwrap();
    let chain_file = write("chain.pem", &chain);
    let key_file = write("key.pem", &key);
    let other_file = write("other.pem", &other_key);
    let text_file = write("text.pem", "hello");
    let broken_file = write("broken.pem", "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n");
    let missing = at("missing.pem");
    for (certificate, key, wrong, why) in [
        (&missing, Some(&key_file), "missing.pem", "can't be read: No such file or directory; look at"),
        (&chain_file, Some(&missing), "missing.pem", "can't be read: No such file or directory; look at"),
        (&chain_file, None, "chain.pem", "; if it is in another file, name that, too: key = \"privkey.pem\""),
        (&chain_file, Some(&other_file), "other.pem", "belongs to another certificate"),
        (&chain_file, Some(&chain_file), "chain.pem", "no private key"),
        (&chain_file, Some(&text_file), "text.pem", "no PEM"),
        (&text_file, Some(&key_file), "text.pem", "no PEM"),
        (&chain_file, Some(&broken_file), "broken.pem", "damaged"),
        (&broken_file, Some(&key_file), "broken.pem", "damaged"),
        (&key_file, Some(&key_file), "key.pem", "no certificate"),
    ] {
        let found = complaint(&files(certificate, key.map(PathBuf::as_path)));
        let begin = format!("{}: ", at(wrong).display());
        assert!(found.starts_with(&begin) && found.contains(why), "{wrong}, {why}: {found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
    let mut clients = files(&chain_file, Some(&key_file));
    clients.client_authorities = vec![chain_file.clone()];
    load(&clients).map(|_| ()).unwrap();
    clients.revocations = vec![text_file];
    assert!(complaint(&clients).starts_with(&format!("{}: ", at("text.pem").display())));
    clients.revocations.clear();
    clients.client_authorities = vec![chain_file, key_file];
    assert!(load(&clients).is_ok(), "what else is in a file of authorities is left alone");
}

#[test]
fn a_key_that_everybody_reads_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let both = directory.path().join("both.pem");
    let (chain, key) = self_signed(&["ftp.example.org".into()], now()).unwrap();
    // In one file, the key first: as some tools write it.
    std::fs::write(&both, key + &chain).unwrap();
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1)] {
        std::fs::set_permissions(&both, std::fs::Permissions::from_mode(mode)).unwrap();
        let loaded = load(&files(&both, None)).unwrap();
        assert_eq!(loaded.warnings.len(), warnings, "{mode:o}: {:?}", loaded.warnings);
        assert!(loaded.certificates[0].facts.hosts().any(|name| name == "ftp.example.org"));
    }
}
