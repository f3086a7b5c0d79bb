//! Real clients under TLS. The data connection has to resume the control connection's session, as the program wants it
//! unless it is told otherwise, but for cases about something else.

mod curl;
mod ftplib;
mod hosts;
mod injection;
mod large;
mod lftp;
mod live;
mod names;
mod plain;
mod renewal;
mod suppaftp;
mod wget;

use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::certificates::authority;

/// What a client made of rustls needs: it trusts whom we trust, and keeps its sessions here.
fn rustls_client(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(authority().pem().as_bytes()).expect("it is PEM"))
        .expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("ring speaks both");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Lines for the accounts file: `eve`, who logs in by the certificate in `client.pem` alone.
const EVE: &str = r#"
[[user]]
name = "eve"
login = "certificate"
certificates = [{ subject = "CN=client.example.org" }]
rights = "all"
"#;

/// Lines below `[tls]`: whoever comes from this machine may leave TLS on the control connection.
const CCC: &str = r#"
[[tls.rule]]
networks = ["127.0.0.0/8"]
ccc = true
"#;
