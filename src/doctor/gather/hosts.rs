//! The virtual hosts of the configuration.

use crate::accounts::AccountsFile;
use crate::certificate::pem::PemFile;
use crate::config_file::{FileError, HostConfig, ServerConfig};
use crate::doctor::facts::HostState;
use crate::doctor::trust::is_for;

pub(super) fn look(config: &ServerConfig) -> Result<Vec<HostState>, FileError> {
    let files = config.tls.iter().flat_map(|tls| &tls.certificates);
    // What can't be read is told where certificates are looked at.
    let own =
        files.filter_map(|files| PemFile::read(&files.certificate).ok()?.certificates.into_iter().next());
    let own: Vec<_> = own.collect();
    let state = |host: &HostConfig| {
        let lacks =
            |name: &&String| config.tls.is_some() && !own.iter().any(|own| is_for(own, name) == Some(true));
        Ok(HostState {
            accounts: host.accounts.as_deref().map(AccountsFile::load).transpose()?,
            without_certificate: host.host.names().iter().filter(lacks).cloned().collect(),
            config: host.clone(),
        })
    };
    config.hosts.iter().map(state).collect()
}
