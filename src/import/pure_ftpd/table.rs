//! What becomes of the directives of Pure-FTPd.

use crate::import::settings::Directive;
use crate::import::settings::Fate::{Becomes, Lacking, Needless};

const LOG: &str = "the log goes to standard error; see [log]";
const RATE: &str = "there is no limit of the transfer rate; limit it by the system (tc)";
const DATABASE: &str = "there are no users in databases; run ftpd user add for each";
const DOTS: &str =
    "names that begin with a dot are like others; keep them out of the tree, or use --rights-below";
const FXP: &str =
    "for transfers between servers write a [[tls.rule]] with server_to_server = true for few users";

pub(crate) const DIRECTIVES: &[Directive] = &[
    // Firewalls.
    ("PassivePortRange", Becomes("passive.ports")),
    ("ForcePassiveIP", Becomes("passive.external_address")),
    ("NATmode", Becomes("passive.enabled")),
    ("BrokenClientsCompatibility", Needless("EPSV is never switched off")),
    ("AllowUserFXP", Lacking(FXP)),
    ("AllowAnonymousFXP", Lacking(FXP)),
    // Listening.
    ("Bind", Becomes("server.bind; the port below it: active.source_port")),
    ("IPV4Only", Becomes("server.bind")),
    ("IPV6Only", Becomes("server.bind")),
    ("TrustedIP", Lacking("which users log in at which address is not told apart; run a second ftpd for it")),
    // TLS.
    ("TLS", Becomes("tls.control, tls.data: 1 allow both, 2 require control, 3 require both")),
    ("CertFile", Becomes("tls.certificates")),
    ("CertFileAndKey", Becomes("tls.certificates")),
    ("TLSCipherSuite", Becomes("tls.client_certificates, if it begins with -C:")),
    (
        "ExtCert",
        Lacking("no program is asked for certificates; list them as certificates below [tls], by names"),
    ),
    // Times and limits.
    ("MaxIdleTime", Becomes("timeouts.idle (in minutes)")),
    ("MaxClientsNumber", Becomes("limits.sessions")),
    ("MaxClientsPerIP", Becomes("limits.sessions_per_address")),
    ("PerUserLimits", Lacking("sessions are counted by address: sessions_per_address below [limits]")),
    ("MaxLoad", Lacking("the load of the system is not looked at")),
    (
        "MaxDiskUsage",
        Lacking(
            "a full disk is a reply to the client; write quota = \"SIZE\" to the users of the accounts file",
        ),
    ),
    ("Quota", Becomes("accounts.file: quota, quota_files of users who have none of their own")),
    ("AnonymousBandwidth", Lacking(RATE)),
    ("UserBandwidth", Lacking(RATE)),
    ("AnonymousRatio", Lacking("downloads are not weighed against uploads")),
    ("UserRatio", Lacking("downloads are not weighed against uploads")),
    ("LimitRecursion", Needless("listings show one directory")),
    // Guests.
    ("NoAnonymous", Becomes("accounts.anonymous")),
    ("AnonymousOnly", Becomes("accounts.file is left out")),
    ("AnonymousCantUpload", Becomes("accounts.anonymous.writable")),
    ("AnonymousCanCreateDirs", Becomes("accounts.anonymous.writable")),
    ("AntiWarez", Lacking("guests see what guests stored; leave writable = true out if that is not wanted")),
    // Users.
    ("PureDB", Becomes("accounts.file: users of the .passwd file beside it; argon2id hashes are taken over")),
    ("UnixAuthentication", Needless("the accounts file holds exactly those who may log in")),
    ("PAMAuthentication", Needless("the accounts file holds exactly those who may log in")),
    ("MinUID", Needless("the accounts file holds exactly those who may log in")),
    ("LDAPConfigFile", Lacking(DATABASE)),
    ("MySQLConfigFile", Lacking(DATABASE)),
    ("PGSQLConfigFile", Lacking(DATABASE)),
    ("ExtAuth", Lacking("no program is asked for users; run ftpd user add for each")),
    ("ChrootEveryone", Becomes("accounts.file: everybody stays below --root")),
    ("TrustedGID", Lacking("everybody stays below --root; choose one that holds all they need")),
    ("CreateHomeDir", Lacking("make the directories beforehand")),
    ("KeepAllFiles", Becomes("accounts.file: rights without overwrite, delete")),
    ("NoRename", Becomes("accounts.file: rights without rename")),
    ("NoChmod", Becomes("accounts.file: rights without attributes")),
    // What may be done.
    ("NoTruncate", Becomes("server.uploads")),
    (
        "AutoRename",
        Lacking("clients use STOU for a new name; the right \"overwrite\" of an account protects files"),
    ),
    ("ProhibitDotFilesWrite", Lacking(DOTS)),
    ("ProhibitDotFilesRead", Lacking(DOTS)),
    ("AllowDotFiles", Needless("guests read them like other files")),
    ("DisplayDotFiles", Needless("listings show them")),
    ("CustomerProof", Needless("users may change only what their rights allow")),
    ("Umask", Becomes("none: new files have mode 644, new directories 755")),
    ("FSCharset", Becomes("none: names are UTF-8")),
    ("ClientCharset", Becomes("charset in a [[profile]], by hand")),
    (
        "CallUploadScript",
        Lacking("nothing is run after uploads; watch the directory (uploads appear when they are complete)"),
    ),
    // Words and the machine.
    ("FortunesFile", Lacking("the greeting is one line below [server]")),
    ("VerboseLog", Becomes("log.commands")),
    ("SyslogFacility", Needless(LOG)),
    ("AltLog", Needless(LOG)),
    ("LogPID", Needless(LOG)),
    ("DontResolve", Needless("names of clients are not looked up")),
    ("Daemonize", Needless("ftpd stays in the foreground, as systemd likes it")),
    ("PIDFile", Needless("ftpd stays in the foreground, as systemd likes it")),
    ("Bonjour", Lacking("the server announces itself nowhere")),
];
