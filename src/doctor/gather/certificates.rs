//! The certificates that the configuration names.

use crate::certificate::chain;
use crate::certificate::pem::PemFile;
use crate::config_file::{CertificateFiles, ServerConfig, TlsFiles};
use crate::doctor::facts::CertificateState;
use crate::doctor::trust::{Distrust, Trust, is_for};
use ftp_proto::config::External;
use rustls::pki_types::ServerName;

pub(super) fn look(config: &ServerConfig, trust: &Trust) -> Vec<CertificateState> {
    let Some(files) = &config.tls else { return Vec::new() };
    let external = match &config.core.passive.external {
        External::ControlConnection => None,
        External::Literal(address) => Some(address.to_string()),
        External::Name(name) => Some(name.clone()),
    };
    // Of several the first is shown to who names no host; the others are for names of their own.
    let states = files.certificates.iter().enumerate();
    let states =
        states.map(|(index, own)| one(files, own, external.as_deref().filter(|_| index == 0), trust));
    states.collect()
}

fn one(all: &TlsFiles, own: &CertificateFiles, external: Option<&str>, trust: &Trust) -> CertificateState {
    let alone = TlsFiles { certificates: vec![own.clone()], ..all.clone() };
    let file = own.certificate.clone();
    let read = crate::tls::load(&alone).and_then(|_| PemFile::read(&file));
    let chain = match read {
        Ok(pem) => pem.certificates,
        Err(problem) => {
            return CertificateState { file, chain: Err(problem), for_external: None, trusted: None };
        }
    };
    let facts = chain::read(&chain);
    let leaf = chain.first().map(Vec::as_slice).unwrap_or_default();
    let for_external = external.and_then(|name| is_for(leaf, name));
    let name = facts.as_ref().ok().and_then(|facts| facts.first()?.hosts().find(|name| !name.contains('*')));
    let name = name.and_then(|name| ServerName::try_from(name).ok());
    let trusted = name.and_then(|name| match trust.check(&chain, &name) {
        Ok(()) => Some(true),
        Err(Distrust::UnknownAuthority) => Some(false),
        Err(_) => None,
    });
    CertificateState { file, chain: facts, for_external, trusted }
}
