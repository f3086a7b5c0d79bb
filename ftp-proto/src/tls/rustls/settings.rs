//! What the server's settings for TLS are, and what becomes of them: once for all connections.

use super::identity::{Identity, IdentityError};
use super::tickets::Tag;
use super::verify::{self, ClientAuthorities};
use super::{provider, random_tag};
use crate::config::ClientCertificates;
use crate::tls::TlsVersion;
use ::rustls::client::Resumption;
use ::rustls::server::{ClientHello, ResolvesServerCert};
use ::rustls::sign::CertifiedKey;
use ::rustls::version::{TLS12, TLS13};
use ::rustls::{ClientConfig, ServerConfig, SignatureScheme, SupportedProtocolVersion};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How TLS shall be served.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Who the server is. The first is for clients that don't say whom they want; there must be one.
    pub identities: Vec<Identity>,
    /// Who issues certificates of clients. Without, any certificate will do whose key the client has, and whoever
    /// lets it in has to know it.
    pub client_authorities: Option<ClientAuthorities>,
    /// The oldest version that is served.
    pub minimum: TlsVersion,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self { identities: Vec::new(), client_authorities: None, minimum: TlsVersion::V1_2 }
    }
}

/// Settings, ready for use.
#[derive(Debug)]
pub(super) struct Prepared {
    /// Never empty: the first, and all in order.
    first: Identity,
    identities: Vec<Identity>,
    minimum: TlsVersion,
    has_authorities: bool,
    ignoring: ServerConfig,
    requesting: ServerConfig,
    requiring: ServerConfig,
    /// Marks tickets of clients that were asked for a certificate, under these settings.
    requested: Tag,
    /// Marks tickets of clients that had to show one.
    required: Tag,
    client: Arc<ClientConfig>,
}

/// What is spoken here, as clients ask for it (RFC 7301; IANA's registry of ALPN). One that asks for other protocols
/// alone is refused: a browser that was led here from a web server of the same certificate does.
const PROTOCOLS: [&[u8]; 2] = [b"ftp", b"ftp-data"];

impl Prepared {
    pub(super) fn new(settings: TlsSettings) -> Result<Self, IdentityError> {
        let first = settings.identities.first().cloned().ok_or(IdentityError::NoIdentity)?;
        let authorities = settings.client_authorities.as_ref();
        let versions = versions(settings.minimum);
        let server = |asks: Option<bool>| {
            let builder = ServerConfig::builder_with_provider(Arc::new(provider()))
                .with_protocol_versions(versions)
                .map_err(|why| IdentityError::Cryptography(why.to_string()))?;
            let builder = match asks {
                Some(required) => {
                    builder.with_client_cert_verifier(verify::of_clients(authorities, required))
                }
                None => builder.with_no_client_auth(),
            };
            let mut config = builder.with_cert_resolver(Arc::new(Unresolved));
            config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
            Ok(config)
        };
        Ok(Self {
            minimum: settings.minimum,
            has_authorities: authorities.is_some(),
            ignoring: server(None)?,
            requesting: server(Some(false))?,
            requiring: server(Some(true))?,
            requested: random_tag()?,
            required: random_tag()?,
            client: Arc::new(client(versions)?),
            first,
            identities: settings.identities,
        })
    }

    /// For connections that treat certificates of clients in this way. Its certificates and tickets are still to come.
    pub(super) fn server(&self, certificates: ClientCertificates) -> &ServerConfig {
        match certificates {
            ClientCertificates::Ignore => &self.ignoring,
            ClientCertificates::Request => &self.requesting,
            ClientCertificates::Require => &self.requiring,
        }
    }

    pub(super) fn client(&self) -> &Arc<ClientConfig> {
        &self.client
    }

    /// How clients were looked at, as it stands in tickets.
    pub(super) fn client_tag(&self, certificates: ClientCertificates) -> Tag {
        match certificates {
            ClientCertificates::Ignore => Tag::default(),
            ClientCertificates::Request => self.requested,
            ClientCertificates::Require => self.required,
        }
    }

    pub(super) fn has_authorities(&self) -> bool {
        self.has_authorities
    }

    pub(super) fn minimum(&self) -> TlsVersion {
        self.minimum
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.identities.iter().any(|identity| identity.is_for(name))
    }

    /// By the name in the handshake if there is a certificate for it, else by that of HOST, else the first. Among
    /// several the first whose key the client can verify.
    pub(super) fn choose(
        &self,
        server_name: Option<&str>,
        host: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Arc<CertifiedKey> {
        let wanted = [server_name, host].into_iter().flatten().find(|name| self.knows(name));
        let candidates =
            self.identities.iter().filter(|identity| wanted.is_none_or(|name| identity.is_for(name)));
        let can_verify = |identity: &&Identity| identity.key.key.choose_scheme(schemes).is_some();
        let chosen = candidates.clone().find(can_verify).or(candidates.clone().next());
        chosen.unwrap_or(&self.first).key.clone()
    }
}

/// What rustls serves from a version on.
fn versions(minimum: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_1_2: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
    static FROM_1_3: &[&SupportedProtocolVersion] = &[&TLS13];
    match minimum {
        TlsVersion::V1_2 => FROM_1_2,
        TlsVersion::V1_3 => FROM_1_3,
    }
}

fn client(versions: &[&'static SupportedProtocolVersion]) -> Result<ClientConfig, IdentityError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(versions)
        .map_err(|why| IdentityError::Cryptography(why.to_string()))?;
    let mut config =
        builder.dangerous().with_custom_certificate_verifier(verify::of_servers()).with_no_client_auth();
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Stands where each connection puts its own choice.
#[derive(Debug)]
struct Unresolved;

impl ResolvesServerCert for Unresolved {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}
