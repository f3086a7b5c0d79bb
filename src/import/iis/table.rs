//! What becomes of the attributes of IIS.

use crate::import::settings::Directive;
use crate::import::settings::Fate::{Becomes, Lacking, Needless};

const LOG: &str = "the log goes to standard error; see [log]";
const FILTER: &str = "write such rules for the firewall";
const TEXTS: &str = "the greeting, bannerMessage, is the only text";
const SERVICE: &str = "belongs to the Windows service";

pub(crate) const DIRECTIVES: &[Directive] = &[
    // Firewalls.
    ("firewallSupport lowDataChannelPort", Becomes("passive.ports")),
    ("firewallSupport highDataChannelPort", Becomes("passive.ports")),
    ("firewallSupport externalIp4Address", Becomes("passive.external_address")),
    ("dataChannelSecurity matchClientAddressForPasv", Becomes("none: see peer_check, client_networks")),
    ("dataChannelSecurity matchClientAddressForPort", Becomes("none: see peer_check, client_networks")),
    // TLS. Bindings are read beside these.
    ("ssl controlChannelPolicy", Becomes("tls.control, tls.ccc")),
    ("ssl dataChannelPolicy", Becomes("tls.data")),
    ("ssl serverCertHash", Becomes("tls.certificates: after an export")),
    ("ssl serverCertStoreName", Becomes("tls.certificates: after an export")),
    ("ssl ssl128", Needless("ciphers are always that strong")),
    ("sslClientCertificates clientCertificatePolicy", Becomes("tls.client_certificates")),
    (
        "sslClientCertificates useActiveDirectoryMapping",
        Lacking("certificates are tied to users in the accounts file: certificates = [{ subject = … }]"),
    ),
    ("sslClientCertificates *", Needless("lists of revoked certificates are files: revocations below [tls]")),
    // Times and limits.
    ("connections unauthenticatedTimeout", Becomes("timeouts.login")),
    ("connections controlChannelTimeout", Becomes("timeouts.idle")),
    ("connections dataChannelTimeout", Becomes("timeouts.stall")),
    ("connections maxConnections", Becomes("limits.sessions")),
    ("connections resetOnMaxConnections", Needless("a client too many hears 421")),
    (
        "connections minBytesPerSecond",
        Lacking("a transfer that stands still ends by timeouts.stall; a slow one may go on"),
    ),
    (
        "connections maxBandwidth",
        Lacking("there is no limit of the transfer rate; limit it by the system (tc)"),
    ),
    ("connections *", Needless("is chosen by the server itself")),
    // Files and words.
    ("fileHandling keepPartialUploads", Becomes("server.partial_uploads")),
    ("fileHandling allowReadUploadsInProgress", Becomes("server.uploads")),
    ("fileHandling allowReplaceOnRename", Needless("is the right \"overwrite\" of an account")),
    ("messages bannerMessage", Becomes("server.greeting")),
    ("messages suppressDefaultBanner", Needless("the greeting tells nothing of the system")),
    ("messages allowLocalDetailedErrors", Needless("errors tell clients what they may know")),
    ("messages expandVariables", Lacking("variables are not replaced; write the words")),
    ("messages *", Lacking(TEXTS)),
    ("directoryBrowse *", Needless("listings have the form of ls; MLSD shows the rest")),
    // Accounts.
    ("anonymousAuthentication enabled", Becomes("accounts.anonymous")),
    ("anonymousAuthentication *", Needless("files belong to the user ftpd runs as")),
    ("basicAuthentication enabled", Becomes("accounts.file")),
    ("basicAuthentication *", Needless("users have no domain")),
    ("clientCertAuthentication enabled", Lacking("give users login = \"certificate\" in the accounts file")),
    ("activeDirectory *", Needless("users have no domain")),
    ("userIsolation mode", Becomes("accounts.file: --root of each user")),
    ("providers add", Lacking("there are no providers; run ftpd user add for each user")),
    ("providers *", Needless("there are no providers")),
    ("location path", Lacking("rights of a part of the tree go to each user: --rights-below /PATH=RIGHTS")),
    // Requests.
    ("ipSecurity add", Lacking(FILTER)),
    ("ipSecurity allowUnlisted", Lacking(FILTER)),
    ("ipSecurity *", Needless(FILTER)),
    (
        "denyByFailure enabled",
        Needless("addresses are banned after failed logins; see [bans] in docs/limits.md"),
    ),
    ("denyByFailure *", Needless("belongs to denyByFailure enabled")),
    ("commandFiltering *", Lacking("rights are set for each user: ftpd user add … --rights")),
    ("requestFiltering *", Lacking("keep such files out of the tree, or use --rights-below")),
    ("fileExtensions *", Lacking("keep such files out of the tree, or use --rights-below")),
    ("hiddenSegments *", Lacking("keep such directories out of the tree, or use --rights-below")),
    ("denyUrlSequences *", Needless("no path leads out of the tree")),
    ("requestLimits *", Needless("lines may be 8192 bytes; see line below [limits]")),
    // The machine.
    ("ftpServer allowUTF8", Needless("names are UTF-8")),
    ("ftpServer serverAutoStart", Needless(SERVICE)),
    ("ftpServer *", Needless(SERVICE)),
    ("logFile *", Needless(LOG)),
    ("log *", Needless(LOG)),
    ("centralLogFile *", Needless(LOG)),
    ("caching *", Needless(SERVICE)),
    ("serverRuntime *", Needless(SERVICE)),
    ("hostNameSupport *", Becomes("host: its names; host|user goes on choosing one")),
    ("providerDefinitions *", Needless("there are no providers")),
    ("activation *", Needless("there are no providers")),
];
